"""What can be made out of a host's document although it has mistakes: its Lua, and what its templates are given.

So that mistakes there are told together with those of the notation, and not one push later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from schemas.documents import Library
from schemas.errors import Mark
from schemas.fragments import Fragment, find_fragments
from schemas.nodes import Key, List, Map, Node, Scalar
from schemas.shape import HOST


class Glimpse(Struct, frozen=True, kw_only=True):
    """`templates`: the path of each template that is named → the names that the document gives to it.

    `unread` is the text of files that could not be read to their end: what stands there may name templates and give
    them more. None: so may a file that is missing.
    """

    fragments: tuple[Fragment, ...]
    templates: Mapping[str, frozenset[str]]
    unread: str | None
    paths: tuple[tuple[str, Mark], ...]
    """Each path of `files` as it is written, and where."""


def glimpse(library: Library, name: str) -> Glimpse:
    """All files of one host, each by itself: combining them is what their mistakes may forbid."""
    fragments: list[Fragment] = []
    everywhere: set[str] = set()
    own: dict[str, set[str]] = {}
    paths: list[tuple[str, Mark]] = []
    unread: list[str] = []
    missing = False

    def text_of(file: str) -> str:
        return library.tree[file].data.decode("utf-8-sig", "replace")

    waiting, seen = [f"hosts/{name}.yaml"], set[str]()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        if file not in library.tree:
            missing = True
            continue
        document, findings = library.read(file)
        if not findings.is_whole:
            unread.append(text_of(file))
        if document is None:
            continue
        root = document.full
        waiting += _texts(_below(root, "extends"))
        everywhere |= _names(_below(root, "vars"))
        if (prosody := _below(root, "prosody")) is not None:
            fragments += find_fragments(prosody, HOST.below("prosody"), text_of)
        if isinstance(files := _below(root, "files"), Map):
            paths += [(key, entry.mark) for key, entry in files.entries.items() if isinstance(key, str)]
        for template, names in _templates(root):
            own.setdefault(template, set()).update(names)
    templates = {path: frozenset(names | everywhere) for path, names in own.items() if path in library.tree}
    return Glimpse(
        fragments=tuple(dict.fromkeys(fragments)),
        templates=templates,
        unread=None if missing else "\n".join(unread),
        paths=tuple(paths),
    )


def _templates(root: Map) -> Iterator[tuple[str, set[str]]]:
    """Each template that this file names, and the names that it is given there."""
    for path in _texts(_below(_below(root, "prosody"), "template")):
        yield path, set()
    files = _below(root, "files")
    for entry in files.entries.values() if isinstance(files, Map) else ():
        for path in _texts(_below(entry.value, "template")):
            yield path, _names(_below(entry.value, "vars"))


def _below(node: Node | None, key: Key) -> Node | None:
    return node.entries[key].value if isinstance(node, Map) and key in node.entries else None


def _names(node: Node | None) -> set[str]:
    return {str(key) for key in node.entries} if isinstance(node, Map) else set()


def _texts(node: Node | None) -> Iterator[str]:
    for item in node.items if isinstance(node, List) else (node,):
        if isinstance(item, Scalar) and isinstance(item.value, str):
            yield item.value
