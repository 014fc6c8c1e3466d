"""Where the hands may reach, and the walk there: one descriptor after another, no symbolic link followed.

Whoever may write in a directory could put a link in our way between a look and a write. A descriptor cannot
be swapped: what was opened is what is written to.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from msgspec import Struct

from schemas.errors import ActionFailed, Stale

_MOST_KNOWN = 1000
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Fence:
    """What is open: these prefixes (directories or single files) and all below them, but for what is closed within.

    Links in an opened prefix itself (`/home` that leads to `/srv/home`) are the admin's choice: they are
    resolved once, here. Below a prefix none is followed.
    """

    def __init__(self, *, open: tuple[PurePosixPath, ...], closed: tuple[PurePosixPath, ...] = ()) -> None:
        self.open, self.closed = open, closed
        self._roots = {prefix: _resolved(prefix) for prefix in open}
        self._known: dict[PurePosixPath, PurePosixPath] = {}
        """Directories that were asked about before: a look asks about each path several times."""

    def refusal(self, path: PurePosixPath) -> str:
        """Why nothing may be written at `path`; empty when it may."""
        if not path.is_absolute() or path.parts[0] != "/" or ".." in path.parts or "\0" in str(path):
            return f"{path!s}: this is no plain absolute path; write it from / and without `..`"
        if self._prefix(path) is None:
            return f"{path}: this place is not open to the agent; choose one that is"
        closed = self.holder(path, frozenset(self.closed))
        return f"{path}: {closed} is closed to the agent; choose another place" if closed else ""

    def check(self, path: PurePosixPath) -> None:
        """Raises ActionFailed with the refusal."""
        if refusal := self.refusal(path):
            raise ActionFailed(refusal)

    def real(self, path: PurePosixPath) -> PurePosixPath:
        """`path` with the links of its opened prefix resolved; unchanged where no prefix holds it."""
        if path in self._roots:
            return self._roots[path]
        above = self._known.get(path.parent)
        if above is None:
            prefix = self._prefix(path.parent)
            above = path.parent if prefix is None else self._roots[prefix] / path.parent.relative_to(prefix)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[path.parent] = above
        return above / path.name

    def holder(self, path: PurePosixPath, places: frozenset[PurePosixPath]) -> PurePosixPath | None:
        """Which of these is the path or holds it, as it is named or where it really lies; None for none of them."""
        for way in dict.fromkeys((path, self.real(path))):
            for above in (way, *way.parents):
                if above in places:
                    return above
        return None

    def _prefix(self, path: PurePosixPath) -> PurePosixPath | None:
        """The longest opened prefix of `path`."""
        holding = (prefix for prefix in self.open if path.is_relative_to(prefix))
        return max(holding, key=lambda prefix: len(prefix.parts), default=None)


class Place(Struct, frozen=True, kw_only=True):
    """An entry of an open directory: `path` for people, `directory` and `name` for the kernel."""

    path: PurePosixPath
    directory: int
    name: str

    def lstat(self) -> os.stat_result | None:
        """What is there now; None for nothing."""
        try:
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None


@contextmanager
def reach(path: PurePosixPath, real: PurePosixPath) -> Iterator[Place]:
    """Walk to the directory of `real`, which is `path` with its opened prefix resolved.

    Raises OSError with the component that could not be passed as its filename: ENOENT where it is missing,
    ENOTDIR where it is a link or no directory.
    """
    directory = os.open("/", _STEP)
    try:
        for depth, part in enumerate(real.parts[1:-1], start=2):
            try:
                below = os.open(part, _STEP, dir_fd=directory)
            except OSError as error:
                raise OSError(error.errno, error.strerror, "/" + "/".join(real.parts[1:depth])) from None
            os.close(directory)
            directory = below
        yield Place(path=path, directory=directory, name=real.name)
    finally:
        os.close(directory)


def _resolved(prefix: PurePosixPath) -> PurePosixPath:
    """An opened directory may itself be a link; of an opened file only the way to it is resolved."""
    if os.path.isdir(prefix):
        return PurePosixPath(os.path.realpath(prefix))
    return PurePosixPath(os.path.realpath(prefix.parent)) / prefix.name


_REMEDIES = {
    errno.ENOSPC: "the disk is full; make room on it",
    errno.EDQUOT: "the quota is used up; make room, or raise it",
    errno.EROFS: "the file system is mounted read-only; mount it writable",
    errno.EACCES: "the agent's user may not do that; give it the right, or run the agent as another user",
    errno.EPERM: "the agent's user may not do that; give it the right, or run the agent as another user",
    errno.ENAMETOOLONG: "the name is longer than the file system takes; choose a shorter one",
    errno.ENOTEMPTY: "the directory is not empty; remove what is in it first",
    errno.EFBIG: "the file is larger than the agent's limit (ulimit -f); raise it",
    errno.EINVAL: "the file system cannot exchange names (renameat2); use ext4, xfs, btrfs or tmpfs",
    errno.EMLINK: "it has a second name, and another owner than its directory; remove the one that is not meant to be",
    errno.ESTALE: "somebody put something else there while it was looked at; it is looked at again",
    errno.ENOSYS: "the kernel cannot exchange two names (renameat2); use Linux 3.15 or newer",
}


def failure(path: PurePosixPath, error: OSError) -> ActionFailed | Stale:
    """An OSError in words: the object, what is wrong, what to do.

    Stale where the way is gone: the plan saw it, or would make it, so somebody has just removed it.
    """
    way = error.filename
    if error.errno == errno.ENOENT:
        return Stale(f"{path}: {way or path.parent} does not exist; make that directory first")
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        return ActionFailed(
            f"{path}: {way or path.parent} is a symbolic link or no directory, and links are not followed; "
            "replace it by a directory, or name the real path"
        )
    return ActionFailed(f"{path}: {_REMEDIES.get(error.errno or 0, os.strerror(error.errno or 0))}")
