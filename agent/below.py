"""All that lies below a directory: whose it is, and whose it ought to be.

Every directory is entered by its descriptor, no link is followed and no mount passed: who may write there could put
either in our way. A file with a second name may be somebody's whom that name was stolen from, and is left.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from agent.atomic import Dress
from agent.fence import Place
from schemas.errors import Temporary

if TYPE_CHECKING:
    from os import _ScandirIterator as ScandirIterator

_DEEPEST = 200
"""Each level holds a descriptor."""
_BREATH = 500
"""Entries between two looks whether the agent is asked to end."""
_INTO = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_PIN = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_ANOTHER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""It vanished, or became something else, since it was listed."""


class Bounds(Struct, frozen=True, kw_only=True):
    """What is left alone: `but` these paths, and `without` those and all below them. `heed` may raise to end it."""

    but: frozenset[str]
    without: frozenset[str]
    heed: Callable[[], None]


class _Entry(NamedTuple):
    """A directory by its own descriptor; anything else by that of its directory, and its name."""

    found: os.stat_result
    descriptor: int
    name: str


class _Level(NamedTuple):
    """A directory that the walk is in."""

    directory: int
    path: str
    scan: ScandirIterator[str]


def count(place: Place, dress: Dress, bounds: Bounds) -> int:
    """How many things below `place` have another owner, group or (directories) mode. Raises Temporary, OSError."""
    return sum(_is_astray(entry.found, dress) for entry in _walk(place, bounds))


def mend(place: Place, dress: Dress, bounds: Bounds) -> None:
    """Give them what they ought to have. What comes or goes meanwhile is left to the next look."""
    for entry in _walk(place, bounds):
        if not _is_astray(entry.found, dress):
            continue
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(entry.found.st_mode):
                os.fchown(entry.descriptor, dress.uid, dress.gid)
                if dress.mode != -1:
                    os.fchmod(entry.descriptor, dress.mode)
            else:
                _give(entry, dress)


def _give(entry: _Entry, dress: Dress) -> None:
    """What was looked at is what is given away, whatever has its name by now."""
    pin = os.open(entry.name, _PIN, dir_fd=entry.descriptor)
    try:
        found = os.fstat(pin)
        if (found.st_dev, found.st_ino) == (entry.found.st_dev, entry.found.st_ino) and _is_plain(found):
            os.chown(f"/proc/self/fd/{pin}", dress.uid, dress.gid)  # chown(2) takes no O_PATH descriptor by itself
    finally:
        os.close(pin)


def _is_astray(found: os.stat_result, dress: Dress) -> bool:
    if stat.S_ISDIR(found.st_mode):
        has_mode = dress.mode in (-1, stat.S_IMODE(found.st_mode))
    else:
        has_mode = True
        if not _is_plain(found):
            return False
    return not has_mode or dress.uid not in (-1, found.st_uid) or dress.gid not in (-1, found.st_gid)


def _is_plain(found: os.stat_result) -> bool:
    """No device, which is a door to something else, and nothing that has a second name."""
    return found.st_nlink == 1 and not (stat.S_ISBLK(found.st_mode) or stat.S_ISCHR(found.st_mode))


def _walk(place: Place, bounds: Bounds) -> Iterator[_Entry]:
    """Everything below, each directory before what is in it."""
    with ExitStack() as opened:
        try:
            top = os.open(place.name, _INTO, dir_fd=place.directory)
        except OSError as error:
            if error.errno in _ANOTHER:
                return
            raise
        mount, entries = _mount(top), 0
        levels = [_Level(top, str(place.path), os.scandir(top))]
        opened.callback(_close, levels)
        while levels:
            directory, path, scan = levels[-1]
            entry = next(scan, None)
            if entry is None:
                _close([levels.pop()])
                continue
            entries += 1
            if entries % _BREATH == 0:
                bounds.heed()
            at = f"{path}/{entry.name}"
            if at in bounds.without:
                continue
            try:
                found = entry.stat(follow_symlinks=False)
                if not stat.S_ISDIR(found.st_mode):
                    if at not in bounds.but:
                        yield _Entry(found, directory, entry.name)
                    continue
                inside = os.open(entry.name, _INTO, dir_fd=directory)
            except OSError as error:
                if error.errno in _ANOTHER:
                    continue
                raise
            if len(levels) >= _DEEPEST or _mount(inside) != mount:
                os.close(inside)
                if len(levels) >= _DEEPEST:
                    raise Temporary(f"{place.path}: over {_DEEPEST} directories lie within each other; move some out")
                continue
            levels.append(_Level(inside, at, os.scandir(inside)))
            if at not in bounds.but:
                yield _Entry(os.fstat(inside), inside, entry.name)


def _close(levels: list[_Level]) -> None:
    for level in levels:
        level.scan.close()
        os.close(level.directory)


def _mount(descriptor: int) -> str:
    """The kernel's number of the mount that a directory was reached by (proc(5), fdinfo)."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as about:
        return next((line for line in about if line.startswith("mnt_id:")), "")
