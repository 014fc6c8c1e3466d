"""What is done in a child leaves nothing behind, however it ends."""

from __future__ import annotations

import os

import pytest

from agent import bounded
from agent.bounded import Worker


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


def test_where_no_child_can_be_had_no_descriptor_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent on a host that is short of processes tries again with each pass."""
    before = descriptors()

    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(bounded.os, "fork", refuse)
    with pytest.raises(BlockingIOError):
        Worker()
    assert descriptors() == before
