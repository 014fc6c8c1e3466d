"""`requires`: what is only observed, held against the range that git says. Nothing is installed for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from reconcilers import dpkg
from reconcilers.contract import Reader, Site
from schemas.desired import HostSpec
from schemas.plan import Change, Holds, Kind, PathChanges, Verdict, Wait
from schemas.record import Owned
from schemas.versions import is_wanted

NAME = "requires"
KIND = "requires"
"""How the ids of these objects begin."""
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "openssl": ("libssl3t64", "libssl3", "openssl"),
    "luasec": ("lua-sec",),
    "luasocket": ("lua-socket",),
    "luaexpat": ("lua-expat",),
    "luafilesystem": ("lua-filesystem",),
}
"""Names that LuaRocks or a project uses → Debian's packages; the first that is installed counts."""


class Have(Struct, frozen=True, kw_only=True):
    """Name → the version that is there; None where none is, or where no dpkg tells."""

    found: Mapping[str, str | None]


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Prosody's own word is Prosody's, all else is dpkg's."""
    if not spec.host.requires:
        return Have(found={})
    installed = dpkg.installed(reader.read(dpkg.STATUS) or b"")
    return Have(found={name: _version(name, installed, site) for name in spec.host.requires})


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """What is unmet waits for somebody else, and is told meanwhile."""
    for name, version in have.found.items():
        wanted, id_ = spec.host.requires[name], f"{KIND}:{name}"
        if version is not None and is_wanted(version, wanted):
            yield Holds(id=id_, wanted=wanted, live=version)
            continue
        there = "none is installed" if version is None else f"{version} is installed"
        why = f"{name}: {there}, and git requires {wanted}; install it, or change what is required"
        yield Wait(id=id_, why=why, until=PathChanges(dpkg.STATUS), origin=spec.origin("requires", name))
    for id_ in owned:
        if id_.partition(":")[2] not in have.found:
            why = "gone from git"
            yield Change(id=id_, kind=Kind.RELEASED, why=why, actions=(), wanted=None, live=None)


def _version(name: str, installed: Mapping[str, str], site: Site) -> str | None:
    if name == "prosody":
        return site.prosody.version if site.prosody is not None else None
    if name == "lua":
        return None if site.prosody is None else installed.get(site.prosody.lua.name)  # lua5.4
    packages = _PACKAGES.get(name, (name,))
    return next((installed[package] for package in packages if package in installed), None)
