"""What `prosodyctl check config` says of old options: three lists in util/prosodyctl/check.lua."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lua import Source, literal


def deprecations(check: Source) -> Iterator[tuple[str, str]]:
    """The name of each old option and what is to be written instead; empty: nothing."""
    for name in _strings(check, "obsolete"):
        yield name, ""
    opening = _table_of(check, "deprecated_replacements")
    for found in re.finditer(r"(\w+) = ([^;]*) ;", check.between(opening, check.close_of(opening))):
        yield found[1], _instead(found[2])
    opening = _table_of(check, "deprecated_ports")
    for old, new in re.findall(r'(\w+) = "(\w+)"', check.between(opening, check.close_of(opening))):
        for suffix in _strings(check, "port_suffixes"):
            plural = f"{suffix}s" if suffix in ("port", "interface") else suffix
            yield f"{old}_{suffix}", f"{new}_{plural}"


def _instead(value: str) -> str:
    """`instead_use ( "option" , "authentication" , "anonymous" )` or a text → what to write."""
    words = re.findall(r'"([^"]*)"', value)
    if value.startswith("instead_use") and words[0] == "option":
        return ": ".join(words[1:])
    return re.sub(r"^instead, use |'", "", words[-1])


def _strings(check: Source, name: str) -> list[str]:
    opening = _table_of(check, name)
    texts = (literal(token) for token in check.tokens[opening : check.close_of(opening)])
    return [text for text in texts if text is not None]


def _table_of(check: Source, name: str) -> int:
    """Where the table of this local opens."""
    at = next(at for at in range(len(check.tokens)) if check.starts(at, "local", name, "="))
    return next(opening for opening in range(at, len(check.tokens)) if check.tokens[opening].text == "{")
