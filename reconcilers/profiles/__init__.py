"""A kind of host each: what the place supplies, and what git therefore need not say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Protocol

from reconcilers.contract import Paths, Site
from reconcilers.managers import Manager
from reconcilers.profiles import debian, local
from schemas.desired import Prosody


class Profile(Protocol):
    """The shape of a profile module."""

    MANAGER: Manager
    HAS_PACKAGE: bool
    """Whether a package brings Prosody, with its user, its directories and a configuration of its own."""

    def site_paths(self, home: PurePosixPath) -> Paths:
        """Where this kind of host puts Prosody's things."""

    def supplied_options(self, site: Site, ports: Mapping[str, int]) -> dict[str, object]:
        """Global options that Prosody needs here. `ports`: those that were chosen for it."""


PROFILES: Mapping[str, Profile] = {"local": local, "debian": debian}


def manager(site: Site) -> Manager:
    """Who runs Prosody here."""
    return PROFILES[site.profile].MANAGER


def has_package(site: Site) -> bool:
    """Whether a package brings Prosody here."""
    return PROFILES[site.profile].HAS_PACKAGE


def site_paths(profile: str, home: PurePosixPath) -> Paths:
    """Where this kind of host puts Prosody's things. Raises KeyError for an unknown one."""
    return PROFILES[profile].site_paths(home)


def supplied_options(site: Site, prosody: Prosody, ports: Mapping[str, int]) -> dict[str, object]:
    """Global options that the place supplies; what git says itself is left out."""
    options = PROFILES[site.profile].supplied_options(site, ports)
    if prosody.plugins:
        options["plugin_paths"] = tuple(map(str, site.paths.plugins))
    return {name: value for name, value in options.items() if name not in prosody.options}
