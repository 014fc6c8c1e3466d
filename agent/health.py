"""Is Prosody well? Asked after every start, restart and reload; a rung that fails says in whose words.

The rungs so far: the process lives, its pidfile names it, its client and server ports listen. An exit status proves
none of this.
"""

from __future__ import annotations

import os
import time
from pathlib import PurePosixPath

from reconcilers import activation
from reconcilers.contract import Process, Reader, Site
from reconcilers.ports import expected_ports
from schemas.desired import HostSpec
from schemas.errors import Unhealthy

PATIENCE = 15.0
"""Seconds until a slow start counts as a failed one; a process that has ended is not waited for."""
_LOOK_AGAIN = 0.02
_LISTEN = "0A"


def prove(reader: Reader, spec: HostSpec, site: Site) -> Process | None:
    """Wait until every rung holds and return the process; None where git wants no Prosody. Raises Unhealthy."""
    if spec.host.prosody is None:
        return None
    deadline = time.monotonic() + PATIENCE
    while True:
        process = activation.running_process(reader)
        if process is None:
            raise Unhealthy("process", f"Prosody has ended; {_last_words(reader, site)}")
        failed = _failed_rung(reader, spec, site, process)
        if failed is None:
            return process
        if time.monotonic() > deadline:
            raise Unhealthy(*failed)
        time.sleep(_LOOK_AGAIN)


def _failed_rung(reader: Reader, spec: HostSpec, site: Site, process: Process) -> tuple[str, str] | None:
    pidfile = (reader.read(site.paths.pidfile) or b"").strip()
    if pidfile != str(process.pid).encode():
        return (
            "pidfile",
            f"{site.paths.pidfile} does not name process {process.pid}; {_last_words(reader, site)}",
        )
    missing = expected_ports(reader, spec, site) - listening(process.pid)
    if missing:
        ports = ", ".join(map(str, sorted(missing)))
        return "ports", f"nothing of Prosody listens on {ports}; {_last_words(reader, site)}"
    return None


def _last_words(reader: Reader, site: Site) -> str:
    lines = (reader.read(site.paths.log) or b"").decode(errors="replace").splitlines()
    errors = [line for line in lines[-200:] if "error" in line] or lines[-1:]
    return f"its log says: {errors[-1]}" if errors else f"{site.paths.log} is empty"


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
