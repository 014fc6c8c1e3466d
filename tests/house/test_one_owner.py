"""A thing that two would write: the commit that wants it is refused, or one of the two waits."""

from __future__ import annotations

import json

from places import DOCUMENT, Place


def test_a_pair_that_git_gives_is_not_made_anew_beside_it(living: Place) -> None:
    """Half a pair waits and says so; what lay there is kept once, and no pass after it writes or fails."""
    living.push(document=DOCUMENT + "  <home>/prosody/certs/example.test.key: {content: mine}\n")
    living.reconcile()
    kept = living.command("kept", "list", "-o", "json").stdout
    outcome = living.reconcile(full=True)
    assert (outcome["changes"], outcome["failures"]) == ([], [])
    assert "is given by files" in outcome["waits"][0]["why"]
    assert (living.home / "prosody/certs/example.test.key").read_text() == "mine"
    assert json.loads(living.command("kept", "list", "-o", "json").stdout) == json.loads(kept)


def test_a_directory_of_prosodys_is_no_entry_of_files(living: Place) -> None:
    """Its mode would be put right twice in each pass, open in between."""
    living.push(document=DOCUMENT + '  <home>/prosody/etc: {directory: true, mode: "0777"}\n')
    outcome = living.reconcile()
    (mistake,) = outcome["mistakes"]
    assert "the profile local makes this directory" in mistake["message"]
