"""The kind is a key: one of them, never two, and no key that says nothing of this kind."""

from __future__ import annotations

from schemas.errors import Mark
from schemas.findings import Findings
from schemas.nodes import List, Map, Node, Scalar
from schemas.shape import VALUE, Shape


def check_kinds(root: Map, shape: Shape, findings: Findings) -> None:
    """Everywhere in a combined document, where no place has two kinds any more."""
    waiting: list[tuple[Mark, Node, Shape]] = [(root.mark, root, shape)]
    while waiting:
        mark, node, here = waiting.pop()
        if isinstance(node, List) and here.items is not None:
            waiting += [(item.mark, item, here.items) for item in node.items]
        elif isinstance(node, Map):
            if here.kinds:
                _check_kind(mark, node, here, findings)
            if here.needs:
                _check_needs(mark, node, here, findings)
            if here.things is not None:
                if here.things is not VALUE:
                    waiting += [(entry.mark, entry.value, here.things) for entry in node.entries.values()]
            elif not node.entries.keys().isdisjoint(here.keys):
                below = ((entry, here.below(key)) for key, entry in node.entries.items())
                waiting += [(entry.mark, entry.value, inner) for entry, inner in below if inner is not VALUE]


def kind_of(node: Map, shape: Shape) -> str:
    """The kind of a thing; empty when it says none."""
    for key in node.entries:
        if key in shape.kinds:
            return str(key)
    return ""


def _check_kind(mark: Mark, node: Map, shape: Shape, findings: Findings) -> None:
    kind = kind_of(node, shape)
    if not kind and not shape.may_have_none:
        words = ", ".join(shape.kinds)
        findings.miss(mark, f"expected one of {words}, found none of them; write what is to be there")
        return
    own = shape.kinds.get(kind, ())
    for key, entry in node.entries.items():
        if key == kind or key in own:
            continue
        owners = [other for other, keys in shape.kinds.items() if key == other or key in keys]
        if not owners:
            continue
        if kind and key in shape.kinds:
            findings.add(entry.mark, f"stands beside {kind}, but a thing has one kind; take one of them out")
        elif kind and len(owners) == 1:
            findings.add(entry.mark, f"belongs to {owners[0]}, but the kind here is {kind}; take it out")
        elif kind:
            findings.add(entry.mark, f"says nothing of the kind {kind}; take it out")
        else:
            findings.add(entry.mark, f"belongs to {owners[0]}, which is not here; add that, or take this out")


def _check_needs(mark: Mark, node: Map, shape: Shape, findings: Findings) -> None:
    for key, others in shape.needs.items():
        if key not in node.entries:
            continue
        value = node.entries[key].value
        if isinstance(value, Scalar) and value.value is False:
            continue
        for other in others:
            if other not in node.entries:
                findings.miss(mark, f"has {key} without {other}; write both")
