"""Services that the program knows: their units, how each is asked about its files, and what a change brings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from schemas.desired import HostSpec
from schemas.units import unit_name


class Service(Struct, frozen=True, kw_only=True):
    """How a service is told of a change.

    `check` is an argv, run as root with the new files in place; empty: none. `is_said`: git names the check, so that
    the host must allow it. `on_change` is reload, restart or report.
    """

    unit: str
    check: tuple[str, ...] = ()
    on_change: str = "restart"
    is_said: bool = False


KNOWN: Mapping[str, Service] = MappingProxyType(
    {
        # a reload keeps every connection: old workers end by themselves
        "nginx": Service(unit="nginx.service", check=("/usr/sbin/nginx", "-t", "-q"), on_change="reload"),
        # tor.service is a shell around this one; the check is the one that its unit makes before a start
        "tor": Service(
            unit="tor@default.service",
            check=(
                "/usr/bin/tor",
                "--defaults-torrc",
                "/usr/share/tor/tor-service-defaults-torrc",
                "-f",
                "/etc/tor/torrc",
                "--RunAsDaemon",
                "0",
                "--verify-config",
            ),
            on_change="reload",
        ),
        # turnserver reads its configuration once, and has no way to try one
        "coturn": Service(unit="coturn.service", on_change="restart"),
        # postgresql.service hands a reload on to each cluster; a bad line is logged there, and the former value stays
        "postgresql": Service(unit="postgresql.service", on_change="reload"),
        # what the check loads into the kernel is thrown away; a reload replaces all rules at once
        "nftables": Service(
            unit="nftables.service", check=("/usr/sbin/nft", "-c", "-f", "/etc/nftables.conf"), on_change="reload"
        ),
        # it runs once and has ended: to restart it is to have it read again
        "systemd-sysctl": Service(unit="systemd-sysctl.service", on_change="restart"),
    }
)


def service(spec: HostSpec, name: str) -> Service:
    """How git and this table say that it is told; what is said in `services` goes before what is known."""
    known = KNOWN.get(name, Service(unit=unit_name(name)))
    said = spec.host.services.get(name)
    if said is None:
        return known
    return Service(
        unit=known.unit,
        check=said.check or known.check,
        on_change=said.on_change or known.on_change,
        is_said=bool(said.check),
    )
