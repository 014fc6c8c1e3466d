"""Every place of a document to which a way leads."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.errors import Mark
from schemas.nodes import List, Map, Node, Scalar


def places(root: Map, *way: str) -> Iterator[tuple[Mark, Node]]:
    """Where each stands, and what. `*` is any key or item; the last step may be a text that stands there."""
    found: list[tuple[Mark, Node]] = [(root.mark, root)]
    for step in way:
        found = [place for _, node in found for place in _below(node, step)]
    yield from found


def _below(node: Node, step: str) -> Iterator[tuple[Mark, Node]]:
    match node:
        case Map(entries=entries) if step == "*":
            yield from ((entry.mark, entry.value) for entry in entries.values())
        case Map(entries=entries) if step in entries:
            yield entries[step].mark, entries[step].value
        case List(items=items) if step == "*":
            yield from ((item.mark, item) for item in items)
        case Scalar(value=value, mark=mark) if value == step:
            yield mark, node
