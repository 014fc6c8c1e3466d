"""Who lives, and how they are told something.

A pid and a start time (proc(5)) name one process for ever, within one boot. It is signalled through a descriptor
(pidfd_open(2)), so that no stranger who got its number is ever hit.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator

from agent import proc
from agent.proc import boot as boot  # whoever asks who lives asks here
from agent.proc import start_time as start_time
from agent.proc import started as started
from agent.users import user_name
from reconcilers.contract import Process
from schemas.errors import ActionFailed

_KILL_PATIENCE = 5.0
"""Seconds for which the kernel may take down a process that was killed."""


def living(pid: int) -> Process | None:
    """The living process with this number; a zombie is dead. Costs some 0.05 ms."""
    when = started(pid)
    if when is None:
        return None
    argv = _argv(pid)
    uid = _effective_uid(pid)
    if argv is None or uid is None:
        return None
    return Process(pid=pid, started=when, argv=argv, user=user_name(uid), boot=boot(), since=proc.since(when))


def find(argv: tuple[str, ...]) -> tuple[Process, ...]:
    """Every living process whose arguments end in these: `lua5.4 /usr/bin/prosody -F` is a
    `/usr/bin/prosody -F`.
    """
    return tuple(_find(argv))


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


def _argv(pid: int) -> tuple[str, ...] | None:
    text = proc.read(pid, "cmdline")
    if text is None:
        return None
    return tuple(os.fsdecode(word) for word in text.removesuffix(b"\0").split(b"\0"))


def _effective_uid(pid: int) -> int | None:
    text = proc.read(pid, "status")
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
