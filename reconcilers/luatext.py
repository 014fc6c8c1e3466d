"""Values as Lua text: the one place that quotes Lua.

No text can leave its quotes, no number changes on the way, and what cannot be said exactly is refused.
Source of the rules: Lua 5.4 reference manual, §3.1 (lexical conventions) and §3.3.3 (goto, for its keyword).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from schemas.desired import Lua
from schemas.secret import Secret

RESERVED = frozenset(
    {
        *("and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in"),
        *("local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while"),
    }
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LEAST, _GREATEST = -(2**63), 2**63 - 1
_WIDTH = 100
"""A table that fits into this many columns stays on one line."""
_DEEPEST = 100
"""Levels of tables; Lua's own parser gives up at about 200."""


def render_value(value: object, *, indent: str = "") -> str:
    """A Lua expression with this value; `indent` is that of the line it begins on.

    Takes bool, int, float, str, Secret, Lua, and lists and maps (keys: text or integers) of them. Raises
    ValueError for what Lua could not give back exactly, without telling the value.
    """
    return _render(value, indent, 0)


def render_name(name: str) -> str:
    """The left side of an assignment to this option, whatever its name.

    `_ENV` is the environment that Prosody's loader gives to a configuration (0.12 and 13.0, Lua 5.2 and
    newer): an assignment to its field is an assignment to the option.
    """
    if is_name(name):
        return name
    return f"_ENV[{quote(name)}]"


def is_name(text: str) -> bool:
    """Whether this can be written as a Lua identifier; `_ENV` cannot be assigned without harm."""
    return bool(_NAME.fullmatch(text)) and text not in RESERVED and text != "_ENV"


def quote(text: str | bytes) -> str:
    """A Lua string on one line. Letters of every script stay readable; what cannot be seen is escaped."""
    if isinstance(text, bytes):
        return '"' + "".join(map(_BYTES.__getitem__, text)) + '"'
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'  # nearly all of them
    try:
        return '"' + "".join(map(_character, text)) + '"'
    except UnicodeEncodeError:
        raise ValueError("a text holds half a surrogate pair, which is no character; write it as UTF-8") from None


def _render(value: object, indent: str, depth: int) -> str:
    if depth > _DEEPEST:
        raise ValueError(f"a value is nested over {_DEEPEST} levels deep; Lua does not read that")
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return _integer(value)
        case float():
            return _float(value)
        case str():
            return quote(value)
        case Secret():
            return quote(value.reveal())
        case Lua():
            return _expression(value.lua, indent)
        case Mapping():
            return _table([_entry(key, item, indent, depth) for key, item in value.items()], indent)
        case tuple() | list():
            return _table([_render(item, indent + "\t", depth + 1) for item in value], indent)
        case _:
            raise ValueError(f"a {type(value).__name__} has no form in Lua")


def _integer(value: int) -> str:
    if not _LEAST <= value <= _GREATEST:
        raise ValueError("an integer is beyond 64 bits, which Lua would read as a fraction; write it as a text")
    # the least one in decimal is read as minus a float
    return "0x8000000000000000" if value == _LEAST else str(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("a number is infinite or none at all; write a finite one")
    return repr(value)


def _expression(text: str, indent: str) -> str:
    """As it stands, in parentheses on lines of their own: a comment at its end swallows nothing of ours.

    What could swallow more (an open string, a missing bracket) is found by `parsed`, which compiles it alone.
    """
    return f"(\n{text}\n{indent})"


def _entry(key: object, item: object, indent: str, depth: int) -> str:
    rendered = _render(item, indent + "\t", depth + 1)
    if isinstance(key, str):
        return f"{key if is_name(key) else f'[{quote(key)}]'} = {rendered}"
    if isinstance(key, int) and not isinstance(key, bool):
        return f"[{_integer(key)}] = {rendered}"
    raise ValueError(f"a {type(key).__name__} is no key of a Lua table; write a text or an integer")


def _table(entries: list[str], indent: str) -> str:
    if not entries:
        return "{}"
    line = "{ " + ", ".join(entries) + " }"
    if len(indent) + len(line) <= _WIDTH and "\n" not in line:
        return line
    inner = indent + "\t"
    return "{\n" + "".join(f"{inner}{entry},\n" for entry in entries) + indent + "}"


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    # controls, unassigned and format characters: also those that make a line look like another
    if not character.isprintable():
        return "".join(f"\\{byte:03d}" for byte in character.encode())
    return character


def _byte(byte: int) -> str:
    character = chr(byte)
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if 0x20 <= byte < 0x7F else f"\\{byte:03d}"


_BYTES = tuple(map(_byte, range(256)))
"""Whole configurations are quoted, to be read by Lua."""
