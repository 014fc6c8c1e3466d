"""A kind of host each: what the place supplies, and what git therefore need not say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from reconcilers.contract import Paths, Site
from reconcilers.profiles import local
from schemas.desired import Prosody


def site_paths(profile: str, home: PurePosixPath) -> Paths:
    """Where this kind of host puts Prosody's things. Raises KeyError for an unknown one."""
    return {"local": local.site_paths}[profile](home)


def supplied_options(site: Site, prosody: Prosody, ports: Mapping[str, int]) -> dict[str, object]:
    """Global options that the place supplies; what git says itself is left out."""
    supply = {"local": local.supplied_options}[site.profile]
    options = supply(site, ports)
    return {name: value for name, value in options.items() if name not in prosody.options}
