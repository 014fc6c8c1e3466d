"""What the kernel tells of a process by its number: proc(5), read plainly. Light to import: see agent/ask.py."""

from __future__ import annotations

import functools
import os
import time

_STATE, _STARTED = 0, 19
"""Fields 3 and 22 of /proc/PID/stat, counted from after the name."""

_DEAD = (b"Z", b"X", b"x")


def read(pid: int, name: str) -> bytes | None:
    """A file of this process; None when there is no such process, or no right to look."""
    try:
        descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        chunks = []
        while chunk := os.read(descriptor, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return None  # it ended while it was read
    finally:
        os.close(descriptor)


def started(pid: int) -> int | None:
    """The start time of a living process, in clock ticks since boot; a zombie is dead. Costs some 0.02 ms."""
    fields = _fields(pid)
    return None if fields is None or fields[_STATE] in _DEAD else int(fields[_STARTED])


def start_time(pid: int) -> int | None:
    """The start time of a process that is not reaped yet, be it dead or alive; None when there is none."""
    fields = _fields(pid)
    return None if fields is None else int(fields[_STARTED])


def since(ticks: int) -> float:
    """The instant (epoch seconds) of a start time."""
    return _booted() + ticks / os.sysconf("SC_CLK_TCK")


@functools.cache
def _booted() -> float:
    """When this boot began, by the clock as it goes now."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


@functools.cache
def boot() -> str:
    """This boot of the kernel: pids and start times of another one mean nothing."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _fields(pid: int) -> list[bytes] | None:
    """What follows the name, which may itself hold blanks and brackets."""
    text = read(pid, "stat")
    return text.rpartition(b")")[2].split() if text else None
