"""What a template is given: every template of the repository sees the same words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconcilers.shown import placeholder_certificates
from schemas.desired import Age, Generated, HostFile, HostSpec, Lua, SecretRef

PLACEHOLDER = "SECRET"
"""Stands for one of a file's own secrets in a trial rendering, where none is at hand."""


class _Hidden:
    """A secret among Prosody's options, in a template that was not given it."""

    def __str__(self) -> str:
        raise ValueError("this option is a secret; give it to the template by the file's own vars")


def variables(
    spec: HostSpec,
    *,
    fqdn: str,
    ports: Mapping[str, Sequence[int]],
    certificates: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What every template of this host sees; `vars` stand beside it by their own names too.

    Without `certificates` these are placeholders, for a trial.
    """
    prosody = spec.host.prosody
    vars_ = {name: value if isinstance(value, str) else f"<{name}>" for name, value in spec.host.vars.items()}
    hosts = prosody.virtual_hosts if prosody else {}
    return {
        **vars_,
        "fqdn": fqdn,
        "vars": vars_,
        "prosody": _plain(prosody.options) if prosody else {},
        "virtual_hosts": {name: tuple(host.components) for name, host in hosts.items()},
        "ports": {service: list(numbers) for service, numbers in ports.items()},
        "certificates": placeholder_certificates(spec) if certificates is None else dict(certificates),
    }


def _plain(value: object) -> object:
    """An option's value as a template may see it: a secret refuses to be printed, Lua is its text."""
    match value:
        case HostFile() | Generated() | Age():
            return _Hidden()
        case Lua():
            return value.lua
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case _:
            return value


def filled(value: object, reveal: Callable[[SecretRef], str]) -> object:
    """A variable as a file's own template sees it: every secret in it, however deep, in the clear."""
    match value:
        case HostFile() | Generated() | Age():
            return reveal(value)
        case Mapping():
            return {key: filled(item, reveal) for key, item in value.items()}
        case tuple() | list():
            return [filled(item, reveal) for item in value]
        case _:
            return value


def used_templates(spec: HostSpec) -> tuple[str, ...]:
    """The templates that this host's document names, each once."""
    named = [entry.template for entry in spec.host.files.values()]
    if spec.host.prosody is not None:
        named.append(spec.host.prosody.template)
    return tuple(dict.fromkeys(name for name in named if name is not None))
