"""One agent to a state directory, by flock(2): the kernel lets go of it however the agent ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from agent.state.errors import AlreadyRunning

_held: set[int] = set()


def take_lock(state_dir: Path) -> int:
    """A descriptor to keep open for as long as the agent lives. Raises AlreadyRunning."""
    descriptor = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 20, 0).strip()
        os.close(descriptor)
        raise AlreadyRunning(state_dir, int(pid) if pid.isdigit() else None) from None
    except OSError:
        os.close(descriptor)
        raise
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    _held.add(descriptor)
    return descriptor


def drop_lock(descriptor: int) -> None:
    """Let another agent take the directory."""
    _held.discard(descriptor)
    os.close(descriptor)


def _close_in_child() -> None:
    """A forked child shares the lock, and may outlive a killed agent: the next one must not wait for it."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_close_in_child)
