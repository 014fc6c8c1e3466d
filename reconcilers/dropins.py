"""Drop-ins: what git says of a service's limits, environment and umask, in a file beside its unit.

One object a service. The file alone changes nothing that runs: `services` and, for Prosody, the activation restart what
was started before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconcilers.contract import FileInfo, Reader, Site
from reconcilers.linediff import diff_lines
from reconcilers.managers import systemd
from reconcilers.profiles import manager
from schemas.actions import Action, Control, Forget, MakeDir, RemoveFile, WriteFile
from schemas.desired import HostSpec
from schemas.plan import Change, Holds, Kind, Policy, Verdict
from schemas.record import Owned
from schemas.units import PROSODY, unit_name

if TYPE_CHECKING:
    from schemas.desired.services import Service

NAME = "dropins"
PLACE = PurePosixPath("/etc/systemd/system")
"""Where systemd looks for what is said by a host's admin; the hands write there, and no push names a path in it."""
_FILE = "prosodist.conf"
_HEADER = "# Written by prosodist from `services` in git; what is changed here is put back.\n[Service]\n"
_MODE = 0o644


class Seen(Struct, frozen=True, kw_only=True):
    """What lies there, and whether there is a place for it."""

    info: FileInfo | None
    content: bytes | None
    has_directory: bool
    is_known: bool
    """Whether it is remembered that the service was started with it."""


Have = Mapping[PurePosixPath, Seen]
"""Path → what is there, for each that is wanted or ours."""


def wanted(spec: HostSpec, site: Site) -> Mapping[PurePosixPath, str]:
    """Path of a drop-in → the service that git says something for."""
    if manager(site) is not systemd:
        return {}
    named = ((name, service) for name, service in spec.host.services.items() if is_kept(name, spec))
    return {path(name): name for name, service in named if render(service)}


def is_kept(name: str, spec: HostSpec) -> bool:
    """Whether git wants it at all: where it wants no Prosody, nothing of Prosody is touched."""
    return unit_name(name) != systemd.UNIT or spec.host.prosody is not None


def path(service: str) -> PurePosixPath:
    """Where the drop-in of a service lies (systemd.unit(5))."""
    return PLACE / f"{unit_name(service)}.d" / _FILE


def render(service: Service) -> bytes:
    """The file; empty when git says nothing that belongs in it. Names and values as systemd.exec(5) takes them."""
    lines = [f"Limit{name.upper()}={number}\n" for name, number in sorted(service.rlimits.items())]
    lines += [f'Environment="{name}={_quoted(value)}"\n' for name, value in sorted(service.environment.items())]
    lines += [f"UMask={service.umask}\n"] if service.umask is not None else []
    return (_HEADER + "".join(lines)).encode() if lines else b""


def digest_of(service: Service, site: Site) -> str:
    """Names what git says; empty when it says nothing."""
    content = render(service)
    return site.digest(content) if content else ""


def _quoted(value: str) -> str:
    """Inside double quotes systemd reads escapes, and before that its own %-specifiers (systemd.syntax(7))."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def started_with(unit: str) -> str:
    """The id of the record of the drop-in with which we last started a unit: `has`, its digest."""
    return f"unit:{unit}"


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Look at each file."""
    paths = {*wanted(spec, site), *(PurePosixPath(id_.partition(":")[2]) for id_ in owned)}
    return {each: _look(reader, each) for each in sorted(paths)}


def _look(reader: Reader, each: PurePosixPath) -> Seen:
    return Seen(
        info=reader.stat(each),
        content=reader.read(each),
        has_directory=reader.stat(each.parent) is not None,
        is_known=reader.recall(started_with(_unit(each))) is not None,
    )


def _unit(dropin: PurePosixPath) -> str:
    return dropin.parent.name.removesuffix(".d")


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Write what git says; take away what it no longer says.

    systemd reads its files once, after the last of them. Who starts a service has them read again, where that one came
    to nothing after all (`beside.read_before`).
    """
    verdicts = list(_verdicts(spec, have, site))
    for last in reversed(verdicts):
        if isinstance(last, Change) and last.actions and last.policy is Policy.CORRECT:
            verdicts[verdicts.index(last)] = _read_again(last)
            break
    yield from verdicts


def _verdicts(spec: HostSpec, have: Have, site: Site) -> Iterator[Verdict]:
    services = wanted(spec, site)
    for each, seen in have.items():
        name = services.get(each)
        yield _gone(each, seen, spec, site) if name is None else _verdict(each, seen, name, spec, site)


def _read_again(change: Change) -> Change:
    """Should this one come to nothing, the next look finds units with files that systemd has not read."""
    unit = _unit(PurePosixPath(change.object))
    return replace(change, actions=(*change.actions, Control(unit=unit, verb="daemon-reload")))


def _verdict(each: PurePosixPath, seen: Seen, name: str, spec: HostSpec, site: Site) -> Verdict:
    service = spec.host.services[name]
    content = render(service)
    wish, live = _digest("file", _MODE, content, site), _live(seen, site)
    if live == wish:
        return Holds(id=f"dropin:{each}", wanted=wish, live=live)
    make = () if seen.has_directory else (MakeDir(path=each.parent, mode=0o755),)
    was = seen.info.signature if seen.info else None
    write = WriteFile(path=each, content=content, mode=_MODE, owner="root", group="root", was=was)
    return Change(
        id=f"dropin:{each}",
        kind=Kind.CREATED if seen.info is None else Kind.CHANGED,
        why="is not there" if seen.info is None else "content differs" if seen.content != content else "mode differs",
        actions=(*make, write),
        wanted=wish,
        live=live,
        origin=spec.origin("services", name),
        policy=service.drift or spec.host.drift,
        touches=_touches(name),
        diff=() if seen.content in (None, content) else diff_lines(each, seen.content or b"", content),
    )


def _gone(each: PurePosixPath, seen: Seen, spec: HostSpec, site: Site) -> Change:
    """A service that git names no more is let go of; what we gave it goes, which takes a restart."""
    unit = _unit(each)
    is_named = any(unit_name(name) == unit for name in (PROSODY, *spec.host.services))
    restart: tuple[Action, ...] = ()
    if not is_named:
        verbs = (Control(unit=unit, verb="daemon-reload"), Control(unit=unit, verb="try-restart"))
        restart = (*verbs, Forget(id=started_with(unit)))
    if seen.info is None and not (restart and seen.is_known):
        return Change(
            id=f"dropin:{each}", kind=Kind.RELEASED, why="gone from git, and from the host", actions=(), wanted=None,
            live=None,
        )  # fmt: skip
    remove: tuple[Action, ...] = (RemoveFile(path=each, was=seen.info.signature),) if seen.info else ()
    return Change(
        id=f"dropin:{each}",
        kind=Kind.REMOVED,
        why="gone from git",
        actions=(*remove, *restart),
        wanted=None,
        live=_live(seen, site),
        policy=spec.host.drift,
        touches=_touches(unit),
        removes=0,  # the service goes on, with what its package says
    )


def _touches(service: str) -> frozenset[str]:
    return frozenset({PROSODY}) if unit_name(service) == systemd.UNIT else frozenset()


def _live(seen: Seen, site: Site) -> str | None:
    if seen.info is None:
        return None
    return _digest(seen.info.kind, seen.info.mode, seen.content or (seen.info.target or "").encode(), site)


def _digest(kind: str, mode: int, content: bytes, site: Site) -> str:
    return site.digest(f"{kind}\0{mode:o}\0".encode() + content)
