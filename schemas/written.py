"""A combined document as a file again: YAML in the page's order, and beside each line the place that said it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from schemas.errors import Mark
from schemas.nodes import Entry, Key, List, Map, Node, Scalar
from schemas.notation import Disputed, read_plain
from schemas.shape import HOST, Shape, is_marked

WIDEST = 100
"""Characters of a line that holds a map or a list; a single text may be longer."""

_PLAIN = re.compile(r"[\w/.$<](?:[\w /.$<>@+*~;=()-]|:(?=[\w/]))*")
"""What every reader takes for the text that it is, inside of brackets too."""
_SHORT = {'"': '"', "\\": "\\", "\n": "n", "\t": "t", "\r": "r"}
_NAME = re.compile(r"<([A-Za-z0-9_]+)>")
_LITERAL = Shape(literal=True)
_FIRST = ("module", "version", "package", "plugins", "modules_enabled", "modules_disabled")
_LAST = ("include", "lua", "template", "drift", "virtual_hosts", "components")
"""Words of a scope that stand before the options, and after them."""


class Line(Struct, frozen=True):
    """One line, and who said it. A line inside of a text has no origin: its first line has it."""

    text: str
    origin: Mark | None = None


def write(root: Map, open_names: frozenset[str]) -> tuple[Line, ...]:
    """The file that says the same by itself.

    `open_names` are those in angle brackets that this machine does not know, and that stayed as they are; whatever
    else looks like a name was written with two brackets.
    """
    return tuple(_map(root, HOST, _Place(names=open_names)))


def show(lines: Sequence[Line]) -> str:
    """The lines with their origins as comments, aligned."""
    widths = [len(line.text) for line in lines if line.origin is not None]
    column = max((width for width in widths if width <= WIDEST), default=0)
    return "".join(
        f"{line.text}\n" if line.origin is None else f"{line.text.ljust(column)}  # {_place(line.origin)}\n"
        for line in lines
    )


def plain(node: Node) -> object:
    """The value without its marks."""
    match node:
        case Scalar(value=value):
            return value
        case List(items=items):
            return [plain(item) for item in items]
        case Map(entries=entries):
            return {key: plain(entry.value) for key, entry in entries.items()}


def origins(node: Node, way: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], Mark]]:
    """Each key and item below, and where it was said."""
    if isinstance(node, Map):
        for key, entry in node.entries.items():
            yield (*way, key), entry.value.mark if isinstance(entry.value, Scalar) else entry.mark
            yield from origins(entry.value, (*way, key))
    elif isinstance(node, List):
        for index, item in enumerate(node.items):
            yield (*way, index), item.mark
            yield from origins(item, (*way, index))


def _place(mark: Mark) -> str:
    return f"{mark.file}:{mark.line}"


class _Place(Struct, frozen=True, kw_only=True):
    """Where a line begins, and which names are open there."""

    depth: int = 0
    names: frozenset[str]

    def inner(self, names: frozenset[str]) -> _Place:
        """One step in."""
        return _Place(depth=self.depth + 1, names=names)

    @property
    def indent(self) -> str:
        return "  " * self.depth


def _map(node: Map, shape: Shape, at: _Place) -> Iterator[Line]:
    for key, entry in _ordered(node, shape):
        below = _below(node, key, shape)
        names = _open(at.names, shape, below, entry.value)
        yield from _entry(f"{at.indent}{_key(key, at.names)}:", entry, below, at.inner(names))


def _entry(start: str, entry: Entry, shape: Shape, at: _Place) -> Iterator[Line]:
    """A key with its value: on one line where one line said it, else below."""
    value = entry.value
    if isinstance(value, Scalar):
        yield from _scalar(start, value, shape, at)
        return
    flow = f"{start} {_flow(value, shape, at.names)}"
    if not _children(value) or (_is_one_line(value, entry.mark) and len(flow) <= WIDEST):
        yield Line(flow, entry.mark)
    elif isinstance(value, Map):
        yield Line(start, entry.mark)
        yield from _map(value, shape, at)
    elif all(isinstance(item, Scalar) for item in value.items):
        yield from _words(start, entry.mark, value, shape, at)
    else:
        yield Line(start, entry.mark)
        for item in value.items:
            yield from _item(item, shape.items or shape, at)


def _words(start: str, mark: Mark, node: List, shape: Shape, at: _Place) -> Iterator[Line]:
    """A list of plain values: those beside each other that one line said."""
    yield Line(f"{start} [", mark)
    line, origin = "", mark
    for item in node.items:
        word = f"{_flow(item, shape, at.names)},"
        if line and (_place(item.mark) != _place(origin) or len(line) + len(word) >= WIDEST):
            yield Line(line, origin)
            line = ""
        line, origin = f"{line} {word}" if line else f"{at.indent}{word}", item.mark
    yield Line(line.removesuffix(",") + "]", origin)


def _item(node: Node, shape: Shape, at: _Place) -> Iterator[Line]:
    """One item of a list, which begins with a dash."""
    flow = f"{at.indent}- {_flow(node, shape, at.names)}"
    if isinstance(node, Scalar) or not _children(node) or (_is_one_line(node, node.mark) and len(flow) <= WIDEST):
        yield Line(flow, node.mark)
        return
    inner = at.inner(at.names)
    lines: Iterator[Line]
    if isinstance(node, Map):
        lines = _map(node, shape, inner)
    else:
        lines = (line for item in node.items for line in _item(item, shape.items or shape, inner))
    first = next(lines)
    yield Line(f"{at.indent}- {first.text[len(inner.indent) :]}", first.origin)
    yield from lines


def _scalar(start: str, node: Scalar, shape: Shape, at: _Place) -> Iterator[Line]:
    text = node.value
    if not isinstance(text, str) or not _is_block(text):
        yield Line(f"{start} {_flow(node, shape, at.names)}", node.mark)
        return
    kept = text if shape.literal else _escape(text, at.names)
    yield Line(f"{start} |" if text.endswith("\n") else f"{start} |-", node.mark)
    for line in kept.removesuffix("\n").split("\n"):
        yield Line(f"{at.indent}{line}" if line else "")


def _flow(node: Node, shape: Shape, names: frozenset[str]) -> str:
    """The value on one line."""
    match node:
        case Scalar(value=str(text)):
            return _text(text, None if shape.literal else names)
        case Scalar(value=value, written=written):
            return "null" if value is None else written
        case List(items=items):
            return f"[{', '.join(_flow(item, shape.items or shape, names) for item in items)}]"
        case Map(entries=entries):
            parts = []
            for key, entry in entries.items():
                below = _below(node, key, shape)
                inside = _flow(entry.value, below, _open(names, shape, below, entry.value))
                parts.append(f"{_key(key, names)}: {inside}")
            return f"{{{', '.join(parts)}}}"


def _below(node: Map, key: Key, shape: Shape) -> Shape:
    """The shape of what stands under a key. In plain data `lua` is Lua, and literal."""
    free = shape.model is None and shape.things is None
    return _LITERAL if free and key == "lua" and is_marked(node.entries) else shape.below(key)


def _open(names: frozenset[str], around: Shape, shape: Shape, node: Node) -> frozenset[str]:
    """The names that stay as they are below a place: those that a map has for itself, and a version nobody said."""
    if shape.names and shape.things is None:
        return names.union(shape.names)
    if "version" in around.names and around.things is not None and isinstance(node, Map):
        return names if "version" in node.entries else names | {"version"}
    return names


def _key(key: Key, names: frozenset[str]) -> str:
    return _text(key, names) if isinstance(key, str) else str(key)


def _text(text: str, names: frozenset[str] | None) -> str:
    """A text as it is written, its names in two brackets; no `names`: it is literal."""
    if names is not None:
        text = _escape(text, names)
    return text if _is_plain(text) else f'"{"".join(map(_escaped, text))}"'


def _escape(text: str, names: frozenset[str]) -> str:
    return _NAME.sub(lambda found: found[0] if found[1] in names else f"<{found[0]}", text)


def _is_plain(text: str) -> bool:
    if not _PLAIN.fullmatch(text) or text.endswith((" ", ":")):
        return False
    try:
        return isinstance(read_plain(text), str)
    except Disputed:
        return False


def _escaped(sign: str) -> str:
    """One sign as YAML 1.2 (5.7) writes it in double quotes."""
    if sign in _SHORT:
        return f"\\{_SHORT[sign]}"
    if sign.isprintable():
        return sign
    number = ord(sign)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _is_block(text: str) -> bool:
    """Whether it may stand as it is, line by line, after a bar."""
    lines = text.removesuffix("\n").split("\n")
    if "\n" not in text or not lines[0] or not lines[-1]:
        return False
    return not lines[0][0].isspace() and all(line.isprintable() for line in lines)


def _children(node: Node) -> Sequence[Node]:
    match node:
        case List(items=items):
            return items
        case Map(entries=entries):
            return [entry.value for entry in entries.values()]
    return ()


def _is_one_line(node: Node, mark: Mark) -> bool:
    """Whether all of it stands on the line of the mark."""
    if _place(node.mark) != _place(mark):
        return False
    if isinstance(node, Map) and any(_place(entry.mark) != _place(mark) for entry in node.entries.values()):
        return False
    return all(_is_one_line(child, mark) for child in _children(node))


def _ordered(node: Map, shape: Shape) -> list[tuple[Key, Entry]]:
    """The page's order: that of the models; of a scope our words first, then the options, then what lies below."""
    entries = list(node.entries.items())
    if shape.scope:
        places = {word: place - len(_FIRST) for place, word in enumerate(_FIRST)}
        places |= {word: place + 1 for place, word in enumerate(_LAST)}
    elif shape.model is not None:
        places = {info.alias or name: place for place, (name, info) in enumerate(shape.model.model_fields.items())}
    else:
        return entries
    return sorted(entries, key=lambda item: places.get(str(item[0]), 0))
