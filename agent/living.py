"""Who lives, and how they are told something.

A pid and a start time (proc(5)) name one process for ever, within one boot. It is signalled through a descriptor
(pidfd_open(2)), so that no stranger who got its number is ever hit.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
from collections.abc import Iterator

from agent.users import user_name
from reconcilers.contract import Process
from schemas.errors import ActionFailed

_KILL_PATIENCE = 5.0
"""Seconds for which the kernel may take down a process that was killed."""

_STATE, _STARTED = 0, 19
"""Fields 3 and 22 of /proc/PID/stat, counted from after the name."""

_DEAD = (b"Z", b"X", b"x")


def living(pid: int) -> Process | None:
    """The living process with this number; a zombie is dead. Costs some 0.05 ms."""
    fields = _stat_fields(pid)
    if fields is None or fields[_STATE] in _DEAD:
        return None
    argv = _argv(pid)
    uid = _effective_uid(pid)
    if argv is None or uid is None:
        return None
    return Process(pid=pid, started=int(fields[_STARTED]), argv=argv, user=user_name(uid), boot=boot())


def start_time(pid: int) -> int | None:
    """The start time of a process that is not reaped yet, be it dead or alive; None when there is none."""
    fields = _stat_fields(pid)
    return None if fields is None else int(fields[_STARTED])


def started(pid: int) -> int | None:
    """The start time of a living process, and no more: for those who only compare it."""
    fields = _stat_fields(pid)
    return None if fields is None or fields[_STATE] in _DEAD else int(fields[_STARTED])


def find(argv: tuple[str, ...]) -> tuple[Process, ...]:
    """Every living process whose arguments end in these: `lua5.4 /usr/bin/prosody -F` is a
    `/usr/bin/prosody -F`.
    """
    return tuple(_find(argv))


@functools.cache
def boot() -> str:
    """This boot of the kernel: pids and start times of another one mean nothing."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def send(pid: int, when: int, number: signal.Signals) -> bool:
    """Send the process `pid` that was started at `when` a signal; False when it has ended. Another is let be.

    Raises ActionFailed when we may not.
    """
    with _holding(pid, when) as descriptor:
        return descriptor is not None and _send(descriptor, pid, number)


def stop(pid: int, when: int, *, timeout: float) -> None:
    """End the process `pid` that was started at `when`: TERM, and KILL after `timeout` seconds. Another is let be.

    Raises ActionFailed when we may not, or when even KILL does not end it.
    """
    with _holding(pid, when) as descriptor:
        if descriptor is None:
            return
        for number, patience in ((signal.SIGTERM, timeout), (signal.SIGKILL, _KILL_PATIENCE)):
            if not _send(descriptor, pid, number) or _has_ended(descriptor, patience):
                return
        raise ActionFailed(f"process {pid}: it outlives SIGKILL; see what it waits for in /proc/{pid}/stack")


def _proc(pid: int, name: str) -> bytes | None:
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


def _stat_fields(pid: int) -> list[bytes] | None:
    """What follows the name, which may itself hold blanks and brackets."""
    text = _proc(pid, "stat")
    return text.rpartition(b")")[2].split() if text else None


def _argv(pid: int) -> tuple[str, ...] | None:
    text = _proc(pid, "cmdline")
    if text is None:
        return None
    return tuple(os.fsdecode(word) for word in text.removesuffix(b"\0").split(b"\0"))


def _effective_uid(pid: int) -> int | None:
    text = _proc(pid, "status")
    if not text:
        return None
    return int(text.partition(b"\nUid:")[2].split(maxsplit=2)[1])


def _owner(pid: int) -> str:
    uid = _effective_uid(pid)
    return "its owner" if uid is None else user_name(uid)


def _find(argv: tuple[str, ...]) -> Iterator[Process]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            words = _argv(int(name))
            if words and words[-len(argv) :] == argv and (process := living(int(name))):
                yield process


@contextlib.contextmanager
def _holding(pid: int, when: int) -> Iterator[int | None]:
    """A descriptor of this very process; None when it lives no more.

    The start time is looked at once the descriptor is open: from then on the descriptor is of this process or of
    none, whoever gets its number.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield descriptor if started(pid) == when else None
    finally:
        os.close(descriptor)


def _send(pidfd: int, pid: int, number: signal.Signals) -> bool:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        raise ActionFailed(f"process {pid}: the agent's user may not signal it; do that as {_owner(pid)}") from None
    return True


def _has_ended(pidfd: int, timeout: float) -> bool:
    """Wait for the end of a process, ours or not. A pidfd becomes readable when the process is dead, reaped
    or not.
    """
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))
