"""The directories around what is wanted, of which git says nothing: whose a new thing in them is, and those we make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from reconcilers.contract import Reader, Site
from reconcilers.files.seen import Dress
from reconcilers.files.wanted import Wanted
from schemas.actions import MakeDir
from schemas.plan import Change, Holds, Kind, Policy, Wait

PARENT = "parent"
"""The prefix of a directory's id that was made because something wanted lies in it."""
_THERE = "directory"
"""Its digest: nothing else of it is ours."""


def place(reader: Reader, path: PurePosixPath, wanted: Mapping[PurePosixPath, Wanted | Wait], site: Site) -> Dress:
    """The owner and group of what is made at `path`: those of the directory that holds it, as git wants it or as it
    is. Only root can give a thing to somebody; for anybody else it is their own.
    """
    owner: str | None = None
    group: str | None = None
    for above in path.parents if site.user else ():
        said = wanted.get(above)
        if isinstance(said, Wanted) and said.kind == "directory":
            owner, group = owner or said.owner, group or said.group
        if (info := reader.stat(above)) is not None:
            return Dress(owner=owner or info.owner, group=group or info.group)
    return Dress(owner=owner, group=group)


def missing(
    reader: Reader, path: PurePosixPath, wanted: Mapping[PurePosixPath, Wanted | Wait], site: Site
) -> tuple[PurePosixPath, ...]:
    """The directories above `path` that are not there and that git says nothing of, the outermost first.

    One that a push may not write is made with those below it, and is nobody's.
    """
    lacking = []
    for above in path.parents:
        if above in wanted or reader.stat(above) is not None:
            break
        if not site.may_write(above):
            lacking.append(above)
    return tuple(reversed(lacking))


def made(path: PurePosixPath, dress: Dress, policy: Policy) -> Change:
    """One that is missing, with the owner of its place, under the drift of what is to lie in it."""
    return Change(
        id=f"{PARENT}:{path}",
        kind=Kind.CREATED,
        why="is not there",
        actions=(MakeDir(path=path, mode=0o755, owner=dress.owner, group=dress.group),),
        wanted=_THERE,
        live=None,
        policy=policy,
    )


def held(path: PurePosixPath) -> Holds:
    """One that is ours while something wanted lies in it; whatever its mode is by now."""
    return Holds(id=f"{PARENT}:{path}", wanted=_THERE, live=_THERE)
