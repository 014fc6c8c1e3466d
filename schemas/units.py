"""How a service of the language is called by systemd (systemd.unit(5))."""

from __future__ import annotations

SUFFIXES = frozenset(
    {"service", "socket", "timer", "path", "mount", "automount", "swap", "target", "slice", "scope", "device"}
)
"""The kinds of units."""
PROSODY = "prosody"
"""The service of the language that is Prosody's own."""
LONGEST = 255
"""Characters in the name of a unit."""


def unit_name(service: str) -> str:
    """`nginx` is nginx.service, `apt-daily.timer` itself; `php8.2-fpm` ends in no kind of unit."""
    return service if "." in service and service.rpartition(".")[2] in SUFFIXES else f"{service}.service"
