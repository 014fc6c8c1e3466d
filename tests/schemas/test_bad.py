"""Commits that cannot be right. Each case in bad/*.cases is a small repository and every line that it must be told.

=== what is wrong          begins a case; the host is always `a`, at home in /home/u
=== what is wrong, abroad  the same, read where nothing is known of the host, as `validate` does
--- hosts/a.yaml           a file follows (`--- a -> b`: a symbolic link)
--- mistakes               and what is said, whole and in order
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.errors import SpecError
from schemas.load import Blob, Facts, load

HERE = Path(__file__).parent / "bad"
ABROAD = ", abroad"
FACTS = Facts(fqdn="a", home="/home/u", user="u", profile="local")


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    tree: dict[str, Blob]
    mistakes: str

    @property
    def facts(self) -> Facts:
        return Facts() if self.name.endswith(ABROAD) else FACTS


def read_cases(path: Path) -> list[Case]:
    cases = []
    for chunk in re.split(r"^=== ", path.read_text(), flags=re.MULTILINE)[1:]:
        name, _, rest = chunk.partition("\n")
        tree: dict[str, Blob] = {}
        mistakes = ""
        for part in re.split(r"^--- ", rest, flags=re.MULTILINE)[1:]:
            title, _, text = part.partition("\n")
            file, _, target = title.partition(" -> ")
            if title == "mistakes":
                mistakes = text.strip()
            elif target:
                tree[file] = Blob(target.encode(), link=True)
            else:
                tree[file] = Blob(text.encode())
        cases.append(Case(name=name, tree=tree, mistakes=mistakes))
    return cases


CASES = [
    pytest.param(case, id=f"{path.stem}: {case.name}")
    for path in sorted(HERE.glob("*.cases"))
    for case in read_cases(path)
]


@pytest.mark.parametrize("case", CASES)
def test_every_mistake_is_told(case: Case) -> None:
    """Each with its place, all of them at once, and nothing else."""
    with pytest.raises(SpecError) as refused:
        load(case.tree, "a", case.facts)
    assert str(refused.value) == case.mistakes


def test_there_are_enough_cases() -> None:
    """A corpus that was moved away would otherwise pass."""
    assert len(CASES) >= 150
