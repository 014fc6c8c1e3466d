"""What is ours and gone from git: children before parents, and nothing that holds what is not ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from reconcilers import blocktext
from reconcilers.contract import Site
from reconcilers.files import block
from reconcilers.files.around import PARENT
from reconcilers.files.seen import Seen, live
from reconcilers.files.wanted import BLOCK
from schemas.actions import RemoveFile
from schemas.plan import Change, Kind, Policy, Wait
from schemas.record import Owned


def verdicts(
    ids: frozenset[str],
    seen: Mapping[PurePosixPath, Seen | None],
    owned: Mapping[str, Owned],
    policy: Policy,
    site: Site,
) -> Iterator[Change | Wait]:
    """`ids` are ours and not wanted any more; `seen` knows the path of each."""
    going: set[PurePosixPath] = set()
    for id_ in sorted(ids, key=path_of, reverse=True):
        path = path_of(id_)
        found = seen[path]
        if id_.startswith(f"{BLOCK}:"):
            if found is not None and found.content is not None and _goes_with_its_block(found.content):
                going.add(path)
            yield block.gone(path, found, policy, site)
        elif found is None:
            yield released(id_, "gone from git, and from the host", policy)
        elif not all(path / name in going for name in found.names):
            yield released(id_, "gone from git; what is in it is not ours", policy)
        else:
            if owned[id_].made:
                going.add(path)
            yield _removed(id_, found, owned[id_], policy, site)


def path_of(id_: str) -> PurePosixPath:
    """The path that an id is about."""
    return PurePosixPath(id_.partition(":")[2])


def released(id_: str, why: str, policy: Policy) -> Change:
    """Ours no more, and left as it is."""
    return Change(id=id_, kind=Kind.RELEASED, why=why, actions=(), wanted=None, live=None, policy=policy)


def _removed(id_: str, seen: Seen, ours: Owned, policy: Policy, site: Site) -> Change:
    """A directory that was made on the way goes unasked: `confirm_above` counts what git had said."""
    is_parent = id_.startswith(f"{PARENT}:")
    return Change(
        id=id_,
        kind=Kind.REMOVED,
        why="gone from git",
        actions=(RemoveFile(path=path_of(id_), was=seen.info.signature),),
        wanted=None,
        live=ours.digest if is_parent else live(seen, site),
        policy=policy,
        removes=0 if is_parent else None,
    )


def _goes_with_its_block(text: bytes) -> bool:
    try:
        return blocktext.cut(text) is None
    except blocktext.Tangled:
        return False
