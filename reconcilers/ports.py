"""Ports that git leaves open: chosen once among the free ones of this host, and remembered.

Only a profile that shares its host with others chooses (`local`); elsewhere Prosody's own defaults stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from reconcilers.contract import Reader, Site
from reconcilers.mainfile import HEADER
from schemas.actions import ChoosePorts, Forget, Remember
from schemas.desired import HostSpec, Prosody, VirtualHost
from schemas.plan import Change, Holds, Kind, NextRound, Verdict, Wait
from schemas.record import Owned, Record

NAME = "ports"
RECORD = "ports"
_ID = "ports:prosody"

DEFAULTS: Mapping[str, int] = {
    "c2s": 5222,
    "s2s": 5269,
    "http": 5280,
    "https": 5281,
    "component": 5347,
    "proxy65": 5000,
    "console": 5582,
}
"""Service → the port that it opens where nothing is said.

Read in the `module:provides("net", …)` of the modules of 0.12.3 and 13.0.1, which agree. The others
(`c2s_direct_tls`, `s2s_direct_tls`, `legacy_ssl`, `multiplex`) open none unsaid (core/portmanager.lua).
"""

_SILENT = ("c2s_direct_tls", "s2s_direct_tls", "legacy_ssl")
_HTTP = frozenset({"bosh", "websocket", "http", "http_altconnect", "invites_register_web", "register_web"})


class Have(Struct, frozen=True, kw_only=True):
    """The ports chosen so far, and those that a configuration of ours names although the record is lost."""

    record: Record | None
    found: Mapping[str, int]


def chooses(site: Site) -> bool:
    """Whether this profile takes free ports instead of the usual ones."""
    return site.profile == "local"


def option(service: str) -> str:
    """The option that says a service's ports."""
    return f"{service}_ports"


def wanted_names(spec: HostSpec, site: Site) -> tuple[str, ...]:
    """The services for which git says no ports."""
    if spec.host.prosody is None or not chooses(site):
        return ()
    return tuple(name for name in DEFAULTS if option(name) not in spec.host.prosody.options)


def chosen_ports(reader: Reader, spec: HostSpec, site: Site) -> Mapping[str, int] | Wait:
    """Service → chosen port, for those that git leaves open."""
    names = wanted_names(spec, site)
    record = reader.recall(RECORD) if names else None
    value = record.value if record else {}
    if missing := [name for name in names if name not in value]:
        why = f"no port is chosen yet for {', '.join(missing)}"
        return Wait(id=_ID, why=why, until=NextRound())
    return {name: int(value[name]) for name in names}


def known_ports(reader: Reader, spec: HostSpec, site: Site) -> Mapping[str, tuple[int, ...]] | Wait:
    """Prosody's service → the ports that it will listen on; () for one that nothing enabled provides.

    This is the `ports` of templates. A port that is a Lua expression cannot be known here: ().
    """
    prosody = spec.host.prosody
    if prosody is None:
        return dict.fromkeys((*DEFAULTS, *_SILENT), ())
    chosen = chosen_ports(reader, spec, site)
    return chosen if isinstance(chosen, Wait) else _listening(spec, chosen)


def placeholder_ports(spec: HostSpec) -> Mapping[str, tuple[int, ...]]:
    """`known_ports` where no host is at hand: the usual numbers stand for those that a host would choose."""
    return _listening(spec, DEFAULTS)


def _listening(spec: HostSpec, chosen: Mapping[str, int]) -> Mapping[str, tuple[int, ...]]:
    prosody = spec.host.prosody
    if prosody is None:
        return dict.fromkeys((*DEFAULTS, *_SILENT), ())
    enabled = _enabled(spec)
    ports: dict[str, tuple[int, ...]] = {}
    for name in (*DEFAULTS, *_SILENT):
        if name not in enabled:
            ports[name] = ()
        elif option(name) in prosody.options:
            ports[name] = _numbers(prosody.options[option(name)])
        else:
            default = chosen.get(name, DEFAULTS.get(name))
            ports[name] = () if default is None else (default,)
    return ports


