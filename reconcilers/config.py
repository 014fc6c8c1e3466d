"""Prosody's configuration: one file, the profile's, rendered from git; told and compared option by option."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from reconcilers.apt.own import awaited
from reconcilers.candidate import included, object_id, render_candidate, render_trial
from reconcilers.contract import FileInfo, Reader, Site
from reconcilers.dpkg import STATUS, is_untouched
from reconcilers.included import brought
from reconcilers.judging import check
from reconcilers.mainfile import HEADER, MainFile
from reconcilers.optiondiff import diff_options
from reconcilers.parsed import Parsed, Refusal, parse
from reconcilers.profiles import has_package
from schemas.actions import RemoveFile, WriteFile
from schemas.desired import HostSpec
from schemas.errors import SpecError
from schemas.plan import Change, Holds, Kind, PathChanges, Verdict, Wait
from schemas.record import Owned
from schemas.secret import Secret

NAME = "config"
BY_HAND = "overwrites a Prosody configuration that was made by hand"
_MODE = 0o640
"""Secrets stand in the file itself, on 13.0 too (it could take them by FileLine): others may not read it."""


class Have(Struct, frozen=True, kw_only=True):
    """What lies there, what is to lie there, and both as read by Prosody.

    `candidate` None: nothing is wanted; a Wait: what is wanted cannot be known yet.
    """

    candidate: MainFile | Wait | None
    info: FileInfo | None
    live: bytes | None
    is_stock: bool = False
    """What lies there is as its package brought it: nobody made it."""
    parsed: tuple[Parsed | Refusal, Parsed | Refusal] | None = None
    """(live, candidate); None where they are equal byte for byte."""


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Render the candidate, read the live file, and have both read by Prosody's loader when they differ.

    Raises SpecError for a candidate that Prosody would not load: first of all, since one that never ends is read
    for ten seconds each time.
    """
    info = reader.stat(site.paths.config)
    live = reader.read(site.paths.config) if info is not None and info.kind == "file" else None
    if coming := awaited(reader, spec, site):  # its own loader judges it, before it is installed
        return Have(candidate=Wait(id=object_id(site), why=coming, until=PathChanges(STATUS)), info=info, live=live)
    wanted = render_candidate(reader, spec, site)
    if isinstance(wanted, Wait):
        _try(reader, spec, site)
    have = Have(candidate=wanted, info=info, live=live, is_stock=_is_stock(reader, site, live))
    if wanted is None and live is not None and site.prosody is not None and object_id(site) in owned:
        (former,) = parse(reader, site, site.prosody, live).texts
        return replace(have, parsed=(former, Parsed(scopes={"*": {}})))
    if not isinstance(wanted, MainFile) or live == wanted.text or site.prosody is None:
        return have
    if (missing := _missing(reader, spec)) is not None:
        why = f"{missing}, which it includes and this commit brings, is not there yet"
        return replace(have, candidate=Wait(id=object_id(site), why=why, until=PathChanges(missing)))
    try:
        new = check(reader, spec, site, wanted)
    except SpecError:
        if (behind := _behind(reader, spec)) is None:
            raise
        why = f"Prosody would not load it with {behind} as it lies there, which it includes and this commit changes"
        return replace(have, candidate=Wait(id=object_id(site), why=why, until=PathChanges(behind)))
    (former,) = parse(reader, site, site.prosody, live or b"", depends=included(spec)).texts
    return replace(have, parsed=(former, new))


def _is_stock(reader: Reader, site: Site, live: bytes | None) -> bool:
    """Asked of a file alone that is not ours: dpkg's memory is a megabyte."""
    if live is None or live.startswith(HEADER) or not has_package(site):
        return False
    return is_untouched(reader.read(STATUS) or b"", site.paths.config, live)


def _try(reader: Reader, spec: HostSpec, site: Site) -> None:
    """Refuse now what would be refused once its secrets and ports are known: they are not drawn for nothing."""
    trial = render_trial(spec, site)
    if trial is not None and _missing(reader, spec) is None:
        check(reader, spec, site, trial)


