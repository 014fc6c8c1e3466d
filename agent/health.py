"""Is Prosody well? Asked after every start, restart and reload; a rung that fails says in whose words.

The rungs so far: the process lives, its pidfile names it, its client and server ports listen. An exit status proves
none of this.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import PurePosixPath

from msgspec import Struct

from reconcilers import activation, services
from reconcilers.contract import Process, Reader, Site
from reconcilers.ports import expected_ports
from schemas.desired import HostSpec
from schemas.errors import Unhealthy

PATIENCE = 15.0
"""Seconds until a slow start counts as a failed one; a process that has ended is not waited for."""
_LOOK_AGAIN = 0.02
_RELOAD_PATIENCE = 1.0
"""Seconds until a reload is taken as done although the log tells nothing: its level may hide the line."""
_RELOADED = b"Re-opening log files"
"""What Prosody says (0.12, 13.0) when it has read its configuration again after a SIGHUP."""
_TAIL = 256 * 1024
"""Bytes of the log's end that are looked at."""
_LISTEN = "0A"


class LogMark(Struct, frozen=True):
    """How far Prosody's log had come: which file, and how many bytes of it."""

    inode: int
    size: int


def mark_log(site: Site) -> LogMark:
    """Where the log ends now; what Prosody says of a reload comes after it."""
    try:
        found = os.stat(site.paths.log)
    except OSError:
        return LogMark(0, 0)
    return LogMark(found.st_ino, found.st_size)


def prove(
    reader: Reader,
    spec: HostSpec,
    site: Site,
    *,
    reloaded_after: LogMark | None = None,
    between: Callable[[], None] = lambda: None,
) -> Process | None:
    """Wait until every rung holds and return the process; None where git wants none that runs. Raises Unhealthy.

    `between` is called before each look, and may raise to end the waiting. After a reload the same process and
    ports are there at once, so `reloaded_after` says from where on the log must tell that it took place.
    """
    if not services.is_to_run(spec):
        return None
    began = time.monotonic()
    while True:
        between()
        process = activation.running_process(reader, site)
        if process is None:
            raise Unhealthy("process", f"Prosody has ended; {_last_words(site)}")
        waited = time.monotonic() - began
        failed = _failed_rung(reader, spec, site, process)
        if failed is None and (waited > _RELOAD_PATIENCE or _has_reloaded(site, reloaded_after)):
            return process
        if failed is not None and waited > PATIENCE:
            rung, words = failed
            raise Unhealthy(rung, f"{words}; {_last_words(site)}")
        time.sleep(_LOOK_AGAIN)


def _failed_rung(reader: Reader, spec: HostSpec, site: Site, process: Process) -> tuple[str, str] | None:
    pidfile = (reader.read(site.paths.pidfile) or b"").strip()
    if pidfile != str(process.pid).encode():
        return "pidfile", f"{site.paths.pidfile} does not name process {process.pid}"
    missing = expected_ports(reader, spec, site) - listening(process.pid)
    if missing:
        return "ports", f"nothing of Prosody listens on {', '.join(map(str, sorted(missing)))}"
    return None


def _has_reloaded(site: Site, since: LogMark | None) -> bool:
    """Whether the log tells of a reload since then; True where none was asked for."""
    if since is None:
        return True
    now = mark_log(site)
    grown = now.inode == since.inode and now.size >= since.size
    return _RELOADED in _tail(site, now.size - since.size if grown else _TAIL)


def _last_words(site: Site) -> str:
    lines = _tail(site, _TAIL).decode(errors="replace").splitlines()
    errors = [line for line in lines[-200:] if "error" in line] or lines[-1:]
    return f"its log says: {errors[-1]}" if errors else f"{site.paths.log} is empty"


def _tail(site: Site, size: int) -> bytes:
    """The end of Prosody's log, which may be as long as it likes; empty where it cannot be read.

    It lies in a directory of Prosody's own user, so no link is followed and no pipe is waited for.
    """
    try:
        descriptor = os.open(site.paths.log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        found, size = os.fstat(descriptor), min(size, _TAIL)
        if found.st_nlink > 1:
            return b""  # its second name may be that of a file which Prosody's user may not read
        return os.pread(descriptor, size, max(0, found.st_size - size))
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def listening(pid: int) -> frozenset[int]:
    """The TCP ports on which this very process listens (proc(5): net/tcp, joined with its descriptors)."""
    sockets: set[str] = set()
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{number}")
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    except OSError:
        return frozenset()  # it has just ended, or closed one as we looked: the next look tells
    ports: set[int] = set()
    for table in ("tcp", "tcp6"):
        for line in _lines(PurePosixPath(f"/proc/{pid}/net/{table}")):
            fields = line.split()
            if fields[3] == _LISTEN and fields[9] in sockets:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return frozenset(ports)


def _lines(path: PurePosixPath) -> list[str]:
    try:
        with open(path) as table:
            return table.read().splitlines()[1:]
    except OSError:
        return []
