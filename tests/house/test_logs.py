"""Prosody's logs: never without end, never in the way of a Prosody that runs."""

from __future__ import annotations

import os
import signal
import time

import pytest
from places import DOCUMENT, Place, on_both

from agent.logfiles import KEPT, LARGEST


@on_both
@pytest.mark.parametrize("name", ["prosody.log", "prosody.out"])
def test_a_log_that_grew_large_begins_anew(living: Place, name: str) -> None:
    """Its end lies beside it, dressed like it; Prosody, which is told nothing, goes on writing to the same file."""
    log = living.home / "prosody/log" / name
    alive, before = living.prosody(), log.stat()
    with log.open("ab") as file:
        file.write(b"x" * LARGEST + b"the end\n")
    assert living.reconcile()["result"] == "in_sync"
    beside = log.with_name(f"{name}.1")
    assert (log.stat().st_size < 4096, log.stat().st_ino) == (True, before.st_ino)
    kept = beside.read_bytes()
    assert (len(kept), b"xthe end\n" in kept[-4096:]) == (KEPT, True)  # Prosody may have gone on meanwhile
    assert [beside.stat().st_mode, beside.stat().st_uid] == [before.st_mode, before.st_uid]
    assert living.prosody() == alive
    if name == "prosody.log":
        os.kill(alive[0], signal.SIGTERM)  # it has something to say then
        until = time.monotonic() + 20
        while living.prosodies() and time.monotonic() < until:
            time.sleep(0.02)
        assert log.read_bytes()[:1] not in (b"", b"\0")


def test_a_log_that_cannot_be_begun_anew_is_told_once(living: Place) -> None:
    """And keeps what it has; nothing else is held up by it."""
    log = living.home / "prosody/log/prosody.log"
    log.with_name("prosody.log.1").mkdir()
    os.truncate(log, LARGEST + 1)
    with living.engine() as engine:
        for _ in range(2):
            assert engine.answer("reconcile", {}, print)["result"] == "in_sync"
    (told,) = living.told("log.untrimmed")
    assert (told["object"], log.stat().st_size > LARGEST) == (str(log), True)


@pytest.mark.parametrize("what", ["link", "pipe", "directory"])
def test_prosody_is_not_stopped_for_a_start_that_cannot_come(living: Place, what: str) -> None:
    """Something lies where its output goes: nothing is written or stopped, and the commit comes when it is gone."""
    out, elsewhere, alive = living.home / "prosody/log/prosody.out", living.root / "elsewhere", living.prosody()
    out.unlink()
    match what:
        case "link":
            elsewhere.touch()
            out.symlink_to(elsewhere)
        case "pipe":
            os.mkfifo(out)
        case "directory":
            out.mkdir()
    before = living.bytes()
    revision = living.push(document=DOCUMENT.replace("disco, ", "disco, version, "))
    with living.engine() as engine:
        for _ in range(2):
            outcome = engine.answer("reconcile", {}, print)
            assert outcome["result"] == "failed"
            assert str(out) in outcome["failures"][0]
    assert (living.prosody(), living.bytes()) == (alive, before)
    assert living.told("rolled_back") == living.told("stalled") == []
    out.rmdir() if what == "directory" else out.unlink()
    outcome = living.reconcile()
    assert (outcome["result"], outcome["revision"]) == ("changed", revision)
    assert living.prosody() != alive
