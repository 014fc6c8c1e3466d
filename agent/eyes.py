"""The eyes on this machine: what reconcilers may ask, answered by looking and never by changing anything."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TypeVar

from agent import atomic, below, living, processes, units
from agent.atomic import Dress
from agent.fence import Fence, Place, failure, reach
from agent.users import group_name, group_number, user_name, user_number
from reconcilers.contract import Completed, FileInfo, Process, Unit
from schemas.actions import DressTree
from schemas.errors import ActionFailed, Temporary
from schemas.record import Record

Seen = TypeVar("Seen")

QUERY_TIMEOUT = 10.0
"""Seconds: what loading a commit may cost."""


class Eyes:
    """This machine, to look at: a `reconcilers.contract.Reader`.

    `fence` knows where a link in an opened place leads; `recall` gives the state's records; `clock` epoch seconds;
    `reap` is called before a process is looked at, so that no dead child counts as alive; `heed` now and then where a
    look takes long, and may raise to end it.
    """

    def __init__(
        self,
        *,
        fence: Fence,
        recall: Callable[[str], Record | None],
        clock: Callable[[], float],
        reap: Callable[[], None] = lambda: None,
        heed: Callable[[], None] = lambda: None,
    ) -> None:
        self._fence, self._recall, self._clock, self._reap, self._heed = fence, recall, clock, reap, heed
        self._orderly: set[DressTree] = set()

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

    def astray(self, tree: DressTree) -> int:
        """How many things below it are not as it says; where none was, none is until `look_anew`."""
        if tree in self._orderly:
            return 0
        dress, bounds = self._dress_of(tree), self._bounds(tree)
        found = self.look(tree.path, lambda place: below.count(place, dress, bounds)) or 0
        if not found and self.stat(tree.path) is not None:
            self._orderly.add(tree)
        return found

    def look_anew(self) -> None:
        """Take no tree for orderly because it once was."""
        self._orderly.clear()

    def has_user(self, name: str) -> bool:
        """Whether there is a user of this name, or number."""
        return _is_known(user_number, name)

    def has_group(self, name: str) -> bool:
        """Whether there is a group of this name, or number."""
        return _is_known(group_number, name)

    def recall(self, id_: str) -> Record | None:
        """What was remembered under this id."""
        return self._recall(id_)

    def due(self, instant: float) -> bool:
        """Whether this instant (epoch seconds) has come."""
        return self._clock() >= instant

    def _dress_of(self, tree: DressTree) -> Dress:
        mode = -1 if tree.mode is None else tree.mode
        return Dress(mode=mode, uid=user_number(tree.owner), gid=group_number(tree.group))

    def _bounds(self, tree: DressTree) -> below.Bounds:
        """What is closed to the agent is nothing to give away, whatever lies around it."""
        closed = (path for path in self._fence.closed if tree.path in path.parents)
        return below.Bounds(
            but=frozenset(map(str, tree.but)), without=frozenset(map(str, (*tree.without, *closed))), heed=self._heed
        )

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


def _is_known(number: Callable[[str], int], name: str) -> bool:
    try:
        number(name)
    except ActionFailed:
        return False
    return True


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"
