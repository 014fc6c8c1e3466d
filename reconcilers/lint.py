"""What is wrong with a template, as far as its text alone tells: all of it, where rendering stops at the first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import jinja2
from jinja2 import meta, nodes
from msgspec import Struct, field

from schemas.errors import Mark, Mistake

GIVEN = ("fqdn", "vars", "prosody", "virtual_hosts", "ports", "certificates")
"""What every template sees, beside the host's vars and the file's own."""


class _Any(dict[str, Any]):
    """Filters or tests, of which each name is one: those that are none are told by us, all of them."""

    def get(self, key: str, default: object = None) -> Any:  # noqa: ANN401
        return super().get(key, lambda *_, **__: "")


_ENVIRONMENT = jinja2.Environment(autoescape=False, keep_trailing_newline=True)  # noqa: S701 (renders nothing)
_ENVIRONMENT.filters, _ENVIRONMENT.tests = _Any(_ENVIRONMENT.filters), _Any(_ENVIRONMENT.tests)
_LENIENT = frozenset({"default", "d"})
_TESTS = frozenset({"defined", "undefined"})
_CONDITIONS = ("if", "elif")
_BEGIN, _END = ("variable_begin", "block_begin"), ("variable_end", "block_end")


def lint(name: str, text: bytes, given: Collection[str] | None) -> Iterator[Mistake]:
    """Mistakes of syntax, and names that nobody gives to the template. `given` None: any name may be given.

    A name that the template itself asks about (`is defined`, `default`, its name as a text) may be missing.
    """
    try:
        source = text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        yield Mistake(mark=Mark(name, line, 1), text="it is not UTF-8; save it as UTF-8")
        return
    known = None if given is None else frozenset((*_ENVIRONMENT.globals, *GIVEN, *given))
    reading = _Reading(file=name, source=source, known=known)
    reading.read()
    yield from reading.mistakes


def told_undefined(message: str | None) -> str:
    """The words for a name that nobody gives."""
    return f"{message}; a template sees {', '.join(GIVEN)}, and the file's own vars by their names"


def told_syntax(message: str | None) -> str:
    """The words for a mistake of syntax."""
    return f"{message}; correct the template"


def column_of(source_line: str, name: str) -> int:
    """Where in this line the name is used; 1 where that cannot be told."""
    begin = re.search(r"\{[{%]", source_line)
    found = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)").search(source_line, begin.start() if begin else 0)
    return found.start() + 1 if found else 1


class _Reading(Struct, kw_only=True):
    """One template, read as a whole or, where that is not possible, tag by tag."""

    file: str
    source: str
    known: frozenset[str] | None
    mistakes: list[Mistake] = field(default_factory=list)

    def read(self) -> None:
        try:
            tree = _ENVIRONMENT.parse(self.source)
        except jinja2.TemplateSyntaxError as error:
            self._tell(error.lineno, 1, told_syntax(error.message))
            self._read_tags()
        else:
            unknown = meta.find_undeclared_variables(tree) - _asked_about(tree) - _bound(tree)
            self._tell_unknown(tree, unknown)

    def _read_tags(self) -> None:
        """Each expression by itself: what a tag that cannot be read would have bound is not known."""
        tags = list(self._tags())
        bound = {word for line, head, body in tags if head not in ("", *_CONDITIONS) for word in _words(body)}
        for line, _, body in ((line, head, body) for line, head, body in tags if head in ("", *_CONDITIONS)):
            try:
                tree = _ENVIRONMENT.parse("\n" * (line - 1) + "{{" + body + "}}")
            except jinja2.TemplateSyntaxError as error:
                if all(mistake.mark.line != error.lineno for mistake in self.mistakes):
                    self._tell(error.lineno, 1, told_syntax(error.message))
            else:
                unknown = meta.find_undeclared_variables(tree) - _asked_about(tree) - bound
                self._tell_unknown(tree, unknown)

    def _tags(self) -> Iterator[tuple[int, str, str]]:
        """Line, the word that a block begins with (empty for an expression), and the rest."""
        inside: tuple[int, str] | None = None
        body = ""
        try:
            for line, kind, value in _ENVIRONMENT.lex(self.source):
                if kind in _BEGIN:
                    inside, body = (line, kind), ""
                elif kind in _END and inside is not None:
                    head = "" if inside[1] == "variable_begin" else (_words(body) or [""])[0]
                    rest = body if not head else body.partition(head)[2]
                    if head or inside[1] == "variable_begin":
                        yield inside[0], head, rest
                    inside = None
                elif inside is not None:
                    body += value
        except jinja2.TemplateSyntaxError:
            return  # it is told already, and nothing behind it can be read

    def _tell_unknown(self, tree: nodes.Template, unknown: set[str]) -> None:
        """Filters and tests that there are not, and names that nobody gives: each once a line."""
        for call in tree.find_all((nodes.Filter, nodes.Test)):
            kind = "filter" if isinstance(call, nodes.Filter) else "test"
            if call.name not in (_ENVIRONMENT.filters if kind == "filter" else _ENVIRONMENT.tests):
                self._tell(call.lineno, 1, told_syntax(f"No {kind} named {call.name!r}."))
        missing = unknown - self.known if self.known is not None else set()
        lines = self.source.split("\n")
        times: Counter[tuple[int, str]] = Counter()
        for node in tree.find_all(nodes.Name):
            if node.ctx == "load" and node.name in missing and not times[node.lineno, node.name]:
                times[node.lineno, node.name] += 1
                column = column_of(lines[node.lineno - 1], node.name) if node.lineno <= len(lines) else 1
                self._tell(node.lineno, column, told_undefined(f"'{node.name}' is undefined"))

    def _tell(self, line: int, column: int, text: str) -> None:
        self.mistakes.append(Mistake(mark=Mark(self.file, line, column), text=text))


def _words(body: str) -> list[str]:
    return re.findall(r"[A-Za-z_]\w*", body)


def _asked_about(tree: nodes.Template) -> set[str]:
    """Names that the template reckons may be missing."""
    found = {node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)}
    asking: list[nodes.Expr | None] = [test.node for test in tree.find_all(nodes.Test) if test.name in _TESTS]
    asking += [call.node for call in tree.find_all(nodes.Filter) if call.name in _LENIENT]
    return found | {node.name for node in asking if isinstance(node, nodes.Name)}


def _bound(tree: nodes.Template) -> set[str]:
    """Names that the template binds somewhere: whether that reaches the place is for the rendering to say."""
    return {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
