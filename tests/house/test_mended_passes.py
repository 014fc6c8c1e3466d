"""What a pass must not do again: one behaviour each, that was wrong once."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
from collections.abc import Iterator

import pytest
from places import DOCUMENT, Place, is_open, on_both, taken

from agent.host import LocalHost
from schemas.actions import Action, Make

SILENT = print


pytestmark = pytest.mark.usefixtures("impatient")


LARGE = "source: files/large"


@contextlib.contextmanager
def limit(size: int) -> Iterator[None]:
    """No file can be written beyond this many bytes, as on a disk that is full."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def on_port(port: int, document: str = DOCUMENT) -> str:
    return document.replace("prosody:\n", f"prosody:\n  c2s_ports: [{port}]\n")


def with_secret(document: str) -> str:
    return document.replace("prosody:\n", "prosody:\n  turn_external_secret: {host_file: <home>/turn}\n")


def test_a_huge_log_of_prosody_costs_no_restart(living: Place) -> None:
    """Its log may be longer than any file that is read whole; what was proven stays known."""
    os.truncate(living.home / "prosody/log/prosody.log", 70 * 2**20)
    living.push(document=DOCUMENT.replace("disco, ", "disco, version, "))
    assert living.reconcile()["result"] == "changed"
    alive = living.prosody()
    assert living.reconcile(full=True)["result"] == "in_sync"
    assert living.prosody() == alive


def test_what_only_waits_is_not_good_and_no_way_back(living: Place) -> None:
    """A configuration that waits for a secret is not good; going back to one that waits stalls, hands off."""
    secret = living.home / "turn"
    first = living.repository.head()
    good = living.push(document=with_secret(DOCUMENT))
    with living.engine() as engine:
        engine.answer("reconcile", {}, SILENT)
        status = engine.answer("status", {}, SILENT)
        assert (status["good"], status["health"]) == (first, "Progressing")
    with living.engine() as engine:
        assert engine.answer("status", {}, SILENT)["health"] == "Progressing", "known without a pass"
    secret.write_text("hidden-very-well")
    secret.chmod(0o600)
    os.chown(secret, os.getuid(), os.getgid())
    assert living.reconcile()["result"] == "changed"
    with taken() as port, living.engine() as engine:
        assert engine.answer("status", {}, SILENT)["good"] == good
        secret.unlink()
        living.push(document=on_port(port))
        assert engine.passes.run().result.value == "stalled"
        alive = living.prosodies()
        assert engine.passes.run().result.value == "stalled"
        assert living.prosodies() == alive
        assert len(engine.answer("history", {"limit": 200}, SILENT)["history"]) > 0
    assert len(living.told("stalled")) == 1
    assert living.told("rolled_back") == []


def test_a_persons_word_tries_a_rejected_commit_again(living: Place) -> None:
    """What was in its way lay outside of git; polls leave it alone and say what helps, `reconcile` tries it."""
    with taken() as port:
        bad = living.push(document=on_port(port))
        assert living.reconcile()["result"] == "rolled_back"
        with living.engine() as engine:
            assert "`prosodist reconcile`" in engine.passes.run().failures[0]
    with living.engine() as engine:
        assert engine.passes.run().revision != bad
    outcome = living.reconcile()
    assert (outcome["result"], outcome["revision"]) == ("changed", bad)
    assert is_open(port)


def test_an_instant_that_has_come_wakes_nobody_again(living: Place) -> None:
    """Else a pass that fails would be followed by the next one at once, for ever."""
    with living.engine() as engine:
        engine.passes.run()
        engine.passes.wake_at = 1.0
        engine.passes.run()
        assert engine.passes.wake_at != 1.0


@on_both
def test_a_restart_alone_is_a_change(living: Place) -> None:
    """A Prosody of which nobody knows what it has loaded is restarted, and that is said."""
    with living.engine() as engine:
        engine._house.state.forget("running")
        outcome = engine.answer("reconcile", {}, SILENT)
        assert (outcome["result"], outcome["changes"]) == ("changed", [])
        assert outcome["activations"][0]["disruption"] == "RESTART"
        assert engine.answer("reconcile", {}, SILENT)["result"] == "in_sync"


def test_a_drift_that_cannot_be_corrected_is_told_once(living: Place) -> None:
    """It stands open while it stands, and is not told as cleared and new again on each pass."""
    motd = living.home / "motd"
    motd.unlink()
    motd.mkdir()
    (motd / "mine").write_text("a directory where a file should be\n")
    with living.engine() as engine:
        for _ in range(3):
            assert engine.answer("reconcile", {}, SILENT)["result"] == "failed"
        (open_drift,) = engine.answer("drift", {}, SILENT)["drift"]
    assert open_drift["object"] == str(motd)
    assert (len(living.told("drift.appeared")), len(living.told("change.failed"))) == (1, 1)
    assert living.told("drift.cleared") == []
    (motd / "mine").unlink()
    motd.rmdir()
    living.reconcile()
    assert len(living.told("drift.cleared")) == 1


def test_a_death_before_the_write_does_not_turn_git_into_drift(living: Place) -> None:
    """A person and git both moved; what git wants is written, and what the person wrote is kept."""
    from agent import inventory
    from agent.converge import observe, recollect

    watched = living.home / "watched"
    watched.write_text("mine\n")
    revision = living.push(document=DOCUMENT.replace('"watched\\n"', '"moved\\n"'))
    with living.engine() as engine:
        house, target = engine._house, engine.passes._choice.choose()
        assert target is not None
        view, _ = observe(house, target.spec, recollect(house.state), revision=revision)
        house.renderer.close()
        inventory.write_ahead(house.state, view, revision)  # and here it dies
    living.reconcile()
    assert watched.read_text() == "moved\n"
    assert [event["object"] for event in living.told("kept.stored")] == [str(watched)]


