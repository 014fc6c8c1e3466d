"""Whether Prosody understands an option's value: the same leniency as the getters of its core/moduleapi.lua."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from schemas.errors import Mark
from schemas.findings import nearest
from schemas.nodes import List, Map, Node, Scalar, describe
from schemas.options import Option
from schemas.shape import is_marked

_NAMES: Mapping[str, str] = {
    "boolean": "true or false",
    "integer": "an integer",
    "list": "a list",
    "number": "a number",
    "path": "a path",
    "period": "a duration",
    "string": "a text",
    "table": "a map",
}
_EXAMPLES: Mapping[str, str] = {
    "boolean": "true",
    "integer": "10",
    "list": "[a, b]",
    "number": "10",
    "path": '"/a/path"',
    "period": '"7 days"',
    "string": '"a text"',
    "table": "{key: value}",
}
_PERIOD_UNITS = ("d", "w", "mon", "y", "s", "min", "h", "ho")
"""util/human/io.lua, `multipliers`."""


def mismatch(node: Node, option: Option) -> str:
    """What is wrong with this value and what to write, or nothing. A marked value fits: what it is shows later."""
    if (isinstance(node, Map) and is_marked(node.entries)) or "any" in option.types:
        return ""
    if any(_fits(node, kind, option) for kind in option.types):
        return ""
    expected = " or ".join(dict.fromkeys(_expected(kind, option) for kind in option.types))
    return f"expected {expected}, found {describe(node)}; write {_remedy(node, option)}"


def wrong_ports(name: str, node: Node, option: Option) -> Iterator[tuple[Mark, str]]:
    """Each port that no service can listen on or be found at. Prosody itself finds out when it has started."""
    if not name.endswith(("_port", "_ports")) or not {"list", "number", "integer"} & {*option.types}:
        return
    for item in node.items if isinstance(node, List) else (node,):
        if isinstance(item, Map) and is_marked(item.entries):
            continue
        number = _number(item.value) if isinstance(item, Scalar) and item.value is not None else math.nan
        if not (1 <= number <= 65535 and number == int(number)):
            usual = re.search("[0-9]+", option.default)
            text = f"expected a port from 1 to 65535, found {describe(item)}"
            yield item.mark, text + (f"; write {usual[0]}, say" if usual else "")


def _fits(node: Node, kind: str, option: Option) -> bool:
    match kind, node:
        case "table", _:
            return isinstance(node, Map | List)
        case "list", Map(entries=entries):
            return all(isinstance(key, int) for key in entries)
        case "list", _:
            return True  # get_option_array: anything else is a list of one
        case _, List(items=(only,)):
            return _fits(only, kind, option)  # get_option_scalar takes the first item, and complains of a second
        case _, Scalar(value=value) if value is not None:
            return _scalar_fits(value, kind, option)
    return False


def _scalar_fits(value: str | float | bool, kind: str, option: Option) -> bool:
    match kind:
        case "boolean":
            return value in (True, False, "true", "false")
        case "enum":
            return any(
                value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in option.choices
            )
        case "number" | "integer":
            number = _number(value)
            within = (option.least is None or number >= option.least) and (option.most is None or number <= option.most)
            return within and not math.isnan(number) and (kind == "number" or number == int(number))
        case "period":
            return value is False or value == "never" or not math.isnan(_number(value)) or _is_period(value)
    return True  # string and path: Prosody makes a text of any scalar


def _number(value: str | float | bool) -> float:
    """As Lua's tonumber; not a number where it gives nil."""
    if isinstance(value, bool) or (isinstance(value, str) and not re.fullmatch(r"\s*-?[0-9]+(\.[0-9]+)?\s*", value)):
        return math.nan
    return float(value)


def _is_period(value: str | float | bool) -> bool:
    found = re.search(r"([0-9]+)\s*([smhdwy]?[io]?n?)", str(value).lower())
    return found is not None and found[2] in _PERIOD_UNITS


def _expected(kind: str, option: Option) -> str:
    if kind == "enum":
        return ", ".join(map(_written, option.choices))
    name = _NAMES[kind]
    if kind in ("number", "integer") and option.least is not None:
        bounds = f"of at least {option.least}" if option.most is None else f"from {option.least} to {option.most}"
        return f"{name} {bounds}"
    return name


def _remedy(node: Node, option: Option) -> str:
    """What to write instead: what was meant, if that shows; else the default; else an example."""
    kind = option.types[0]
    word = str(node.value).lower() if isinstance(node, Scalar) else ""
    if kind == "boolean" and (found := re.match(r"(?:(true|yes|on|y|enabled)|false|no|off|n|disabled)\b", word)):
        return "true" if found[1] else "false"
    if kind == "enum" and (close := nearest(word, [_written(choice) for choice in option.choices])):
        return close
    if kind in ("number", "integer") and (amount := _amount(word)):
        return f"{amount}, say"
    if kind in ("number", "integer") and not math.isnan(number := _number(word)):
        return str(option.least if option.least is not None and number < option.least else option.most or round(number))
    if re.fullmatch(r'[\d.]+|true|false|"[^"\\]*"', option.default):
        return f"{option.default}, say, which is its default"
    return f"{_written(option.choices[0]) if kind == 'enum' else _EXAMPLES[kind]}, say"


def _amount(word: str) -> int:
    """What a size comes to in bytes, or a duration in seconds; 0 when it is neither."""
    if size := re.fullmatch(r"([0-9]{1,9}) ?([kmg])i?b?(?:ytes?)?", word):
        return int(size[1]) << 10 * ("kmg".index(size[2]) + 1)
    if time := re.fullmatch(r"([0-9]{1,9}) ?(s|min|h|d|w)[a-z]*", word):
        return int(time[1]) * _SECONDS[time[2]]
    return 0


_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def _written(choice: str | bool) -> str:
    return str(choice).lower() if isinstance(choice, bool) else choice
