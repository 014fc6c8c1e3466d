"""Prosody's own package: whether the version that git wants is there yet, and what a state was good with."""

from __future__ import annotations

from msgspec.structs import replace

from reconcilers import dpkg
from reconcilers.apt.choose import is_met
from reconcilers.apt.wanted import OWN, wanted
from reconcilers.contract import Reader, Site
from schemas.desired import HostSpec


def installed(reader: Reader, spec: HostSpec, site: Site) -> str | None:
    """The version of Prosody's package (`0.12.3-1`); where no package brings it, Prosody's own word."""
    own = next((one for one in wanted(spec, site) if one.id == OWN), None)
    if own is None:
        return site.prosody.version if site.prosody is not None else None
    return dpkg.installed(reader.read(dpkg.STATUS) or b"").get(own.name)


def awaited(reader: Reader, spec: HostSpec, site: Site) -> str:
    """Why the Prosody that is installed is not the one that this configuration is for; empty when it is.

    Of `latest` that is known to apt alone: then the configuration has to be good for both.
    """
    own = next((one for one in wanted(spec, site) if one.id == OWN), None)
    if own is None or site.prosody is None or own.wish.version in ("present", "latest"):
        return ""
    there = dpkg.installed(reader.read(dpkg.STATUS) or b"").get(own.name)
    if is_met(own.wish, there):
        return ""
    return f"Prosody {site.prosody.version} is installed, and this is for {own.wish.version}, which comes first"


def pinned(spec: HostSpec, version: str | None) -> HostSpec:
    """The same with exactly this version of Prosody, which the rest of it was good with."""
    prosody = spec.host.prosody
    if prosody is None or version is None:
        return spec
    package = prosody.package.model_copy(update={"suite": None}) if prosody.package is not None else None
    said = prosody.model_copy(update={"version": version, "package": package})
    return replace(spec, host=spec.host.model_copy(update={"prosody": said}))
