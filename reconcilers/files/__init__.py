"""`files`: whatever else lies on the host. One object a path; a `tree` is as many objects as it has files.

`wanted` says what git wants, `seen` what lies there; `whole`, `block` and `below` give the verdicts, `gone` those on
what git no longer says, `around` those on the directories that are made on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from reconcilers.contract import Reader, Site
from reconcilers.files import around, below, block, checking, gone, whole
from reconcilers.files.below import Below
from reconcilers.files.checking import Checking
from reconcilers.files.gone import path_of
from reconcilers.files.seen import Dress, Seen, look
from reconcilers.files.wanted import BLOCK, Wanted, resolve
from schemas.desired import HostSpec
from schemas.errors import Temporary
from schemas.plan import PathChanges, Verdict, Wait
from schemas.record import Owned

NAME = "files"


class Have(Struct, frozen=True, kw_only=True):
    """What lies at each path that is wanted or ours, and what is wanted (or why it cannot be known yet)."""

    seen: Mapping[PurePosixPath, Seen | None]
    wanted: Mapping[PurePosixPath, Wanted | Wait]
    places: Mapping[PurePosixPath, Dress]
    """Whose a thing is that is made there and of which git does not say."""
    missing: Mapping[PurePosixPath, tuple[PurePosixPath, ...]]
    """Wanted paths → directories above them that have to be made, the outermost first."""
    checks: Mapping[PurePosixPath, Checking]
    below: tuple[Below | Wait, ...]


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Resolve what is wanted (secrets, ports and templates need the host), and look at each path."""
    wanted = resolve(reader, spec, site)
    seen: dict[PurePosixPath, Seen | None] = {}
    for path in sorted({*wanted, *map(path_of, owned)}):
        try:
            seen[path] = look(reader, path)
        except Temporary as error:  # one that cannot be looked at holds up nothing else
            seen[path] = None
            prefix = BLOCK if f"{BLOCK}:{path}" in owned or _is_block(wanted.get(path)) else "file"
            wanted[path] = Wait(id=f"{prefix}:{path}", why=str(error), until=PathChanges(path))
    for path, found in seen.items():
        if path not in wanted and found is not None and found.info.kind == "directory":
            seen[path] = replace(found, names=reader.listdir(path) or ())
    lacking = [path for path, wish in wanted.items() if isinstance(wish, Wanted) and seen[path] is None]
    missing = {path: around.missing(reader, path, wanted, site) for path in lacking if path.parent not in wanted}
    new = {*lacking, *(above for directories in missing.values() for above in directories)}
    checks = {
        path: checking.look(reader, path, wish, seen[path], site)
        for path, wish in wanted.items()
        if isinstance(wish, Wanted)
    }
    return Have(
        wanted=wanted,
        seen=seen,
        places={path: around.place(reader, path, wanted, site) for path in new},
        missing=missing,
        checks={path: found for path, found in checks.items() if found is not None},
        below=tuple(below.look(reader, spec, wanted, site)),
    )


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Parents before children; then what is gone from git, children before parents.

    What is gone at a path that is another thing now, or below one that is no directory any more, goes first of all,
    or it would stand in the way.
    """
    wanted = {verdict.id: verdict for path in sorted(have.wanted) for verdict in _verdicts(path, have, owned, site)}
    wanted |= {verdict.id: verdict for verdict in (below.verdict(found, site) for found in have.below)}
    unwanted = frozenset(owned) - set(wanted)
    replaced = frozenset(id_ for id_ in unwanted if not id_.startswith("file:") and path_of(id_) in have.wanted)
    for id_ in sorted(replaced | {id_ for id_ in unwanted if id_.startswith(f"{below.BELOW}:")}):
        yield gone.released(id_, "git says something else of it now", spec.host.drift)
    going = list(
        gone.verdicts(
            frozenset(id_ for id_ in unwanted - replaced if not id_.startswith(f"{below.BELOW}:")),
            have.seen,
            owned,
            spec.host.drift,
            site,
        )
    )
    first = [verdict for verdict in going if _is_in_the_way(path_of(verdict.id), have.wanted)]
    yield from first
    yield from wanted.values()
    yield from (verdict for verdict in going if verdict not in first)


def _verdicts(path: PurePosixPath, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """On one wanted path, after those on the directories that are made for it."""
    wish, seen = have.wanted[path], have.seen[path]
    for above in path.parents:
        if f"{around.PARENT}:{above}" in owned and above not in have.wanted and have.seen[above] is not None:
            yield around.held(above)
    if isinstance(wish, Wait):
        yield wish
        return
    verdict = block.verdict if wish.kind == BLOCK else whole.verdict
    checked = have.checks.get(path)
    place = have.places.get(path, Dress())
    said = verdict(path, wish, seen, site, place=place, check=checked.check if checked else None)
    said = checking.heeded(said, path, checked)
    if not isinstance(said, Wait) and not whole.is_absent(wish):
        for above in have.missing.get(path, ()):
            yield around.made(above, have.places[above], wish.policy)
    yield said


def _is_block(wanted: Wanted | Wait | None) -> bool:
    return isinstance(wanted, Wanted) and wanted.kind == BLOCK


def _is_in_the_way(path: PurePosixPath, wanted: Mapping[PurePosixPath, Wanted | Wait]) -> bool:
    """Whether something else is to be there, or above it something in which nothing can lie."""
    above = (wanted.get(parent) for parent in path.parents)
    return path in wanted or any(isinstance(wish, Wanted) and wish.kind != "directory" for wish in above)
