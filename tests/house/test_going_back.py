"""A commit that makes Prosody unwell is undone; what cannot be undone stops the agent's hands."""

from __future__ import annotations

import pytest
from places import DOCUMENT, FILES, Place, is_open, on_both, taken

pytestmark = pytest.mark.usefixtures("impatient")


def on_port(port: int) -> str:
    return DOCUMENT.replace("prosody:\n", f"prosody:\n  c2s_ports: [{port}]\n").replace("Kept by", "Moved by")


@on_both
def test_an_unwell_commit_is_undone_and_not_tried_again(living: Place) -> None:
    """Back to the good state, told, remembered; neither polls nor a new agent try it; another commit goes live."""
    good, port = living.repository.head(), living.port()
    with taken() as other:
        bad = living.push(document=on_port(other))
        with living.engine() as engine:
            outcome = engine.answer("reconcile", {}, print)
            assert outcome["result"] == "rolled_back"
            alive = living.prosody()
            assert engine.passes.run().revision == good
            status = engine.answer("status", {}, print)
        with living.engine() as engine:
            engine.passes.run()
    assert living.prosody() == alive, "the bad commit was tried again"
    assert is_open(port)
    assert (living.home / "motd").read_text() == "Kept by prosodist\n"
    assert (status["rejected"], status["good"]) == (bad, good)
    line = status["pins"]["prosody"].rpartition(".")[0]
    assert line in ("0.12", "13.0"), "the good state is pinned to what was installed then"
    assert len(living.told("rolled_back")) == 1
    assert living.told("commit.refused") == []
    revision = living.push(document=DOCUMENT.replace("Kept by", "Mended by"))
    assert living.reconcile()["revision"] == revision
    assert (living.home / "motd").read_text() == "Mended by prosodist\n"


def test_undoing_what_a_failed_commit_made_needs_no_word(living: Place) -> None:
    """However much it is: files, hosts with their pairs."""
    hosts = "".join(f"    {name}.test: {{}}\n" for name in ("example", *"abcde"))
    files = "".join(f"  <home>/many/{n}: {{content: a}}\n" for n in range(6))
    with taken() as other:
        living.push(document=on_port(other).replace("    example.test: {}\n", hosts) + files)
        outcome = living.reconcile()
    assert (outcome["result"], outcome["held"]) == ("rolled_back", [])
    assert not list((living.home / "many").glob("*"))
    assert not (living.home / "prosody/certs/a.test.crt").exists()
    assert b"a.test" not in living.prosody_config.read_bytes()


@on_both
def test_a_first_commit_that_is_unwell_stalls(place: Place) -> None:
    """There is nothing to go back to: told once, hands off, until a person's word or another commit."""
    with taken() as other:
        place.push(document=on_port(other))
        with place.engine() as engine:
            assert engine.passes.run().result.value == "stalled"
            alive = place.prosodies()
            assert engine.passes.run().result.value == "stalled"
        with place.engine() as engine:
            assert engine.passes.run().result.value == "stalled"
            status = engine.answer("status", {}, print)
        assert place.prosodies() == alive
        assert len(place.told("stalled")) == 1
        assert "Stalled" in [condition["type"] for condition in status["conditions"]]
    assert place.reconcile()["result"] in ("changed", "in_sync"), "a person's word is a new beginning"
    assert is_open(other)
    revision = place.push(FILES)
    assert place.reconcile()["revision"] == revision
    with place.engine() as engine:
        assert engine.answer("status", {}, print)["health"] == "Healthy"
