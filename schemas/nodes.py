"""What a document is made of: values that carry their marks, so that every later word about them has its place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import groupby
from typing import TypeAlias

from msgspec import Struct

from schemas.errors import Mark
from schemas.notation import Plain, quoted, shortened

Key: TypeAlias = "str | int"
Way: TypeAlias = tuple[Key, ...]


# A document holds them by the hundred thousand. The collector need not know of them, for no way leads from a node
# back to it; that makes them smaller than named tuples, and quicker to make, to pickle and to drop.


class Scalar(Struct, frozen=True, gc=False):
    """A text, a number, a boolean or null. `written` is what stands in the file, without quotes."""

    mark: Mark
    value: Plain
    written: str


class List(Struct, frozen=True, gc=False):
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


class Entry(Struct, frozen=True, gc=False):
    """One key of a map: where the key stands, and its value."""

    mark: Mark
    value: Node


class Map(Struct, frozen=True, gc=False):
    """A map, in the order in which it was written."""

    mark: Mark
    entries: dict[Key, Entry]


Node: TypeAlias = "Scalar | List | Map"


def describe(node: Node) -> str:
    """A value in the words of a message."""
    match node:
        case Map(entries=entries):
            return "an empty map" if not entries else "a map"
        case List():
            return "a list"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool(value)):
            return "true" if value else "false"
        case Scalar(value=str(value)):
            return quoted(shortened(value)) if value else "an empty text"
        case Scalar(written=written):
            return f"the number {shortened(written)}"


def plain_data(node: Node) -> object:
    """The value without its marks: for comparing."""
    match node:
        case Scalar(value=value):
            return (type(value).__name__, value)
        case List(items=items):
            return ("list", tuple(plain_data(item) for item in items))
        case Map(entries=entries):
            return (
                "map",
                frozenset((type(key).__name__, key, plain_data(e.value)) for key, e in entries.items()),
            )


class Ways:
    """Which keys lead to these marks, in one document. A list adds nothing: an item's place tells enough.

    In block style a map and its first key have one mark; `of_map` tells which of them is meant.
    """

    def __init__(self, root: Map, wanted: Collection[Mark]) -> None:
        self._maps: dict[Mark, Way] = {}
        self._rest: dict[Mark, Way] = {}
        self._look((), root, sorted(mark for mark in wanted if mark.file == root.mark.file))

    def _look(self, way: Way, node: Node, wanted: Sequence[Mark]) -> None:
        """Where nothing wanted stands nothing is looked at: a document may have a hundred thousand values.

        `wanted` do not stand before this node, nor behind the next one, and are sorted, as are all nodes by nature.
        """
        if node.mark in wanted:
            (self._maps if isinstance(node, Map) else self._rest).setdefault(node.mark, way)
        if isinstance(node, Scalar):
            return
        entries = [*node.entries.items()] if isinstance(node, Map) else [(None, item) for item in node.items]
        marks = [below.mark for _, below in entries]
        for place, here in groupby(wanted, lambda mark: bisect_right(marks, mark) - 1):
            if place < 0:
                continue
            key, below = entries[place]
            inside = list(here)
            if isinstance(below, Entry):
                if below.mark in inside:
                    self._rest[below.mark] = (*way, key)
                self._look((*way, key), below.value, inside)
            else:
                self._look(way, below, inside)

    def to(self, mark: Mark, *, of_map: bool) -> Way:
        """Empty where nothing of the document stands."""
        first, second = (self._maps, self._rest) if of_map else (self._rest, self._maps)
        return first[mark] if mark in first else second.get(mark, ())
