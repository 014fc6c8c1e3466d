"""A LocalHost on a directory of its own, with a memory that can be looked into; and a death at a chosen
syscall.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from agent.atomic import Copy
from agent.fence import Fence
from agent.host import LocalHost
from schemas.actions import Signature
from schemas.record import Record

PR_SET_PTRACER = 0x59616D61
ANYBODY = ctypes.c_ulong(-1)


class Hands:
    """The host and what it kept and remembered."""

    def __init__(self, home: Path, *closed: Path) -> None:
        self.home = home
        self.kept: list[Copy] = []
        self.records: dict[str, Record] = {}
        self.host = self.make(*closed)

    def make(self, *closed: Path) -> LocalHost:
        """A new host on the same memory: an agent started again."""
        return LocalHost(
            fence=Fence(open=(PurePosixPath(self.home),), closed=tuple(map(PurePosixPath, closed))),
            keep=lambda copy, why: self.kept.append(copy),
            remember=self._remember,
            recall=self.records.get,
            forget=lambda id_: self.records.pop(id_, None),
            clock=time.time,
        )

    def _remember(self, id_: str, value: Mapping[str, Any]) -> None:
        self.records[id_] = Record(value=value, at=time.time())

    def path(self, name: str) -> PurePosixPath:
        return PurePosixPath(self.home / name)

    def was(self, name: str) -> Signature | None:
        found = self.host.stat(self.path(name))
        return found.signature if found else None

    def leftovers(self) -> list[str]:
        return [name for name in os.listdir(self.home) if name.endswith(".prosodist")]


def system_calls(deed: Callable[[], object], log: Path) -> list[tuple[str, int]]:
    """Every system call that the deed makes, in order, each as name and how often it came so far."""
    assert not _traced(deed, "-o", str(log))
    names = [line.partition("(")[0] for line in log.read_text().splitlines() if "(" in line]
    came: Counter[str] = Counter()
    calls = []
    for name in names[1:]:  # the first is the read that waits for us
        came[name] += 1
        calls.append((name, came[name]))
    return calls


def dies_at(name: str, count: int, deed: Callable[[], object]) -> bool:
    """Do it in a child that is killed in this system call; whether it came to that."""
    return _traced(deed, "-o", "/dev/null", "-e", f"inject={name}:signal=KILL:when={count}")


def _traced(deed: Callable[[], object], *options: str) -> bool:
    """Do it in a child below strace; whether the child was killed."""
    start, go = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)
            os.read(start, 1)
            deed()
            status = 0
        finally:
            os._exit(status)
    tracer = subprocess.Popen(["strace", "-p", str(child), *options], stderr=subprocess.PIPE)
    assert tracer.stderr
    assert b"attached" in tracer.stderr.readline()
    os.write(go, b".")
    _, status = os.waitpid(child, 0)
    tracer.communicate()
    os.close(start)
    os.close(go)
    assert status == 0 or os.WIFSIGNALED(status), "the deed itself failed"
    return status != 0
