"""A Debian or Ubuntu server: the distribution's Prosody under systemd, in the places of its package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from reconcilers.contract import Paths, Site
from reconcilers.managers import Manager, systemd

MANAGER: Manager = systemd
HAS_PACKAGE = True

_OWN = PurePosixPath("/etc/prosody")
_LOGS = PurePosixPath("/var/log/prosody")


def site_paths(home: PurePosixPath) -> Paths:
    """Those of the package; what is the agent's alone lies where the agent's own files do.

    But for the stage: Prosody's user enters it, and /run/prosodist is closed to all but root.
    """
    data = PurePosixPath("/var/lib/prosody")
    return Paths(
        config=_OWN / "prosody.cfg.lua",
        data=data,
        certificates=_OWN / "certs",
        pidfile=PurePosixPath("/run/prosody/prosody.pid"),
        log=_LOGS / "prosody.log",
        socket=data / "prosody.sock",
        stage=PurePosixPath("/run/prosodist-stage"),
        secrets=PurePosixPath("/etc/prosodist/keys/generated"),
        plugins=(PurePosixPath("/usr/local/lib/prosody/modules"),),
    )


def supplied_options(site: Site, ports: Mapping[str, int]) -> dict[str, object]:
    """What the package's own prosody.cfg.lua says of places (0.12.3-1+deb12u1, 13.0.1-1)."""
    return {
        "pidfile": str(site.paths.pidfile),
        "certificates": str(site.paths.certificates),
        "log": {"info": str(site.paths.log), "error": str(_LOGS / "prosody.err")},
        "plugin_paths": tuple(map(str, site.paths.plugins)),
        "daemonize": False,
    }
