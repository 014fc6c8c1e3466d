"""`kill -9` at every step: files stay whole, the next pass finishes, and Prosody does what the commit says.

A step is an action of the hands or a write to the state. Between two of them nothing lasting happens, so a death
before each one is a death after the one before it; a death inside of a single write is tests/agent/test_atomic.py's.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import releases
from places import DOCUMENT, FILES, Place, is_open

from agent.host import LocalHost
from agent.loop import single
from agent.settings import load_settings
from agent.state import State

_WRITES = ("mark", "begin_round", "settle_round", "clear_owed", "disown", "remember", "forget", "drift_cleared")
SHARDS = 4
"""Each test takes its part of the steps, so that they fit the time a test may take; both Prosodies die as often."""
RUNS = 2
"""A run takes one step of so many, by chance, since each takes seconds: CI's five runs leave one step of 32 out."""
_IN_TURN = tuple(itertools.islice(itertools.cycle(sorted(releases.RELEASES)), SHARDS))
"""The Prosody of each shard."""


@pytest.mark.parametrize(("shard", "installed"), tuple(enumerate(_IN_TURN)), indirect=["installed"])
def test_killed_on_the_way_from_nothing(place: Place, shard: int) -> None:
    """A bare host, and an agent that dies at its n-th step."""
    steps = _steps(shard)
    while _dies_at(step := next(steps), place):
        _finished(place, FILES["files/index.html"])
        place.close()
        shutil.rmtree(place.home)
        shutil.rmtree(place.state)
        (place.settings.parent / "accepted").unlink(missing_ok=True)
        place.home.mkdir(mode=0o755)
    assert step > 15, "the steps were not counted"


@pytest.mark.parametrize("pushed_again", [False, True], ids=["finished", "overtaken"])
@pytest.mark.parametrize(("shard", "installed"), tuple(enumerate(reversed(_IN_TURN))), indirect=["installed"])
def test_killed_on_the_way_to_a_change(living: Place, shard: int, pushed_again: bool, free_port: Any) -> None:
    """A commit that opens a new port, changes a file and removes one; an agent that dies at its n-th step.

    The next pass finishes it, or goes on to a commit that came meanwhile.
    """
    for round_, step in enumerate(_steps(shard), random.randrange(2)):
        port, text = free_port(), f"round {round_}\n"
        document = DOCUMENT.replace("prosody:\n", f"prosody:\n  c2s_ports: [{port}]\n")
        if round_ % 2:
            document = document.replace('  <home>/once: {content: "once\\n", drift: ignore}\n', "")
        living.push({"files/index.html": text}, document=document)
        died = _dies_at(step, living)
        if pushed_again:
            former, port = port, free_port()
            living.push(document=document.replace(str(former), str(port)))
        _finished(living, text)
        assert is_open(port), f"the new port is closed after a death at step {step}"
        if not died:
            break
    assert step > 8, "the steps were not counted"


def _steps(shard: int) -> Iterator[int]:
    return itertools.count(1 + shard + SHARDS * random.randrange(RUNS), SHARDS * RUNS)


def _finished(place: Place, text: str | bytes | None) -> None:
    """Files are whole or absent before the next pass, right after it; one Prosody lives; a third pass is idle."""
    for path in (place.home / "motd", place.home / "site/index.html"):
        assert not path.exists() or path.read_bytes().endswith(b"\n")
    outcome = place.reconcile()
    assert (outcome["result"] in ("changed", "in_sync"), outcome["failures"]) == (True, [])
    assert (place.home / "site/index.html").read_text() == text
    assert not list(place.home.rglob("*.prosodist"))
    assert list((place.home / "prosody/stage").iterdir()) == []
    assert len(place.prosodies()) == 1
    assert is_open(place.port())
    before, alive = place.bytes(), place.prosody()
    third = place.reconcile()
    assert (third["result"], third["changes"]) == ("in_sync", [])
    assert (place.bytes(), place.prosody()) == (before, alive)


def _dies_at(step: int, place: Place) -> bool:
    """One pass in a child that kills itself before its `step`-th step; whether it came to that."""
    print(f"a death at step {step}")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(os.open(place.root / "child.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
            _count_down(step)
            with single(load_settings(place.settings), place.settings) as engine:
                engine.reconcile()
            status = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr)
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0 or os.WIFSIGNALED(status), Path(place.root, "child.log").read_text()
    return status != 0


def _count_down(steps: int) -> None:
    left = [steps]

    def mortal(kind: type, name: str) -> None:
        method = getattr(kind, name)

        def step(self: Any, *arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(self, *arguments, **named)

        setattr(kind, name, step)

    mortal(LocalHost, "perform")
    for name in _WRITES:
        mortal(State, name)
