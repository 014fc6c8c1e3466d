"""A host with a past: what was there before is held, kept, and then replaced; what we made is known again."""

from __future__ import annotations

import json
import shutil

import pytest
from places import DOCUMENT, Place, is_open

from schemas.errors import AgentError

WITHOUT = f"profile: local\nfiles:{DOCUMENT.partition('files:')[2]}"
BY_HAND = b'-- mine\ndata_path = "/nowhere"\nVirtualHost "old.example"\n'


def test_a_configuration_made_by_hand_is_held_until_confirm(place: Place) -> None:
    """Not overwritten, not started and told once; `confirm` lets go of it, and what was there is kept."""
    config = place.prosody_config
    config.parent.mkdir(parents=True)
    config.write_bytes(BY_HAND)
    with place.engine() as engine:
        outcomes = [engine.answer("reconcile", {}, print) for _ in range(2)]
        assert [outcome["result"] for outcome in outcomes] == ["held", "held"]
        assert (place.home / "motd").exists(), "everything else goes on"
        assert config.read_bytes() == BY_HAND
        assert place.prosodies() == []
        assert engine.answer("status", {}, print)["health"] == "Progressing"
        answer = engine.answer("confirm", {}, print)
        assert [change["object"] for change in answer["plan"]["held"]] == [str(config)]
        assert answer["outcome"]["result"] == "changed"
    assert len(place.told("change.held")) == 1
    assert is_open(place.port())
    listed = json.loads(place.command("kept", "list", "-o", "json").stdout)
    (kept,) = [item for item in listed if item["object"] == str(config)]
    assert place.command("kept", "show", kept["id"]).stdout == BY_HAND


def test_a_confirmation_that_would_do_nothing_is_no_confirmation(place: Place) -> None:
    """On a host where nothing is held it makes no pass of its own; while suspended it says so, and is not lost."""
    with place.engine() as engine, pytest.raises(AgentError, match="no plan is held"):
        engine.answer("confirm", {}, print)
    assert list(place.home.iterdir()) == []
    place.prosody_config.parent.mkdir(parents=True)
    place.prosody_config.write_bytes(BY_HAND)
    with place.engine() as engine:
        engine.answer("reconcile", {}, print)
        engine.answer("suspend", {"reason": "looking into it"}, print)
        with pytest.raises(AgentError, match="`prosodist resume` first"):
            engine.answer("confirm", {}, print)
        assert place.told("confirmed") == []
        engine.answer("resume", {}, print)
        assert engine.answer("confirm", {}, print)["outcome"]["result"] == "changed"
    assert len(place.told("confirmed")) == 1


def test_without_state_equal_things_are_taken_over_and_others_are_kept(living: Place) -> None:
    """A lost state: nothing is pruned, what is equal is taken over silently, what differs is kept and replaced."""
    living.push(document=DOCUMENT.replace('  <home>/once: {content: "once\\n", drift: ignore}\n', ""))
    (living.home / "motd").write_text("mine\n")
    index = (living.home / "site/index.html").stat()
    port = living.port()
    shutil.rmtree(living.state)
    living.log.clear()
    outcome = living.reconcile()
    assert not outcome["failures"]
    assert (living.home / "once").exists(), "nothing is pruned in the first pass"
    assert (living.home / "motd").read_text() == "Kept by prosodist\n"
    assert (living.home / "site/index.html").stat() == index
    (kept,) = [i for i in json.loads(living.command("kept", "list", "-o", "json").stdout) if "motd" in i["object"]]
    assert living.command("kept", "show", kept["id"]).stdout == b"mine\n"
    assert len(living.prosodies()) == 1
    assert (living.port(), is_open(port)) == (port, True), "clients know this number"
    assert living.reconcile()["result"] == "in_sync"
    assert len(living.told("state.lost")) == 1


def test_what_was_here_before_is_let_go_of_and_told(living: Place) -> None:
    """Once, when git says nothing of it any more: it lies there as it did, and nobody looks after it now."""
    theirs = living.home / "theirs"
    theirs.write_text("theirs\n")
    theirs.chmod(0o644)
    living.push(document=DOCUMENT + '  <home>/theirs: {content: "theirs\\n"}\n')
    living.reconcile()
    assert [told for told in living.told("change.made") if told["object"] == str(theirs)] == []
    living.push(document=DOCUMENT)
    living.reconcile()
    living.reconcile(full=True)
    (told,) = [told for told in living.told("change.made") if told["object"] == str(theirs)]
    assert (told["kind"], told["reason"]) == ("released", "gone from git; it was here before prosodist, and stays")
    assert theirs.read_text() == "theirs\n"


