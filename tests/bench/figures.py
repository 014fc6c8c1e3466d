"""One line of the table, and the table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured, its limit, and the same work done by plain means in the same run."""

    what: str
    limit: str = ""
    found: str
    beside: str = ""
    met: bool | None = None
    """None where there is no limit."""


def show(figures: Iterable[Figure]) -> str:
    """A Markdown table, columns aligned."""
    words = {True: "yes", False: "NO", None: ""}
    rows = [("what", "limit", "found", "met", "beside it")]
    rows += [(f.what, f.limit, f.found, words[f.met], f.beside) for f in figures]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
