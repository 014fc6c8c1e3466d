"""Short forms, spelled out before anything is combined: `upload: muc`, a list of names, a name for a list."""

from __future__ import annotations

from itertools import islice
from typing import TypeGuard

from schemas.findings import Findings
from schemas.nodes import Entry, Key, List, Map, Node, Scalar
from schemas.notation import shortened
from schemas.shape import VALUE, Shape, meant_word


def spell_out(node: Node, shape: Shape, findings: Findings) -> Node:
    """The same document, in full. Marks stay where the short form stands; what fits no form stays.

    A key that is a slip of the pen away from a word is told, and taken for that word: so all that is wrong below it
    is found at once.
    """
    if shape.of and isinstance(node, Map):
        node = _with_meant_keys(node, shape, findings)
    match node:
        case Scalar(mark=mark, value=str(text)):
            if shape.one:
                return List(mark, (_item(node, shape, findings),))
            if text in shape.flags:
                says_more = bool(shape.below(text).of)
                return Map(mark, {text: Entry(mark, Map(mark, {}) if says_more else Scalar(mark, True, "true"))})
            if shape.word:
                return Map(mark, {shape.word: Entry(mark, node)})
            return node
        case List(mark=mark, items=items) if shape.things not in (None, VALUE) and all(map(_is_name, items)):
            return Map(mark, _named(items, findings))
        case List(mark=mark, items=items) if shape.items is not None:
            return List(mark, tuple(_item(item, shape, findings) for item in items))
        case Map(mark=mark, entries=entries) if shape.items is not None and entries.keys() <= {"add", "remove"}:
            return Map(mark, {word: Entry(e.mark, spell_out(e.value, shape, findings)) for word, e in entries.items()})
        case Map(mark=mark, entries=entries) if shape.things is not None or not entries.keys().isdisjoint(shape.keys):
            spelled = {key: _entry(entry, shape.below(key), findings) for key, entry in entries.items()}
            return Map(mark, spelled)
        case _:
            return node


def _entry(entry: Entry, shape: Shape, findings: Findings) -> Entry:
    if shape is VALUE:  # most of a document
        return entry
    full = spell_out(entry.value, shape, findings)
    return entry if full is entry.value else Entry(entry.mark, full)


def _item(node: Node, shape: Shape, findings: Findings) -> Node:
    return node if shape.items is None else spell_out(node, shape.items, findings)


def _named(items: tuple[Node, ...], findings: Findings) -> dict[Key, Entry]:
    """A list of names, as a map of things of which nothing further is said."""
    found: dict[Key, Entry] = {}
    for item in items:
        if _is_name(item):
            name = str(item.value)
            if name in found:
                text = f"{shortened(name)} stands here twice, first in line {found[name].mark.line}; take one out"
                findings.add(item.mark, text)
            found.setdefault(name, Entry(item.mark, Map(item.mark, {})))
    return found


def _with_meant_keys(node: Map, shape: Shape, findings: Findings) -> Map:
    if node.entries.keys() <= shape.words:
        return node
    strange = (key for key in node.entries if isinstance(key, str) and key not in shape.words)
    meant: dict[Key, str] = {}
    for key in islice(strange, _MOST_STRANGE):
        word = meant_word(key, shape)
        if word and word not in node.entries and word not in meant.values():
            findings.add(node.entries[key].mark, f"unknown key; write {word}")
            meant[key] = word
    return Map(node.mark, {meant.get(key, key): entry for key, entry in node.entries.items()}) if meant else node


_MOST_STRANGE = 200
"""Keys of one map that are looked at for what they were meant to be; the models tell of them all."""


def _is_name(node: Node) -> TypeGuard[Scalar]:
    return isinstance(node, Scalar) and isinstance(node.value, str)
