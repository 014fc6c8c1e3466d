"""The known option that a name was meant to be."""

from __future__ import annotations

import difflib
from functools import lru_cache

from schemas.options import known, known_to_modules

_SHORT = 8
"""A name below this length may have one slip, a longer one two."""


@lru_cache(maxsize=1024)
def meant(name: str, lines: tuple[str, ...]) -> str:
    """The option of these versions that is a slip of the pen away; empty when none is. Cached: bodies repeat."""
    names = {name for line in lines for table in (known(line), known_to_modules(line)) for name in table.options}
    plain = name.lower().replace("-", "_")
    if plain in names:
        return plain
    allowed = 1 if len(name) < _SHORT else 2
    close = difflib.get_close_matches(plain, sorted(names), n=3, cutoff=0.75)
    return min((found for found in close if slips(plain, found) <= allowed), key=lambda n: slips(plain, n), default="")


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
