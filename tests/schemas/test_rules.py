"""rules*.txt: rule by rule of docs/desired-state.md, the case or the test that breaks it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import msgspec
import pytest
from page import PAGE
from test_bad import HERE, read_cases

RULES = sorted(Path(__file__).parent.glob("rules*.txt"))
TESTS = Path(__file__).parent.parent


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A text of the page, and the lines below it that answer for it."""

    quote: str
    answers: tuple[str, ...]


def read_rules() -> list[Rule]:
    """Every `> text` with its lines, up to the next or to an empty line."""
    found = []
    text = "\n\n".join(path.read_text().partition("\n## ")[2] for path in RULES)
    for chunk in re.split(r"^> ", text, flags=re.MULTILINE)[1:]:
        quote, *answers = chunk.partition("\n\n")[0].splitlines()
        found.append(Rule(quote=quote, answers=tuple(answers)))
    return found


def one_line(text: str) -> str:
    """Without line breaks, those within a comment of the shape included."""
    return re.sub(r"\s+", " ", re.sub(r"\n\s+# +", " ", text))


@cache
def names_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text()) if path.is_file() else ast.parse("")
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@cache
def cases_of(stem: str) -> frozenset[str]:
    path = HERE / f"{stem}.cases"
    return frozenset(case.name for case in read_cases(path)) if path.is_file() else frozenset()


def answers(line: str) -> bool:
    """Whether the case or the test exists."""
    if line.startswith("- "):
        return True
    path, found, test = line.partition("::")
    if found:
        return test in names_in(TESTS / path)
    stem, _, case = line.partition(": ")
    return case in cases_of(stem)


@pytest.mark.parametrize("rule", read_rules(), ids=lambda rule: rule.quote[:60])
def test_every_rule_is_answered_for(rule: Rule) -> None:
    """By what exists; and the page still says it."""
    assert rule.quote in one_line(PAGE.read_text()), "the page does not say so"
    assert rule.answers, "nothing would notice"
    assert [line for line in rule.answers if not answers(line)] == [], "no such case or test"


def test_the_rules_stand_in_the_order_of_the_page() -> None:
    """So that a reader finds what is missing between two of them."""
    page, at = one_line(PAGE.read_text()), 0
    for rule in read_rules():
        found = page.find(rule.quote, at)
        assert found >= 0, f"out of order: {rule.quote}"
        at = found


def sayings() -> list[str]:
    """What the page says: its prose by lines, and every comment of its documents."""
    found, in_block = [], False
    for line in PAGE.read_text().splitlines()[1:]:
        if line.startswith("```"):
            in_block = not in_block
        elif in_block and (comment := re.search(r"(?:^|\s)# +(.*)", line)):
            found.append(comment[1].removeprefix("--- "))
        elif not in_block:
            found.append(re.sub(r"^(## |\d+\. )", "", line))
    return [one_line(saying).strip() for saying in found if saying.strip()]


PARTS = ("the host", "Prosody", "accounts", "everything else on the host")
"""Comments that only part the shape."""


def test_no_rule_is_passed_over() -> None:
    """Each word of its prose and of its comments is in a text that is answered for."""
    page, at = one_line(PAGE.read_text()), 0
    answered = [False] * len(page)
    for rule in read_rules():
        at = max(page.find(rule.quote, at), at)
        answered[at : at + len(rule.quote)] = [True] * len(rule.quote)
    silent, at = [], 0
    for saying in sayings():
        at = page.index(saying, at)
        places = range(at, at + len(saying))
        if saying not in PARTS and not all(answered[i] or not page[i].isalnum() for i in places):
            silent.append("".join(page[i] if not answered[i] else "\N{MIDDLE DOT}" for i in places))
        at += len(saying)
    assert silent == [], "these are answered for by nothing (dots are)"
