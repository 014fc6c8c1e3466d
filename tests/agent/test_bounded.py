"""What is done in a child leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import time

import pytest

from agent import bounded
from agent.bounded import TooDear, Worker, borrow


def descriptors() -> set[str]:
    """Those that this process holds open."""
    return set(os.listdir("/proc/self/fd"))


def test_a_child_ends_when_nobody_holds_its_pipes_any_more() -> None:
    """A parent may end where the kernel's word of it does not come: before it was asked for, or on another thread."""
    worker = Worker()
    pid = worker._pid
    os.close(worker._calls)
    os.close(worker._answers)
    assert os.waitpid(pid, 0) == (pid, 0)


def test_a_child_makes_ready_before_any_limit_counts() -> None:
    """What it prepares is the program's own; what it is called for is a commit's, and may cost as much as ever."""
    prepared = bytearray()

    def prepare() -> None:
        time.sleep(1.5)
        prepared.extend(bytes(64 * 2**20))

    with Worker(prepared, seconds=2.0, megabytes=32, prepare=prepare) as worker:
        assert worker.call(sleep_and_measure) == 64 * 2**20
        with pytest.raises(TooDear, match="32 MB"):
            worker.call(prepare_more)


def sleep_and_measure(prepared: bytearray) -> int:
    """Slowly."""
    time.sleep(1.0)
    return len(prepared)


def prepare_more(prepared: bytearray) -> None:
    """Too much, after the limit was set."""
    prepared += bytes(64 * 2**20)


def test_what_cannot_be_prepared_is_told_by_who_needs_it() -> None:
    """A child that could not make ready serves as any other does."""

    def prepare() -> None:
        raise RuntimeError("not yet")

    with Worker("context", prepare=prepare) as worker:
        assert worker.call(len) == 7


def test_a_child_borrows_what_its_parent_lends() -> None:
    """As often as it asks, and whatever that is; the parent's own trouble is raised in the parent."""
    with Worker() as worker:
        assert worker.call(borrow_all, ("a", "b"), lend=str.upper) == ["A", "B"]
        assert worker.call(borrow_all, (), lend=str.upper) == []
        with pytest.raises(KeyError, match="gone"):
            worker.call(borrow_all, ("gone",), lend={}.__getitem__)


def test_an_hour_in_which_nothing_is_lent_ends_with_the_limit() -> None:
    """The child's time is its parent's too: what is asked for is part of the call."""
    with Worker(seconds=0.5) as worker, pytest.raises(TooDear, match="took more than"):
        worker.call(borrow_for_ever, lend=str.upper)


def borrow_all(_: object, names: tuple[str, ...]) -> list[str]:
    """One after the other."""
    return [borrow(name) for name in names]


def borrow_for_ever(_: object) -> None:
    """Never comes to an answer."""
    while True:
        borrow("a")


def test_where_no_child_can_be_had_no_descriptor_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent on a host that is short of processes tries again with each pass."""
    before = descriptors()

    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(bounded.os, "fork", refuse)
    with pytest.raises(BlockingIOError):
        Worker()
    assert descriptors() == before
