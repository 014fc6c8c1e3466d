"""Prosody is told of files that only a module of its reads: git says so with `notify`."""

from __future__ import annotations

import pytest
from places import DOCUMENT, Place

from agent import activate

NOTED = "  <home>/list.txt: {{content: {word}, notify: {who}}}\n"


@pytest.mark.parametrize("who", ["prosody", "prosody/firewall"])
def test_a_file_that_a_module_reads_restarts_prosody_once(living: Place, who: str) -> None:
    """Nothing else would know of it; a second pass does nothing."""
    listed = living.home / "list.txt"
    for word in ("first", "second"):
        living.log.clear()
        living.push(document=DOCUMENT + NOTED.format(word=word, who=who))
        outcome = living.reconcile()
        assert outcome["result"] == "changed" and listed.read_text() == word, outcome
        (made,) = living.told("activation.made")
        assert (made["object"], made["disruption"]) == ("prosody", "RESTART") and str(listed) in made["reason"]
        again = living.reconcile()
        assert again["result"] == "in_sync" and not again["activations"]


def test_an_agent_that_dies_between_write_and_restart_still_restarts(
    living: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is there, and nothing of the host tells that Prosody has not read it: that was written down before."""
    living.push(document=DOCUMENT + NOTED.format(word="new", who="prosody"))
    with monkeypatch.context() as patch:
        patch.setattr(activate, "perform", _die)
        with pytest.raises(KeyboardInterrupt):
            living.reconcile()
    assert (living.home / "list.txt").read_text() == "new"
    living.log.clear()
    living.reconcile()
    assert [made["disruption"] for made in living.told("activation.made")] == ["RESTART"]
    assert living.reconcile()["result"] == "in_sync"


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