def test_the_anchor_that_cannot_be_written_is_told(living: Place) -> None:
    """Without it a lost state would let a rewritten history in."""
    accepted = living.settings.parent / "accepted"
    accepted.unlink()
    accepted.mkdir()
    living.push(document=DOCUMENT.replace("Kept by", "Moved by"))
    for _ in range(2):
        living.reconcile()
    (told,) = living.told("anchor.unwritten")
    assert str(accepted) in told["reason"]


def test_plan_accepts_nothing_and_names_what_is_held(living: Place) -> None:
    """To look changes nothing: no mark, no anchor; and with the proof of a pass a held plan has its name still."""
    before = living.repository.head()
    anchor = living.settings.parent / "accepted"
    held = DOCUMENT.replace('  <home>/motd: {content: "Kept by prosodist\\n"}\n', "") + "prune: {confirm_above: 0}\n"
    revision = living.push(document=held)
    with living.engine() as engine:
        plan = engine.answer("plan", {}, SILENT)
        assert (plan["revision"], engine.answer("status", {}, SILENT)["accepted"]) == (revision, before)
        assert anchor.read_text().strip() == before
        assert engine.answer("reconcile", {}, SILENT)["result"] == "held"
        assert engine.answer("plan", {}, SILENT)["digest"] == plan["digest"] != None  # noqa: E711
    with taken() as port:
        living.push(document=on_port(port, held))
        assert living.reconcile()["result"] == "rolled_back"
    assert (living.home / "motd").exists(), "a way back is nobody's word for what the good state holds"


def test_an_unreachable_repository_is_told_again_when_the_reason_changes(living: Place) -> None:
    """The status shows the newest reason."""
    bare = living.repository.bare
    bare.rename(living.root / "away.git")
    with living.engine() as engine:
        engine.passes.run()
        bare.mkdir()
        for _ in range(2):
            engine.passes.run()
        told = [event["reason"] for event in living_told(engine)]
        (stale,) = [c for c in engine.answer("status", {}, SILENT)["conditions"] if c["type"] == "SourceStale"]
    assert len(told) == 2
    assert told[0].startswith(stale["message"])


def living_told(engine: object) -> list[dict[str, str]]:
    """Newest first."""
    history = engine.answer("history", {"limit": 100}, SILENT)["history"]  # type: ignore[attr-defined]
    return [entry for entry in history if entry["event"] == "source.unreachable"]


def test_what_a_configuration_opens_is_watched(living: Place) -> None:
    """A certificate, and a file beside it that somebody else keeps: a change there is no less urgent than in ours."""
    theirs = living.home / "theirs.cfg.lua"
    theirs.write_text('welcome_message = "theirs"\n')
    living.push(document=DOCUMENT.replace("prosody:\n", "prosody:\n  include: [<home>/theirs.cfg.lua]\n"))
    with living.engine() as engine:
        assert engine.answer("reconcile", {}, SILENT)["result"] == "changed"
        opened = {str(theirs), str(living.home / "prosody/certs/example.test.crt")}
        assert opened <= engine.passes.watched
        assert not any(path.startswith("/usr/") for path in engine.passes.watched)


def test_a_file_for_which_there_is_no_room_is_told_once(living: Place) -> None:
    """What lies there is ours still: it is kept in no copy. The commit is not in force, also where no agent runs."""
    living.push({"files/large": b"x" * 3 * 2**20}, document=DOCUMENT.replace('content: "Kept by prosodist\\n"', LARGE))
    before = (living.home / "motd").stat()
    with living.engine() as engine, limit(2 * 2**20):
        for _ in range(3):
            outcome = engine.answer("reconcile", {}, SILENT)
            assert (outcome["result"], len(outcome["failures"])) == ("failed", 1)
        assert engine.answer("status", {}, SILENT)["sync"] == "OutOfSync"
    assert (len(living.told("change.failed")), living.told("kept.stored")) == (1, [])
    assert (living.home / "motd").stat() == before
    status = json.loads(living.command("status", "-o", "json").stdout)
    assert (status["sync"], status["health"]) == ("OutOfSync", "Degraded")
    assert "ulimit" in status["conditions"][0]["message"]
    assert living.reconcile()["result"] == "changed"
    assert json.loads(living.command("status", "-o", "json").stdout)["sync"] == "Synced"


def test_a_directory_removed_under_our_hands_is_made_anew(living: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an `rm -r` a pass may see the first half: what is gone at the deed is looked at again, and nothing stalls."""
    certificates = living.home / "prosody/certs"
    (certificates / "example.test.key").unlink()
    perform = LocalHost.perform

    def remove_first(host: LocalHost, action: Action) -> None:
        if isinstance(action, Make):
            monkeypatch.undo()
            shutil.rmtree(certificates)
        perform(host, action)

    monkeypatch.setattr(LocalHost, "perform", remove_first)
    outcome = living.reconcile()
    assert (outcome["result"], outcome["failures"]) == ("changed", [])
    assert (certificates / "example.test.key").exists()
    assert living.told("stalled") == living.told("health.failed") == []
