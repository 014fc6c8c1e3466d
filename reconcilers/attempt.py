"""A template tried: every mistake that its rendering meets, where `render` stops at the first."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from reconcilers.lint import column_of, lint, told_syntax, told_undefined
from schemas.errors import Mark, Mistake


def attempt(environment: SandboxedEnvironment, name: str, text: bytes, variables: Mapping[str, Any]) -> list[Mistake]:
    """Render with names that are missing noted and passed over.

    What ends the rendering is told too, and then also what the rest of the text tells by itself.
    """
    found: dict[int, list[Mistake]] = {}
    try:
        source = text.decode()
        template = _compile(environment, name, source, _noting(name, source, found))
        template.render(variables)
    except jinja2.TemplateSyntaxError as error:
        return list(lint(name, text, variables)) or [_mistake(name, error.lineno, told_syntax(error.message))]
    except UnicodeDecodeError:
        return list(lint(name, text, variables))
    except MemoryError:
        raise
    except Exception as error:  # whatever a template provokes is the template's mistake
        line = line_of(name, error)
        if line not in found:  # else it follows from the name that is missing there
            found[line] = [_mistake(name, line, f"{type(error).__name__}: {error}; correct the template")]
        for mistake in lint(name, text, variables):
            found.setdefault(mistake.mark.line, []).append(mistake)
    return list(dict.fromkeys(mistake for mistakes in found.values() for mistake in mistakes))


def line_of(name: str, error: BaseException) -> int:
    """The template's line in which this was raised."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return (lines[-1] if lines else 1) or 1


def _mistake(name: str, line: int, text: str) -> Mistake:
    return Mistake(mark=Mark(name, line, 1), text=text)


def _compile(
    environment: SandboxedEnvironment, name: str, source: str, undefined: type[jinja2.Undefined]
) -> jinja2.Template:
    lenient = environment.overlay(undefined=undefined)
    code = lenient.compile(source, name=name, filename=name)
    template = jinja2.Template.from_code(lenient, code, dict(environment.globals))
    undefined.template = template  # type: ignore[attr-defined]
    return template


def _noting(name: str, source: str, found: dict[int, list[Mistake]]) -> type[jinja2.Undefined]:
    """The class of what is missing in one template."""
    lines = source.split("\n")

    class Noted(_Missing):
        template: ClassVar[jinja2.Template]

        def _note(self) -> None:
            if self._undefined_exception is not jinja2.UndefinedError:
                raise self._undefined_exception(self._undefined_message)  # out of the sandbox: no name is missing
            frames = (at for frame, at in traceback.walk_stack(None) if frame.f_code.co_filename == name)
            line = self.template.get_corresponding_lineno(next(frames, 1))
            column = column_of(lines[line - 1], str(self._undefined_name)) if line <= len(lines) else 1
            mistake = Mistake(mark=Mark(name, line, column), text=told_undefined(self._undefined_message))
            if mistake not in found.setdefault(line, []):
                found[line].append(mistake)

    return Noted


def _use(answer: Callable[[Any], Any]) -> Callable[..., Any]:
    """A use of something that is missing: it is noted, and gives this."""

    def use(self: _Missing, *_: object, **__: object) -> Any:  # noqa: ANN401
        self._note()
        return answer(self)

    return use


class _Missing(jinja2.Undefined):
    """Something missing that notes each use of it, and lets the rendering go on."""

    def _note(self) -> None:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name.startswith("__"):
            raise AttributeError(name)
        self._note()
        return self

    __str__ = _use(lambda _: "")
    __iter__: Callable[..., Iterator[Any]] = _use(lambda _: iter(()))
    __len__ = __int__ = __index__ = __hash__ = _use(lambda _: 0)
    __float__ = _use(lambda _: 0.0)
    __complex__ = _use(lambda _: 0j)
    __bool__ = __eq__ = __contains__ = __lt__ = __le__ = __gt__ = __ge__ = _use(lambda _: False)
    __ne__ = _use(lambda _: True)
    __call__ = __getitem__ = __pos__ = __neg__ = _use(lambda self: self)
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _use(lambda self: self)
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _use(lambda self: self)
    __pow__ = __rpow__ = _use(lambda self: self)
