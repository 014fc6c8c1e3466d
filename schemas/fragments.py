"""Lua that git wrote, and where each line of it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from schemas.errors import Mark
from schemas.nodes import List, Map, Node, Scalar, Way
from schemas.shape import Shape, is_marked

TextOf = Callable[[str], str]
"""A file of the repository → what is written in it."""


class Fragment(Struct, frozen=True, kw_only=True):
    """Lua that git wrote. It must compile by itself, or it would swallow what is written after it."""

    text: str
    is_expression: bool
    origin: Mark | None = None
    first: Mark | None = None
    """Where its first line stands, when each of its lines is a line of that file."""

    def place(self, line: int) -> Mark | None:
        """Where its line `line` (from 1) stands, as nearly as can be told."""
        if self.first is None or line < 1:
            return self.origin
        last = max(len(self.text.splitlines()), 1)  # a complaint about the end may name the line behind it
        return replace(self.first, line=self.first.line + min(line, last) - 1)


def find_fragments(node: Node, shape: Shape, text_of: TextOf) -> Iterator[Fragment]:
    """All Lua at and below a place of a document, whatever else is wrong with it."""
    if isinstance(node, List):
        for item in node.items:
            yield from find_fragments(item, shape, text_of)
    if not isinstance(node, Map):
        return
    free = shape.model is None and shape.things is None
    for key, entry in node.entries.items():
        value = entry.value
        if key != "lua" or not (shape.scope or (free and is_marked(node.entries))):
            yield from find_fragments(value, shape.below(key), text_of)
        elif isinstance(value, Scalar) and isinstance(value.value, str):
            first = first_line(text_of(value.mark.file), value.mark)
            yield Fragment(text=value.value, is_expression=free, origin=value.mark, first=first)


def first_lines(marks: Mapping[Way, Mark], text_of: TextOf) -> dict[Way, Mark]:
    """For each Lua text in a literal block: the way to it and 0 → where its first line stands."""
    said = [(way, mark) for way, mark in marks.items() if way[-1] == "lua"]
    found = (((*way, 0), first_line(text_of(mark.file), mark)) for way, mark in said)
    return {way: mark for way, mark in found if mark is not None}


def first_line(text: str, mark: Mark) -> Mark | None:
    """The place of the first line of a literal block (`|`); None for a text that is written in another way."""
    lines = _lines(text)
    if not 0 < mark.line < len(lines) or not lines[mark.line - 1].startswith("|", mark.column - 1):
        return None
    written = next((line for line in lines[mark.line :] if line.strip()), "")
    return Mark(mark.file, mark.line + 1, len(written) - len(written.lstrip(" ")) + 1)


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    """Of a file with many Lua texts only once."""
    return text.splitlines()
