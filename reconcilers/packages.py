"""Packages: Prosody's own is installed, where a package brings it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from reconcilers import dpkg
from reconcilers.contract import Reader, Site
from reconcilers.profiles import has_package, manager
from schemas.actions import Install
from schemas.desired import HostSpec
from schemas.plan import Change, Holds, Kind, Verdict
from schemas.record import Owned

NAME = "packages"
_PROSODY = "prosody"


class Have(Struct, frozen=True, kw_only=True):
    """Package → installed version."""

    installed: Mapping[str, str]


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Read what dpkg wrote."""
    return Have(installed=dpkg.installed(reader.read(dpkg.STATUS) or b"") if _wanted(spec, site) else {})


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Install what is missing; let go of what git no longer names."""
    wanted = _wanted(spec, site)
    for name in wanted:
        version = have.installed.get(name)
        if version is not None:
            yield Holds(id=f"package:{name}", wanted="present", live="present")
            continue
        yield Change(
            id=f"package:{name}",
            kind=Kind.CREATED,
            why="is not installed",
            actions=(*manager(site).hold_back(), Install(packages=(_asked(spec, name),))),
            wanted="present",
            live=None,
            origin=spec.origin("prosody"),
            touches=frozenset({"prosody"}),
        )
    for id_ in owned:
        if id_.partition(":")[2] not in wanted:
            yield Change(
                id=id_, kind=Kind.RELEASED, why="gone from git; it stays installed", actions=(), wanted=None,
                live="present",
            )  # fmt: skip


def _asked(spec: HostSpec, name: str) -> str:
    """As apt is asked for it. A beginning is a pattern; whether what came is of a range, the loader judges."""
    version = spec.host.prosody.version if spec.host.prosody is not None else "present"
    return f"{name}={version}*" if version[0].isdigit() else name


def _wanted(spec: HostSpec, site: Site) -> tuple[str, ...]:
    if not has_package(site) or spec.host.prosody is None:
        return ()
    return (_PROSODY,)
