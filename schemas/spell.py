"""Short forms, spelled out before anything is combined: `upload: muc`, a list of names, a name for a list."""

from __future__ import annotations

from typing import TypeGuard

from schemas.nodes import Entry, List, Map, Node, Scalar
from schemas.shape import VALUE, Shape


def spell_out(node: Node, shape: Shape) -> Node:
    """The same document, in full. Marks stay where the short form stands; what fits no form stays."""
    match node:
        case Scalar(mark=mark, value=str(text)):
            if shape.one:
                return List(mark, (_item(node, shape),))
            if text in shape.flags:
                says_more = bool(shape.below(text).of)
                return Map(mark, {text: Entry(mark, Map(mark, {}) if says_more else Scalar(mark, True, "true"))})
            if shape.word:
                return Map(mark, {shape.word: Entry(mark, node)})
            return node
        case List(mark=mark, items=items) if shape.things not in (None, VALUE) and all(map(_is_name, items)):
            return Map(
                mark,
                {str(item.value): Entry(item.mark, Map(item.mark, {})) for item in items if _is_name(item)},
            )
        case List(mark=mark, items=items) if shape.items is not None:
            return List(mark, tuple(_item(item, shape) for item in items))
        case Map(mark=mark, entries=entries) if shape.items is not None and entries.keys() <= {"add", "remove"}:
            return Map(mark, {word: Entry(e.mark, spell_out(e.value, shape)) for word, e in entries.items()})
        case Map(mark=mark, entries=entries) if shape.things is not None or not entries.keys().isdisjoint(shape.keys):
            spelled = {key: _entry(entry, shape.below(key)) for key, entry in entries.items()}
            return Map(mark, spelled)
        case _:
            return node


def _entry(entry: Entry, shape: Shape) -> Entry:
    if shape is VALUE:  # most of a document
        return entry
    full = spell_out(entry.value, shape)
    return entry if full is entry.value else Entry(entry.mark, full)


def _item(node: Node, shape: Shape) -> Node:
    return node if shape.items is None else spell_out(node, shape.items)


def _is_name(node: Node) -> TypeGuard[Scalar]:
    return isinstance(node, Scalar) and isinstance(node.value, str)
