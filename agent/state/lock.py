"""One agent to a state directory, by flock(2): the kernel lets go of it however the agent ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from agent.state.errors import AlreadyRunning


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
    return descriptor
