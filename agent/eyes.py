"""The eyes on this machine: what reconcilers may ask, answered by looking and never by changing anything."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TypeVar

from agent import atomic, living, processes, units
from agent.fence import Fence, Place, failure, reach
from agent.users import group_name, user_name
from reconcilers.contract import Completed, FileInfo, Process, Unit
from schemas.errors import Temporary
from schemas.record import Record

Seen = TypeVar("Seen")

QUERY_TIMEOUT = 10.0
"""Seconds: what loading a commit may cost."""


class Eyes:
    """This machine, to look at: a `reconcilers.contract.Reader`.

    `fence` knows where a link in an opened place leads; `recall` gives the state's records; `clock` epoch seconds;
    `reap` is called before a process is looked at, so that no dead child counts as alive.
    """

    def __init__(
        self,
        *,
        fence: Fence,
        recall: Callable[[str], Record | None],
        clock: Callable[[], float],
        reap: Callable[[], None] = lambda: None,
    ) -> None:
        self._fence, self._recall, self._clock, self._reap = fence, recall, clock, reap

    def read(self, path: PurePosixPath) -> bytes | None:
        """The content of a regular file; None where there is none, or only by way of a link.

        Raises Temporary when it may not be read or is larger than 64 MiB. Not fenced: who may have what
        read is judged where the wish is (`Site.may_read`).
        """
        return self.look(path, _content)

    def stat(self, path: PurePosixPath) -> FileInfo | None:
        """lstat; None where nothing is, or only by way of a link."""
        return self.look(path, _info)

    def listdir(self, path: PurePosixPath) -> tuple[str, ...] | None:
        """The names in a directory, sorted; None where there is none, or only by way of a link."""
        return self.look(path / "-", lambda inside: tuple(sorted(atomic.names(inside))))

    def query(
        self,
        argv: tuple[str, ...],
        *,
        user: str | None,
        depends: tuple[PurePosixPath, ...],
        stdin: bytes = b"",
    ) -> Completed:
        """Run a program that only looks, within limits: it may put no byte into a file and start no other program.

        What it evaluates may be a commit's Lua, which can still empty or remove files of the user it runs as.
        """
        return processes.run(argv, user=user, stdin=stdin, timeout=QUERY_TIMEOUT, limits=processes.QUERY)

    def process(self, pid: int) -> Process | None:
        """The living process with this number; a zombie is dead."""
        self._reap()
        return living.living(pid)

    def find(self, argv: tuple[str, ...]) -> tuple[Process, ...]:
        """Every living process whose arguments end in these."""
        self._reap()
        return living.find(argv)

    def unit(self, name: str) -> Unit:
        """What systemd says of a unit. Raises Temporary."""
        return units.look(name)

    def units(self, names: tuple[str, ...]) -> tuple[Unit, ...]:
        """What systemd says of each, by one process. Raises Temporary."""
        return units.look_at(names)

    def recall(self, id_: str) -> Record | None:
        """What was remembered under this id."""
        return self._recall(id_)

    def due(self, instant: float) -> bool:
        """Whether this instant (epoch seconds) has come."""
        return self._clock() >= instant

    def look(self, path: PurePosixPath, look: Callable[[Place], Seen | None]) -> Seen | None:
        """What `look` sees at `path`; None when it vanishes, or when there is no way to it without
        following a link.
        """
        if ".." in path.parts or "\0" in str(path):
            raise Temporary(f"{path!s}: this is no plain path; write it from / and without `..`")
        try:
            with reach(path, self._fence.real(path)) as place:
                return look(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Temporary(str(failure(path, error))) from error


def _content(place: Place) -> bytes | None:
    found = place.lstat()
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    content = atomic.read(place)
    if content is None:
        raise Temporary(f"{place.path}: over {atomic.LARGEST >> 20} MiB are not read; make the file smaller")
    return content


def _info(place: Place) -> FileInfo | None:
    found = place.lstat()
    if found is None:
        return None
    link = stat.S_ISLNK(found.st_mode)
    return FileInfo(
        kind=_kind(found.st_mode),
        mode=stat.S_IMODE(found.st_mode),
        owner=user_name(found.st_uid),
        group=group_name(found.st_gid),
        signature=atomic.signature(found),
        target=os.readlink(place.name, dir_fd=place.directory) if link else None,
    )


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"
