"""The same work by plain means, for comparison: short scripts in `by_hand/`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SCRIPTS = Path(__file__).parent / "by_hand"


@contextmanager
def fresh() -> Iterator[tuple[Path, int]]:
    """An empty directory and a free port. A Prosody that was started there ends with it."""
    home = Path(tempfile.mkdtemp(prefix="prosodist-bench-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        yield home, port
    finally:
        end(home / "run/prosody.pid")
        shutil.rmtree(home, ignore_errors=True)


def end(pidfile: Path) -> None:
    """End the process that a pidfile names, if there is one."""
    with suppress(OSError, ValueError):
        os.kill(int(pidfile.read_text()), signal.SIGTERM)
