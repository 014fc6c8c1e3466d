"""The atomic exchange of files, fenced by descriptors: always whole old, whole new, or absent.

Check-then-rename loses a person's edit, and exchanging back loses the newer one. So a new name is taken
only when it is free (RENAME_NOREPLACE), a taken one is exchanged (RENAME_EXCHANGE), and what came out is
looked at: if it is not what the plan saw, it is kept aside. A temporary that a killed agent left may be the
only copy of someone's edit; it is kept aside too.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import PurePosixPath

from msgspec import Struct

from agent.fence import Place
from agent.users import group_name, user_name
from schemas.actions import Signature
from schemas.errors import ActionFailed, AgentError, Stale

LARGEST = 64 * 2**20
"""Bytes. Nothing larger is read into memory."""

_NAME_MAX = 255
_SUFFIX = ".prosodist"
_RANDOM = 8  # hexadecimal digits
_NOREPLACE, _EXCHANGE = 1, 2  # renameat2(2)


class Copy(Struct, frozen=True, kw_only=True):
    """What lay at a path: enough to put it back. `target` is a link's text, and then `content` is empty."""

    path: PurePosixPath
    content: bytes
    mode: int
    owner: str
    group: str
    target: str | None = None


Keeper = Callable[[Copy, str], object]
"""Keeps a copy aside, durably, and is told why; what it raises stops us from removing the original."""


class Dress(Struct, frozen=True, kw_only=True):
    """Mode and owner as numbers; -1 leaves a new file to the agent's own user or group."""

    mode: int
    uid: int = -1
    gid: int = -1


def signature(found: os.stat_result) -> Signature:
    """The part of a stat that tells two states apart."""
    return Signature(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def write(
    place: Place,
    content: bytes,
    dress: Dress,
    was: Signature | None,
    keep: Keeper,
    inspect: Callable[[PurePosixPath], None] | None = None,
) -> None:
    """Make `place` a regular file with this content, its dress on before the content is in it.

    `inspect` sees the candidate, beside its place under a name that begins with a dot, before it is given its own.
    Raises Stale when what is there is not `was`, ActionFailed for a directory, OSError as the kernel says, and what
    `inspect` raises: then nothing was done.
    """
    _expect(place, was)
    temporary = _temporary_name(place.name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=place.directory)
    try:
        try:
            os.fchown(descriptor, dress.uid, dress.gid)
            os.fchmod(descriptor, dress.mode)  # after the owner: chown takes setuid bits away
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if inspect is not None:
            inspect(place.path.parent / temporary)
    except (OSError, AgentError):
        os.unlink(temporary, dir_fd=place.directory)
        raise
    _commit(place, temporary, was, keep)


def link(place: Place, target: str, was: Signature | None, keep: Keeper) -> None:
    """Make `place` a symbolic link to `target`. Raises as `write` does."""
    _expect(place, was)
    temporary = _temporary_name(place.name)
    os.symlink(target, temporary, dir_fd=place.directory)
    _commit(place, temporary, was, keep)


def remove(place: Place, was: Signature, keep: Keeper) -> None:
    """Remove a file, a link or an empty directory. What is gone already is no failure. Raises as `write` does."""
    found = place.lstat()
    if found is None:
        return
    if stat.S_ISDIR(found.st_mode) and signature(found)[:2] == was[:2]:
        # what went from it in this round has changed its times, and nothing is lost with an empty one
        os.rmdir(place.name, dir_fd=place.directory)
    elif signature(found) != was:
        raise _stale(place)
    else:
        temporary = _temporary_name(place.name)
        _rename(place, place.name, temporary, _NOREPLACE)
        _dispose(place, temporary, was, keep)
    _sync(place)


def make_directory(place: Place, dress: Dress) -> None:
    """Make `place` a directory in this dress, or dress the one that is there. Raises ActionFailed for
    anything else.
    """
    found = place.lstat()
    if found is not None and not stat.S_ISDIR(found.st_mode):
        raise ActionFailed(f"{place.path}: a directory is wanted and something else is there; move it away")
    if found is None:
        os.mkdir(place.name, 0o700, dir_fd=place.directory)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(place.name, flags, dir_fd=place.directory)
    try:
        now = os.fstat(descriptor)
        if dress.uid not in (-1, now.st_uid) or dress.gid not in (-1, now.st_gid):
            os.fchown(descriptor, dress.uid, dress.gid)
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != dress.mode:
            os.fchmod(descriptor, dress.mode)
    finally:
        os.close(descriptor)
    if found is None:
        _sync(place)


def copy(place: Place) -> Copy | None:
    """What lies there; None for nothing. Raises ActionFailed for what is neither a file nor a link, or too
    large.
    """
    found = place.lstat()
    if found is None:
        return None
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(place.name, dir_fd=place.directory)
        return _copy_of(place, found, b"", target)
    if not stat.S_ISREG(found.st_mode):
        raise ActionFailed(f"{place.path}: this is neither a file nor a link and cannot be kept; move it away")
    content = read(place)
    if content is None:
        raise ActionFailed(f"{place.path}: more than {LARGEST >> 20} MiB are not kept; move it away")
    return _copy_of(place, found, content, None)


def read(place: Place) -> bytes | None:
    """The content of a regular file, without ever waiting for a writer of a FIFO; None when it is larger
    than `LARGEST`.

    Raises OSError: EMLINK for a file that whoever owns the directory may have linked there without being allowed to
    read it, ESTALE for what is no file any more.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(place.name, flags, dir_fd=place.directory)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        if found.st_nlink > 1 and found.st_uid != os.fstat(place.directory).st_uid:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        size = found.st_size
        if size > LARGEST:
            return None
        chunks, total = [], 0
        while chunk := os.read(descriptor, min(max(size + 1, 65536), 2**20)):
            chunks.append(chunk)
            total += len(chunk)
            if total > LARGEST:
                return None
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def _expect(place: Place, was: Signature | None) -> None:
    """Refuse before anything is touched: a person's edit seen here is judged by the next round, and not displaced."""
    found = place.lstat()
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise ActionFailed(f"{place.path}: a directory is in the way; move it away, or want a directory there")
    if (None if found is None else signature(found)) != was:
        raise _stale(place)


def _stale(place: Place) -> Stale:
    return Stale(f"{place.path}: somebody changed it after it was looked at; nothing was done, it is looked at again")


def _commit(place: Place, temporary: str, was: Signature | None, keep: Keeper) -> None:
    """Give the temporary its name. From the exchange on, `temporary` names what was displaced."""
    try:
        _rename(place, temporary, place.name, _NOREPLACE if was is None else _EXCHANGE)
    except OSError as error:
        os.unlink(temporary, dir_fd=place.directory)
        if isinstance(error, FileExistsError | FileNotFoundError):
            raise _stale(place) from None
        raise
    if was is not None:
        _dispose(place, temporary, was, keep)
    _sync(place)


def _dispose(place: Place, displaced: str, was: Signature, keep: Keeper) -> None:
    """Unlink what came out, after keeping it aside when it is not what the plan saw.

    The change time is not compared: the exchange itself sets it.
    """
    out = Place(path=place.path.parent / displaced, directory=place.directory, name=displaced)
    found = out.lstat()
    if found is not None and signature(found)[:4] != was[:4]:
        try:
            kept = copy(out)
        except (ActionFailed, OSError) as error:
            raise ActionFailed(
                f"{place.path}: something that cannot be kept was put there while it was being replaced; "
                f"it now lies at {out.path}; look at it and move it away"
            ) from error
        if kept is not None:
            keep(at_path(place.path, kept), "somebody changed it while it was being replaced")
    os.unlink(displaced, dir_fd=place.directory)


def _rename(place: Place, old: str, new: str, flags: int) -> None:
    """renameat2(2) within one directory."""
    result = _renameat2()(place.directory, os.fsencode(old), place.directory, os.fsencode(new), flags)
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), new)


