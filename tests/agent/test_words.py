"""Plain command lines are read without argparse, and to the letter as argparse would read them."""

from __future__ import annotations

import contextlib
from argparse import Namespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import verbs
from agent.words import read_plain

WORDS = ("run", "plan", "reconcile", "status", "drift", "history", "version", "--config", "a.yaml", "", "-", "--", "-o",
         "json", "text", "xml", "--output", "--full", "--detailed-exitcode", "--help", "-ojson",
         "--config=a.yaml")  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=6))
def test_what_is_read_plainly_is_what_argparse_reads(words: list[str]) -> None:
    """Whatever the words and their order: the same, or left to argparse."""
    if (plain := read_plain(words)) is None:
        return
    with contextlib.suppress(SystemExit):
        assert Namespace(**vars(plain)) == verbs.parse(words)
        return
    pytest.fail(f"argparse refuses {words}")


@pytest.mark.parametrize(
    "words", ["plan", "--config a.yaml plan -o json --detailed-exitcode", "reconcile --full", "run --config a.yaml"]
)
def test_the_usual_lines_are_plain(words: str) -> None:
    """Otherwise nothing would be gained."""
    assert read_plain(words.split()) is not None
