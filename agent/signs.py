"""What tells two states of a path apart without opening it, and whether a whole trace is still so.

Light to import: see agent/ask.py.
"""

from __future__ import annotations

import os
import stat

from agent.proc import boot, started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeAlias

    Sign: TypeAlias = tuple[int, ...]
    """Of `lstat`, and for a link of `stat` as well; a failure is its errno alone."""

    class Seen(Protocol):
        """What was seen; see `agent.trace.Proof`."""

        @property
        def paths(self) -> tuple[tuple[str, Sign], ...]: ...
        @property
        def ways(self) -> tuple[tuple[str, Sign], ...]: ...
        @property
        def living(self) -> tuple[tuple[int, int | None], ...]: ...
        @property
        def was_due(self) -> float | None: ...
        @property
        def next_due(self) -> float | None: ...
        @property
        def boot(self) -> str: ...


LENGTH = 5
"""Numbers that tell one state of one thing."""


def still_so(seen: Seen, now: float) -> bool:
    """Whether all of it would be seen again: no path moved, who lived lives, no instant has come."""
    return (
        seen.boot == boot()
        and (seen.was_due is None or now >= seen.was_due)
        and (seen.next_due is None or now < seen.next_due)
        and all(started(pid) == when for pid, when in seen.living)
        and all(of_way(path) == sign for path, sign in seen.ways)
        and all(of_path(path) == sign for path, sign in seen.paths)
    )


def of_path(path: str) -> Sign:
    """Five numbers of lstat; of a link also five of stat; a failure is its errno."""
    try:
        found = os.lstat(path)
    except OSError as error:
        return (error.errno or 0,)
    own = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if not stat.S_ISLNK(found.st_mode):
        return own
    try:
        found = os.stat(path)
    except OSError as error:
        return (*own, error.errno or 0)
    return (*own, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def of_way(path: str) -> Sign:
    """Which directory this is; a link to one is another."""
    try:
        found = os.lstat(path)
    except OSError as error:
        return (error.errno or 0,)
    return (found.st_dev, found.st_ino)
