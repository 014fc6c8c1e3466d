"""A thing that two would write: the commit that wants it is refused, or one of the two waits."""

from __future__ import annotations

import json

import pytest
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


@pytest.mark.parametrize("name", ["etc/prosody.cfg.lua", "secrets/turn", "data/x"])
def test_a_tree_brings_nothing_to_a_place_that_is_closed(living: Place, name: str) -> None:
    """What may not be an entry of files may not come by a tree that is laid above it: each is told, none written."""
    before = living.bytes()
    document = DOCUMENT + "  <home>: {tree: files/home}\n"
    living.push(
        {f"files/home/prosody/{name}": "mine\n", "files/home/.ssh/x": "", "files/home/ok": ""}, document=document
    )
    told = [mistake["message"] for mistake in living.reconcile()["mistakes"]]
    assert any(f"a push may not write {living.home}/.ssh/x: " in mistake for mistake in told)
    assert any(f"a push may not write {living.home}/prosody" in mistake for mistake in told)
    assert not any(f"{living.home}/ok" in mistake for mistake in told)
    assert living.bytes() == before


def test_a_name_that_cannot_be_said_is_a_mistake(living: Place) -> None:
    """Git names files by any bytes. What cannot be written down is told at the tree that would bring it."""
    for name in (b"x\xff", b"a\nb"):
        path = living.repository.work / "files/odd"
        path.mkdir(parents=True, exist_ok=True)
        (path / name.decode(errors="surrogateescape")).write_text("")
    living.push(document=DOCUMENT + "  <home>/odd: {tree: files/odd}\n")
    told = [mistake["message"] for mistake in living.reconcile()["mistakes"]]
    assert len(told) == 2 and all("rename it" in mistake for mistake in told), told
    assert not (living.home / "odd").exists()
