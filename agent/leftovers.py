"""Temporaries that a killed agent left behind: one may be the only copy of somebody's edit, so it is kept aside."""

from __future__ import annotations

import os
import stat

from agent.atomic import Copy, Keeper, at_path, copy, is_temporary, names, original_of
from agent.fence import Place
from schemas.errors import ActionFailed


def sweep(place: Place, keep: Keeper) -> None:
    """Clear the directory of `place` of temporaries that a killed agent left there; what may be an edit is
    kept aside.
    """
    for name in names(place):
        if not is_temporary(name):
            continue
        leftover = Place(path=place.path.parent / name, directory=place.directory, name=name)
        found = leftover.lstat()
        if found is None or not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
            continue  # not made by us, or left there on purpose by `atomic`
        original = Place(path=place.path.parent / original_of(name), directory=place.directory, name=original_of(name))
        try:
            left = copy(leftover)
        except ActionFailed:
            continue  # too large to be kept: better left where it is than in the way of every write
        if left is not None and _worth_keeping(left, original):
            keep(at_path(original.path, left), "found in a temporary that an interrupted write had left")
        os.unlink(name, dir_fd=place.directory)


def _worth_keeping(left: Copy, original: Place) -> bool:
    """An empty file tells nothing, and what still lies at its place is not lost."""
    if left.target is None and not left.content:
        return False
    try:
        current = copy(original)
    except (ActionFailed, OSError):
        return True
    return current is None or (current.content, current.target) != (left.content, left.target)