def expected_ports(reader: Reader, spec: HostSpec, site: Site) -> frozenset[int]:
    """Ports on which a healthy Prosody listens for sure: none where Lua or a template may say otherwise."""
    prosody = spec.host.prosody
    if prosody is None or prosody.template is not None or prosody.include or prosody.lua:
        return frozenset()
    ports = known_ports(reader, spec, site)
    if isinstance(ports, Wait):
        return frozenset()
    sure = [name for name in ("c2s", "s2s") if any(_loads(prosody, host, name) for host in _hosts(prosody))]
    return frozenset(port for name in sure for port in ports[name])


def _hosts(prosody: Prosody) -> Iterator[VirtualHost]:
    """The virtual hosts that Prosody serves."""
    return (host for host in prosody.virtual_hosts.values() if host.options.get("enabled") is not False)


def _loads(prosody: Prosody, host: VirtualHost, module: str) -> bool:
    """Whether a module that loads by itself is left to do so on this host."""
    return module not in (*prosody.modules_disabled, *host.modules_disabled) and not host.lua


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Recall what was chosen, or read it where we wrote it: clients know these numbers."""
    record = reader.recall(RECORD) if wanted_names(spec, site) or owned else None
    live = reader.read(site.paths.config) if record is None and wanted_names(spec, site) else None
    return Have(record=record, found=_written(live) if live and live.startswith(HEADER) else {})


def _written(text: bytes) -> Mapping[str, int]:
    """The ports in a main file of ours, one service a line."""
    lines = re.findall(rb"^([a-z0-9_]+)_ports = \{\s*(\d+),?\s*\}", text, re.MULTILINE)
    return {name.decode(): int(port) for name, port in lines if name.decode() in DEFAULTS}


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Choose what is missing; what is chosen stays, also when git speaks for it in between."""
    names = wanted_names(spec, site)
    chosen = have.record.value if have.record else {}
    live = site.digest(repr(sorted(chosen.items())).encode()) if chosen else None
    if not names:
        if _ID in owned and spec.host.prosody is None:
            yield Change(
                id=_ID, kind=Kind.REMOVED, why="Prosody is gone from git", actions=(Forget(id=RECORD),),
                wanted=None, live=live, removes=0,
            )  # fmt: skip
        elif _ID in owned:
            yield Holds(id=_ID, wanted="", live=live or "")
        return
    wanted = ",".join(names)
    missing = tuple(name for name in names if name not in chosen)
    if not missing:
        yield Holds(id=_ID, wanted=wanted, live=live or "")
        return
    known = (Remember(id=RECORD, record=have.found),) if have.found else ()
    yield Change(
        id=_ID,
        kind=Kind.CHANGED if chosen else Kind.CREATED,
        why=f"no port is chosen yet for {', '.join(missing)}",
        actions=(*known, ChoosePorts(id=RECORD, names=names)),
        wanted=wanted,
        live=live,
    )


def _enabled(spec: HostSpec) -> set[str]:
    """The services that some enabled module provides; c2s and s2s load by themselves."""
    prosody = spec.host.prosody
    assert prosody is not None
    hosts = prosody.virtual_hosts.values()
    components = [*prosody.components.values(), *(c for host in hosts for c in host.components.values())]
    modules = {name for scope in (prosody, *hosts, *components) for name in scope.modules_enabled}
    modules |= {component.module for component in components}
    off = set(prosody.modules_disabled)
    services = {"c2s", "c2s_direct_tls", "legacy_ssl"} if "c2s" not in off else set()
    services |= {"s2s", "s2s_direct_tls"} if "s2s" not in off else set()
    services |= {"component", "proxy65"} & modules
    if "admin_telnet" in modules:
        services.add("console")
    if any(name in _HTTP or name.startswith("http_") for name in modules - off):
        services |= {"http", "https"}
    return services


def _numbers(value: object) -> tuple[int, ...]:
    """The ports that an option names: one, or a list; a number may be written as a text."""
    items: Sequence[object] = value if isinstance(value, tuple | list) else (value,)
    return tuple(int(item) for item in items if isinstance(item, int | str) and str(item).isdigit())