@functools.cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int]:
    function = ctypes.CDLL(None, use_errno=True).renameat2  # glibc 2.28, musl 1.2.6
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    function.restype = ctypes.c_int
    call: Callable[[int, bytes, int, bytes, int], int] = function
    return call


def _sync(place: Place) -> None:
    """Make the directory's entries durable. It was opened to be passed through, which fsync(2) does not take."""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place.directory)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def names(place: Place) -> list[str]:
    """The names in the directory of `place`."""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place.directory)
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _temporary_name(name: str) -> str:
    """`.<name>.<random>.prosodist`, with the name's end cut off where all that would be longer than 255
    bytes.
    """
    ending = f".{secrets.token_hex(_RANDOM // 2)}{_SUFFIX}"
    room = _NAME_MAX - 1 - len(ending)
    return "." + os.fsdecode(os.fsencode(name)[:room]) + ending


def is_temporary(name: str) -> bool:
    """Whether it is the name of one of our temporaries."""
    random = name[-len(_SUFFIX) - _RANDOM : -len(_SUFFIX)]
    return (
        name.startswith(".")
        and name.endswith(_SUFFIX)
        and name[-len(_SUFFIX) - _RANDOM - 1 : -len(_SUFFIX) - _RANDOM] == "."
        and len(random) == _RANDOM
        and all(digit in "0123456789abcdef" for digit in random)
        and original_of(name) != ""
    )


def original_of(temporary: str) -> str:
    """The name that a temporary was made for; only its beginning when that name was very long."""
    return temporary[1 : -len(_SUFFIX) - _RANDOM - 1]


def _copy_of(place: Place, found: os.stat_result, content: bytes, target: str | None) -> Copy:
    return Copy(
        path=place.path,
        content=content,
        mode=stat.S_IMODE(found.st_mode),
        owner=user_name(found.st_uid),
        group=group_name(found.st_gid),
        target=target,
    )


def at_path(path: PurePosixPath, kept: Copy) -> Copy:
    """The same copy, told by the name that people know."""
    return Copy(
        path=path,
        content=kept.content,
        mode=kept.mode,
        owner=kept.owner,
        group=kept.group,
        target=kept.target,
    )