def test_without_state_a_rewritten_history_is_still_refused(living: Place) -> None:
    """The second copy of the accepted revision stands beside the settings."""
    head = living.repository.head()
    living.push(document=DOCUMENT + "# more\n")
    living.reconcile()
    living.repository.reset(head)
    living.repository.commit({"files/index.html": "rewritten\n"})
    living.repository.push("--force")
    shutil.rmtree(living.state)
    assert living.reconcile()["result"] == "refused"
    assert living.told("commit.refused")[-1]["reason"] == "HistoryRewritten"
    assert (living.home / "site/index.html").read_text() == "hello\n"


def test_a_rewritten_history_is_taken_at_a_persons_word(living: Place) -> None:
    """Refused, the former state enforced; `accept` takes it, and the next agent knows."""
    living.push(document=DOCUMENT.replace("Kept by", "Held by"))
    living.reconcile()
    first = living.repository.head()
    living.repository.reset(first + "~1")
    revision = _force(living)
    with living.engine() as engine:
        assert engine.answer("reconcile", {}, print)["result"] == "refused"
        (living.home / "motd").write_text("mine\n")
        engine.answer("reconcile", {}, print)
        assert (living.home / "motd").read_text() == "Held by prosodist\n", "the former state is enforced"
        assert engine.answer("accept", {"revision": revision[:12]}, print)["accepted"] == revision
    assert (living.home / "site/index.html").read_text() == "rewritten\n"
    assert living.reconcile()["result"] == "in_sync"
    assert len(living.told("commit.refused")) == 1


def test_many_removals_wait_for_a_persons_word(living: Place) -> None:
    """`confirm_above`: more removals than allowed are held as a whole; `confirm` lets go of just that plan."""
    many = "".join(f"  <home>/many/{n}: {{content: a}}\n" for n in range(6))
    document = DOCUMENT.replace("profile: local", "profile: local\nprune: {confirm_above: 5}")
    living.push(document=document + many)
    living.reconcile()
    living.push(document=document)
    with living.engine() as engine:
        assert engine.answer("reconcile", {}, print)["result"] == "held"
        assert len(list((living.home / "many").iterdir())) == 6
        living.push(document=document.replace("prosody:\n", 'prosody:\n  lua: "this is none"\n'))
        engine.answer("reconcile", {}, print)
        assert len(list((living.home / "many").iterdir())) == 6, "a bad commit undoes nothing, so it lets nothing go"
        living.push(document=document)
        engine.answer("reconcile", {}, print)
        answer = engine.answer("confirm", {}, print)
        assert len(answer["plan"]["held"]) == 7, "the directory that was made for them goes with them, uncounted"
        assert not (living.home / "many").exists()
        with pytest.raises(AgentError, match="no plan is held"):
            engine.answer("confirm", {}, print)


def test_virtual_hosts_count_as_removals(living: Place) -> None:
    """Too many of them hold the whole change of Prosody's configuration, and their pairs; not those that are allowed.

    All of Prosody is as many as it serves.
    """
    four = DOCUMENT.replace("    example.test: {}\n", "".join(f"    {n}.test: {{}}\n" for n in ("example", *"abcd")))
    living.push(document=four)
    living.reconcile()
    wanted, pairs = living.prosody_config.read_bytes(), living.home / "prosody/certs"
    with living.engine() as engine:
        for document in (DOCUMENT.replace("c2s_require_encryption: false", "c2s_require_encryption: true"), WITHOUT):
            living.push(document=document)
            outcome = engine.answer("reconcile", {}, print)
            assert outcome["result"] == "held"
            assert living.prosody_config.read_bytes() == wanted
            assert (pairs / "a.test.crt").exists()
            reasons = {item["needs_word"] for item in outcome["held"]}
            assert reasons == {f"{4 + (document == WITHOUT)} removals in one pass, 3 are allowed"}
            assert living.prosody()
        data = living.home / "prosody/data/a%2etest/accounts/ana.dat"
        data.parent.mkdir(parents=True)
        data.touch()
        living.push(document=four.replace("    a.test: {}\n", ""))
        assert engine.answer("reconcile", {}, print)["result"] == "changed"
        assert not (pairs / "a.test.crt").exists()
        assert data.exists(), "a host's data stay when it goes"


def _force(place: Place) -> str:
    place.repository.commit({"files/index.html": "rewritten\n"})
    return place.repository.push("--force")
