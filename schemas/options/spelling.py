"""The known option that a name was meant to be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from schemas.options import Table, known, known_to_modules

_SHORT = 8
"""A name below this length may have one slip, a longer one two."""


@lru_cache(maxsize=1024)
def meant(name: str, lines: tuple[str, ...]) -> str:
    """The option of these versions that is a slip of the pen away; empty when none is. Cached: bodies repeat."""
    return _nearest(name, _options(lines))


@lru_cache(maxsize=1024)
def meant_module(name: str, lines: tuple[str, ...], prefix: str = "") -> str:
    """The module of these versions, or of prosody-modules, that is a slip of the pen away; empty when none is.

    All without `prefix`, as an option writes them that says it by its own name.
    """
    names = (module.removeprefix(prefix) for module in _modules(lines) if module.startswith(prefix))
    return _nearest(name.removeprefix(prefix), frozenset(names))


@lru_cache(maxsize=4)
def _options(lines: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*(table.options for table in _tables(lines)))


@lru_cache(maxsize=4)
def _modules(lines: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*(table.modules for table in _tables(lines)))


def _tables(lines: tuple[str, ...]) -> Iterator[Table]:
    return (table(line) for line in lines for table in (known, known_to_modules))


def _nearest(name: str, names: frozenset[str]) -> str:
    plain = name.lower().replace("-", "_")
    if plain in names:
        return plain
    allowed = 1 if len(name) < _SHORT else 2
    size, letters = len(plain), set(plain)
    close = [
        found
        for found in names  # each slip changes the length by one at most, and brings one new letter at most
        if -allowed <= len(found) - size <= allowed and len(letters.difference(found)) <= allowed
        if len(set(found) - letters) <= allowed and slips(plain, found) <= allowed
    ]
    if not close:
        return ""
    import difflib

    close = difflib.get_close_matches(plain, sorted(close), n=3, cutoff=0.75)
    return min(close, key=lambda found: slips(plain, found), default="")


def slips(one: str, other: str) -> int:
    """How many letters were left out, put in, mistaken, or swapped with their neighbour (Damerau, 1964)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
