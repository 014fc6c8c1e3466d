"""Templates: Jinja in a sandbox, an undefined name is a mistake.

What a template sees is gathered here too, so that every template of the repository sees the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reconcilers.attempt import attempt, line_of
from reconcilers.lint import told_syntax, told_undefined
from reconcilers.shown import placeholder_certificates
from schemas.desired import Age, Generated, HostFile, HostSpec, Lua, SecretRef
from schemas.errors import Mark, Mistake, SpecError

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
_COMPILED: dict[bytes, jinja2.Template] = {}
"""By their bytes: compiling costs a hundred times what rendering does."""

PLACEHOLDER = "SECRET"
"""Stands for one of a file's own secrets in a trial rendering, where none is at hand."""


class _Hidden:
    """A secret among Prosody's options, in a template that was not given it."""

    def __str__(self) -> str:
        raise ValueError("this option is a secret; give it to the template by the file's own vars")


def render(name: str, text: bytes, variables: Mapping[str, Any]) -> bytes:
    """The template's text with these variables. Raises SpecError at the template's own line."""
    try:
        template = _compile(name, text)
        return template.render(variables).encode()
    except jinja2.TemplateSyntaxError as error:
        raise _mistake(name, error.lineno, told_syntax(error.message)) from None
    except jinja2.UndefinedError as error:
        raise _mistake(name, line_of(name, error), told_undefined(error.message)) from None
    except MemoryError:
        raise
    except Exception as error:  # whatever a template provokes is the template's mistake
        raise _mistake(name, line_of(name, error), f"{type(error).__name__}: {error}; correct the template") from None


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


def check_template(spec: HostSpec, name: str, *, fqdn: str, ports: Mapping[str, Sequence[int]]) -> Iterator[Mistake]:
    """Render a template for each place that names it, its secrets as placeholders, to tell its mistakes at once."""
    seen = variables(spec, fqdn=fqdn, ports=ports)
    for entry in spec.host.files.values():
        if entry.template == name:
            own = {name: filled(value, lambda _: PLACEHOLDER) for name, value in entry.vars.items()}
            yield from _mistakes(name, spec.sources[name].data, {**seen, **own})
    if spec.host.prosody is not None and spec.host.prosody.template == name:
        yield from _mistakes(name, spec.sources[name].data, seen)


def _mistakes(name: str, text: bytes, seen: Mapping[str, Any]) -> list[Mistake]:
    """All of them; an attempt compiles the template anew, so one without any is only rendered."""
    try:
        render(name, text, seen)
    except SpecError:
        return attempt(_ENVIRONMENT, name, text, seen)
    return []


def _compile(name: str, text: bytes) -> jinja2.Template:
    template = _COMPILED.get(text)
    if template is None:
        code = _ENVIRONMENT.compile(text.decode(), name=name, filename=name)
        template = jinja2.Template.from_code(_ENVIRONMENT, code, {})
        template.globals.update(_ENVIRONMENT.globals)
        _COMPILED[text] = template
    return template


def _mistake(name: str, line: int, text: str) -> SpecError:
    return SpecError([Mistake(mark=Mark(name, line, 1), text=text)])
