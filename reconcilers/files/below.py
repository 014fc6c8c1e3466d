"""`recurse`: the owner and group of all below a directory, and the mode of the directories.

How that is was looked at once, and holds until the full look: such a tree may have a million entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from reconcilers.contract import Reader, Site
from reconcilers.files.wanted import Wanted
from schemas.actions import DressTree
from schemas.desired import HostSpec
from schemas.errors import Mark, Temporary
from schemas.plan import Change, Holds, Kind, PathChanges, Policy, Verdict, Wait

BELOW = "below"
"""The prefix of the id of all that lies below a directory."""


class Below(Struct, frozen=True, kw_only=True):
    """One such directory. `astray` counts what is not as it is wanted; a text says why that cannot be known."""

    wanted: DressTree
    astray: int | str
    policy: Policy
    origin: Mark | None
    touches: frozenset[str]


def look(
    reader: Reader, spec: HostSpec, wanted: Mapping[PurePosixPath, Wanted | Wait], site: Site
) -> Iterator[Below | Wait]:
    """Every `recurse`, with what of it git says something nearer of."""
    roots = [PurePosixPath(text) for text, entry in spec.host.files.items() if entry.recurse]
    for path in roots:
        wish = wanted[path]
        if isinstance(wish, Wait):
            yield Wait(id=f"{BELOW}:{path}", why=wish.why, until=wish.until, origin=wish.origin)
            continue
        entry = spec.host.files[str(path)]
        own = site.paths
        closed = (own.config, own.certificates, own.stage, own.secrets, own.pidfile, own.socket)
        nearer = (other for other in (*roots, *closed) if other != path)
        tree = DressTree(
            path=path,
            mode=wish.mode if entry.mode is not None else None,
            owner=wish.owner,
            group=wish.group,
            but=tuple(sorted(other for other in wanted if path in other.parents)),
            without=tuple(sorted(other for other in nearer if path in other.parents)),
        )
        try:
            astray: int | str = reader.astray(tree)
        except Temporary as error:
            astray = str(error)
        yield Below(wanted=tree, astray=astray, policy=wish.policy, origin=wish.origin, touches=wish.touches)


def verdict(below: Below | Wait, site: Site) -> Verdict:
    """One on the whole of it."""
    if isinstance(below, Wait):
        return below
    tree, astray = below.wanted, below.astray
    id_ = f"{BELOW}:{tree.path}"
    if isinstance(astray, str):
        return Wait(id=id_, why=astray, until=PathChanges(tree.path), origin=below.origin)
    wish = site.digest(repr((tree.mode, tree.owner, tree.group)).encode())
    if not astray:
        return Holds(id=id_, wanted=wish, live=wish)
    return Change(
        id=id_,
        kind=Kind.CHANGED,
        why=f"{astray} {'thing' if astray == 1 else 'things'} in it with another owner, group or mode",
        actions=(tree,),
        wanted=wish,
        live=site.digest(f"{astray} astray".encode()),
        origin=below.origin,
        policy=below.policy,
        touches=below.touches,
    )
