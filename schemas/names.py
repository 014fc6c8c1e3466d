"""Names in angle brackets: `<home>`, `<fqdn>`, `<host>`, all of `vars`; in every text but `content` and Lua."""

from __future__ import annotations

import re
from collections.abc import Mapping

from schemas.errors import Mark
from schemas.findings import Findings, nearest
from schemas.graph import linearize
from schemas.nodes import Entry, Key, List, Map, Node, Scalar
from schemas.notation import shortened
from schemas.shape import Shape, is_marked

_NAME = re.compile(r"<?<([A-Za-z0-9_]+)>")
OURS = frozenset({"fqdn", "home", "user", "host", "name", "version", "file"})
LONGEST = 64 * 1024
"""Characters of a text in which names were replaced: names that name names would else grow without end."""

Names = Mapping[str, str | None]
"""Name → what it stands for. None is known to be a name, but not here: it stays as it is."""


def replace(node: Node, shape: Shape, names: Names, findings: Findings) -> Node:
    """The node with its names replaced. Things that bring names of their own (`<host>`) wait for their turn."""
    if shape.literal and not (isinstance(node, Map) and is_marked(node.entries)):  # a secret's path is no content
        return node
    if shape.names and shape.things is None:
        names = {**names, **dict.fromkeys(shape.names)}
    match node:
        case Scalar(mark=mark, value=str(text)):
            filled = fill(text, mark, names, findings)
            return node if filled is text else Scalar(mark, filled, filled)
        case List(mark=mark, items=items):
            return List(mark, tuple(replace(item, shape, names, findings) for item in items))
        case Map(mark=mark, entries=entries):
            return Map(mark, _entries(entries, shape, names, findings))
    return node


def _entries(entries: Mapping[Key, Entry], shape: Shape, names: Names, findings: Findings) -> dict[Key, Entry]:
    replaced: dict[Key, Entry] = {}
    free = shape.model is None and shape.things is None
    lua = free and is_marked(entries)
    for key, entry in entries.items():
        new = fill(key, entry.mark, names, findings) if isinstance(key, str) else key
        if new in replaced:
            known = shortened(str(new))
            findings.add(
                entry.mark, f"{known} stands here twice, first in line {replaced[new].mark.line}; take one out"
            )
            continue
        value = entry.value
        is_plain = type(value) is Scalar and "<" not in value.written  # as is most of a document
        if is_plain or (shape.names and shape.things is not None) or (lua and key == "lua"):
            replaced[new] = entry
        else:
            replaced[new] = Entry(entry.mark, replace(value, shape.below(key), names, findings))
    return replaced


def fill(text: str, mark: Mark, names: Names, findings: Findings) -> str:
    """One text with its names replaced; the same object when it has none."""
    if "<" not in text:
        return text

    if len(text) > LONGEST and _NAME.search(text):
        findings.add(mark, f"the text has {len(text)} characters, but with names in it may have {LONGEST}; shorten it")
        return text
    said = {match[1] for match in _NAME.finditer(text) if not match[0].startswith("<<")}
    for name in sorted(name for name in said if name not in names):
        close = nearest(name, names)
        hint = f"did you mean <{close}>? Else " if close else ""
        name = shortened(name)
        findings.miss(mark, f"<{name}> is no name known here; {hint}add it to vars, or write <<{name}> for the text")

    def one(match: re.Match[str]) -> str:
        name = match[1]
        if match[0].startswith("<<"):
            return f"<{name}>"
        value = names.get(name)
        return match[0] if value is None else value

    filled = _NAME.sub(one, text)
    if len(filled) > LONGEST:
        findings.add(
            mark,
            f"the text grows to {len(filled)} characters by its names, but may have {LONGEST}; shorten it",
        )
        return text
    return filled


def gather(written: Node | None, given: Names, findings: Findings) -> dict[str, str | None]:
    """All names of a host: what is `given` (fqdn, home, user) and its `vars`, which may name each other."""
    names: dict[str, str | None] = dict(given)
    if not isinstance(written, Map):
        return names
    texts: dict[str, Scalar] = {}
    for key, entry in written.entries.items():
        if not isinstance(key, str):
            continue  # the model says so
        if not re.fullmatch("[A-Za-z0-9_]+", key):
            found = shortened(key)
            text = f"expected a name of letters, digits and _, found {found or 'an empty text'}"
            findings.add(entry.mark, f"{text}; write {_as_name(found)}")
        elif key in OURS:
            findings.add(entry.mark, f"the name {key} is given already; choose another")
        elif isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
            texts[key] = entry.value
        else:
            names[key] = None  # its value is refused by the model; the name is no mistake where it is used

    def named_by(key: str) -> tuple[str, ...]:
        found = (m[1] for m in _NAME.finditer(str(texts[key].value)) if not m[0].startswith("<<"))
        return tuple(name for name in found if name in texts)

    def on_cycle(key: str, _: str) -> None:
        findings.add(texts[key].mark, f"<{key}> names itself by way of others; write the text")

    for key in texts:
        names.setdefault(key, None)
    for key in linearize(texts, named_by, on_cycle):
        names[key] = fill(str(texts[key].value), texts[key].mark, names, findings)
    return names


def _as_name(key: str) -> str:
    return re.sub("[^A-Za-z0-9_]+", "_", key) or "name"
