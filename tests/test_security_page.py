"""docs/security.md prints the table that a push is held to: row by row, with the reasons."""

from __future__ import annotations

import re
from pathlib import Path

from schemas.opening import ROOT, WORDS

PAGE = (Path(__file__).parent.parent / "docs/security.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below this heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| word")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_prints_the_table() -> None:
    """Nothing is open that an admin could not read there."""
    assert rows("Where the agent is root") == [[row.word, f"`{row.what}`", row.why] for row in ROOT]


def test_the_page_has_every_word_of_allow() -> None:
    """In the order of the settings."""
    found = [re.match(r"`(\w+):", cells[0]) for cells in rows("What takes `allow` in agent.yaml on the host")]
    assert [match[1] for match in found if match] == list(WORDS)
