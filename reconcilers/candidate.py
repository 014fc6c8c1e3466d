"""The wanted main file of Prosody's configuration, with its secrets and ports filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec.structs import replace

from reconcilers import secrets
from reconcilers.contract import Reader, Site
from reconcilers.given import PLACEHOLDER, variables
from reconcilers.mainfile import MainFile, Revealed, render_main, render_template
from reconcilers.ports import DEFAULTS, chosen_ports, known_ports, placeholder_ports, wanted_names
from reconcilers.profiles import supplied_options
from reconcilers.shown import known_certificates
from schemas.desired import HostSpec, SecretRef
from schemas.desired.values import find_secrets
from schemas.plan import PathChanges, Wait
from schemas.secret import Secret


def render_candidate(reader: Reader, spec: HostSpec, site: Site) -> MainFile | Wait | None:
    """The wanted main file; None: none is; a Wait while a secret or a port is missing. Raises SpecError."""
    prosody = spec.host.prosody
    if prosody is None:
        return None
    id_ = object_id(site)
    if site.prosody is None:
        why = "Prosody is not installed; install it"
        return Wait(id=id_, why=why, until=PathChanges(PurePosixPath("/usr/bin/prosody")))
    if prosody.template is not None:
        ports = known_ports(reader, spec, site)
        if isinstance(ports, Wait):
            return replace(ports, id=id_)
        seen = variables(spec, fqdn=site.fqdn, ports=ports, certificates=known_certificates(spec, site))
        return render_template(spec, site.render, seen)
    chosen = chosen_ports(reader, spec, site)
    if isinstance(chosen, Wait):
        return replace(chosen, id=id_)
    revealed = _reveal(reader, spec, site)
    if isinstance(revealed, Wait):
        return replace(revealed, id=id_)
    return render_main(spec, supplied_options(site, prosody, chosen), revealed)


def render_trial(spec: HostSpec, site: Site) -> MainFile | None:
    """The main file with a placeholder for each chosen port and each secret: good for a check, and for nothing else.

    What Prosody would not load is refused by it before anything is drawn for it. None where there is no Prosody to
    load it. Raises SpecError.
    """
    prosody = spec.host.prosody
    if prosody is None or site.prosody is None:
        return None
    if prosody.template is not None:
        seen = variables(spec, fqdn=site.fqdn, ports=placeholder_ports(spec))
        return render_template(spec, site.render, seen)
    ports = {name: DEFAULTS[name] for name in wanted_names(spec, site)}
    values = (value for _, options in scopes(spec) for value in options.values())
    revealed = {ref: Secret(PLACEHOLDER) for value in values for _, ref in find_secrets(value)}
    return render_main(spec, supplied_options(site, prosody, ports), revealed)


def _reveal(reader: Reader, spec: HostSpec, site: Site) -> Revealed | Wait:
    """Every secret of the configuration; the first that is missing holds back the whole."""
    revealed: dict[SecretRef, Secret] = {}
    for way, options in scopes(spec):
        for name, value in options.items():
            for _, reference in find_secrets(value):
                secret = secrets.resolve(reader, spec, site, reference)
                if isinstance(secret, Wait):
                    return replace(secret, origin=spec.origin(*way, name))
                revealed[reference] = secret
    return revealed


def scopes(spec: HostSpec) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, object]]]:
    """Each scope's place in the document, and its options."""
    prosody = spec.host.prosody
    assert prosody is not None
    yield ("prosody",), prosody.options
    for name, component in prosody.components.items():
        yield ("prosody", "components", name), component.options
    for host, body in prosody.virtual_hosts.items():
        way = ("prosody", "virtual_hosts", host)
        yield way, body.options
        for name, component in body.components.items():
            yield (*way, "components", name), component.options


def included(spec: HostSpec) -> tuple[PurePosixPath, ...]:
    """What Include lines read: the file, or for a pattern the directory."""
    prosody = spec.host.prosody
    paths = map(PurePosixPath, prosody.include if prosody else ())
    return tuple(path.parent if "*" in path.name or "?" in path.name else path for path in paths)


def object_id(site: Site) -> str:
    """The id of the one object that this reconciler judges."""
    return f"config:{site.paths.config}"
