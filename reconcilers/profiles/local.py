"""The embedded kind of host: everything below one directory, Prosody a child of the agent, no root needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from reconcilers.contract import Paths, Site
from reconcilers.managers import Manager, child
from reconcilers.ports import option

MANAGER: Manager = child
HAS_PACKAGE = False

_LOOPBACK = ("127.0.0.1",)


def site_paths(home: PurePosixPath) -> Paths:
    """Everything below `<home>/prosody`."""
    base = home / "prosody"
    return Paths(
        config=base / "etc/prosody.cfg.lua",
        data=base / "data",
        certificates=base / "certs",
        pidfile=base / "run/prosody.pid",
        log=base / "log/prosody.log",
        socket=base / "run/prosody.sock",
        stage=base / "stage",
        secrets=base / "secrets",
        plugins=(base / "modules",),
    )


def supplied_options(site: Site, ports: Mapping[str, int]) -> dict[str, object]:
    """What a Prosody needs to run here beside others, as the agent's child."""
    paths = site.paths
    options: dict[str, object] = {
        "data_path": str(paths.data),
        "pidfile": str(paths.pidfile),
        "admin_socket": str(paths.socket),
        "certificates": str(paths.certificates),
        "log": {"info": str(paths.log)},
        "daemonize": False,
        # two options, since what is private listens on `local_interfaces` (::1 too, unless told)
        "interfaces": _LOOPBACK,
        "local_interfaces": _LOOPBACK,
    }
    if site.user is not None:
        options |= {"prosody_user": site.owner, "prosody_group": site.group}
    return options | {option(service): (port,) for service, port in ports.items()}
