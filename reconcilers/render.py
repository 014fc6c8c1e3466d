"""Templates: Jinja in a sandbox, an undefined name is a mistake.

Imported where a template is rendered, which is in a child: what is given to one is gathered in `reconcilers.given`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reconcilers.attempt import attempt, line_of
from reconcilers.given import PLACEHOLDER, filled, variables
from reconcilers.lint import told_syntax, told_undefined
from schemas.desired import HostSpec
from schemas.errors import Mark, Mistake, SpecError

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
_COMPILED: dict[bytes, jinja2.Template] = {}
"""By their bytes: compiling costs a hundred times what rendering does."""


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