def _missing(reader: Reader, spec: HostSpec) -> PurePosixPath | None:
    """A file (of a pattern, the directory) of git's own that is included: once `files` wrote it, this can be read."""
    places = tuple(map(PurePosixPath, spec.host.files))
    for path in included(spec):
        brought = any(path.is_relative_to(place) or place.is_relative_to(path) for place in places)
        if brought and reader.stat(path) is None:
            return path
    return None


def _behind(reader: Reader, spec: HostSpec) -> PurePosixPath | None:
    """An included file of git's own that is not there as git has it: the stage checks both as they will be."""
    for file in brought(spec):
        if file.text is not None and reader.read(file.path) != file.text.encode():
            return file.path
    return None


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """One verdict on the one file."""
    ours = owned.get(object_id(site))
    if isinstance(have.candidate, Wait):
        yield have.candidate
    elif have.candidate is not None:
        yield _verdict(spec, have, have.candidate, ours, site)
    elif ours is not None:
        yield _gone(spec, have, site)


def _group(site: Site) -> str | None:
    """Root writes for Prosody's group; any other agent is Prosody's user itself."""
    return site.group if site.user is not None else None


def _digest(site: Site, mode: int, group: str, text: bytes) -> str:
    return site.digest(f"{mode:o}\0{group}\0".encode() + text)


def _live_digest(have: Have, site: Site) -> str | None:
    if have.info is None:
        return None
    return _digest(site, have.info.mode, have.info.group, have.live or have.info.kind.encode())


def _verdict(spec: HostSpec, have: Have, wanted: MainFile, ours: Owned | None, site: Site) -> Verdict:
    prosody = spec.host.prosody
    assert prosody is not None
    wish, live = _digest(site, _MODE, _group(site) or "", wanted.text), _live_digest(have, site)
    why = _difference(have, wanted, site)
    if not why and live is not None:
        return Holds(id=object_id(site), wanted=wish, live=live)
    write = WriteFile(
        path=site.paths.config,
        content=Secret(wanted.text),
        mode=_MODE,
        group=_group(site),
        was=have.info.signature if have.info else None,
    )
    by_hand = have.info is not None and ours is None and not have.is_stock and not (have.live or b"").startswith(HEADER)
    return Change(
        id=object_id(site),
        kind=Kind.CREATED if have.info is None else Kind.CHANGED,
        why=why,
        actions=(write,),
        wanted=wish,
        live=live,
        origin=spec.origin("prosody"),
        policy=prosody.drift or spec.host.drift,
        touches=frozenset({"prosody"}),
        diff=_diff(have, wanted),
        needs_word=BY_HAND if by_hand else "",
        removes=_hosts_gone(have),
    )


def _difference(have: Have, wanted: MainFile, site: Site) -> str:
    """Why it is not as wanted, as a clause; empty when it is."""
    if have.info is None:
        return "is not there"
    if have.info.kind != "file":
        return f"is a {have.info.kind}, a file is wanted"
    reasons = []
    if have.live != wanted.text:
        reasons.append("differs from git")
    if have.info.mode != _MODE:
        reasons.append(f"mode {have.info.mode:04o}, {_MODE:04o} is wanted")
    group = _group(site)
    if group is not None and have.info.group != group:
        reasons.append(f"group {have.info.group}, {group} is wanted")
    return "; ".join(reasons)


def _gone(spec: HostSpec, have: Have, site: Site) -> Change:
    """Ours, and git says nothing of Prosody any more."""
    info = have.info
    return Change(
        id=object_id(site),
        kind=Kind.RELEASED if info is None else Kind.REMOVED,
        why="Prosody is gone from git",
        actions=() if info is None else (RemoveFile(path=site.paths.config, was=info.signature),),
        wanted=None,
        live=_live_digest(have, site),
        policy=spec.host.drift,
        touches=frozenset({"prosody"}),
        removes=max(1, _hosts_gone(have)),
    )


def _hosts_gone(have: Have) -> int:
    """Virtual hosts and components that Prosody would serve no more."""
    match have.parsed:
        case (Parsed(scopes=before), Parsed(scopes=after)):
            return len(before.keys() - after.keys())
    return 0


def _diff(have: Have, wanted: MainFile) -> tuple[str, ...]:
    return () if have.parsed is None else diff_options(*have.parsed, wanted)
