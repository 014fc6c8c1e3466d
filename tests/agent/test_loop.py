"""What the loop does with its wakes, with a watch that only plays them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent import loop, program
from agent.control import Request
from agent.watch import Reason, Timer


class Played:
    """A watch that wakes the loop for these reasons, and then says that it is to end. `until`: how long it waited."""

    def __init__(self, *wakes: Reason) -> None:
        self._wakes = list(wakes)
        self.until: list[float] = []

    def wait(self, until: float, *, expiry: float | None) -> tuple[Reason, ...]:
        self.until.append(until)
        return (self._wakes.pop(0),)

    def stopping(self) -> bool:
        return not self._wakes

    def watch_files(self, _paths: object) -> tuple[str, ...]:
        return ()


def _loop(watch: Played) -> tuple[loop._Loop, list[bool]]:
    """A loop of an agent that answers all that it is asked; and its passes."""
    passed: list[bool] = []

    def run(*, full: bool) -> None:
        passed.append(full)

    engine = SimpleNamespace(
        source=SimpleNamespace(directory=None),
        passes=SimpleNamespace(run=run, watched=frozenset(), wake_at=None),
        answer=lambda *_: {},
        wants_pass=False,
        rest=lambda: None,
    )
    settings = SimpleNamespace(interval=60.0, full_look=3600.0)
    reader = SimpleNamespace(warm=lambda: None)
    made: Any = loop._Loop
    return cast(loop._Loop, made(settings, Path("agent.yaml"), engine, watch, reader)), passed


def test_who_asks_again_and_again_does_not_put_off_the_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """A monitor that asks for the status more often than the interval would else keep every push from a forge out."""
    monkeypatch.setattr(program, "is_replaced", lambda: False)
    asked = [Request(verb="status", arguments={}) for _ in range(2)]
    watch = Played(*asked, Timer())
    made, passed = _loop(watch)
    made.run()
    assert len(watch.until) == 3 and len(set(watch.until)) == 1, "the poll is due when it was"
    assert passed == [False], "the first pass, and none for a question"
    assert all(request.reply() == {"answer": {}} for request in asked)
