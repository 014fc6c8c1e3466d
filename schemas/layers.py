"""One layer by itself: what kind of value it is, and whether anything can be said over it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

from schemas.nodes import Key, List, Map, Node, Scalar
from schemas.shape import MAP, Shape, is_marked

N = TypeVar("N", Map, Node)

_EDITS = frozenset({"add", "remove"})


def stays(node: Node, shape: Shape) -> bool:
    """Whether a layer over nothing is the outcome: it forgets, edits, extends and names nothing, and is of one kind."""
    if not isinstance(node, Map):
        return not is_null(node)
    entries, free = node.entries, is_free(shape)
    if free and is_marked(entries):
        return True
    if shape.scope or ("extends" in entries and "extends" in shape.keys) or (free and entries.keys() <= _EDITS):
        return False
    if shape.things is not None and shape is not MAP and (shape.names or any(map(is_body, entries))):
        return False
    if shape.kinds and len(entries.keys() & shape.kinds) > 1:
        return False
    return all(
        entry.value.value is not None if type(entry.value) is Scalar else stays(entry.value, shape.below(key))
        for key, entry in entries.items()
    )


def is_free(shape: Shape) -> bool:
    """Whether a place holds plain data, which may be of any form."""
    return not shape.of and shape.things is None


def is_key_by_key(node: Node, shape: Shape) -> bool:
    """Whether this is a map whose keys are looked at one by one, and no value in the form of a map."""
    if not isinstance(node, Map):
        return False
    return not is_free(shape) or not is_marked(node.entries)


def is_edit(layer: Map, run: Sequence[Node], shape: Shape) -> bool:
    """`{add, remove}`. A table of Prosody's that happens to have such keys holds no lists under them."""
    if not is_free(shape) or not layer.entries:
        return False
    if not layer.entries.keys() <= _EDITS:
        return False
    return bool(run and isinstance(run[-1], List)) or all(isinstance(e.value, List) for e in layer.entries.values())


def is_modules(node: Node) -> bool:
    """Whether one of the two module lists can be written so."""
    if isinstance(node, Map):
        return bool(node.entries) and node.entries.keys() <= _EDITS
    return isinstance(node, List) or is_null(node)


def is_null(node: Node) -> bool:
    """Whether it forgets what lies below it."""
    return isinstance(node, Scalar) and node.value is None


def is_body(key: Key) -> bool:
    """Whether this is the name of a body."""
    return isinstance(key, str) and key.startswith(".")


def without(node: N, keys: Collection[Key]) -> N:
    """The layer less some keys; the same object when it has none of them."""
    if not isinstance(node, Map) or node.entries.keys().isdisjoint(keys):
        return node
    return Map(node.mark, {key: entry for key, entry in node.entries.items() if key not in keys})
