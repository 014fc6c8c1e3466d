"""Debian's order of versions, and which candidate a wish comes to."""

from __future__ import annotations

import itertools
import subprocess

import pytest

from reconcilers.apt.choose import Candidate, Choice, Wish, choose
from reconcilers.apt.order import rank

VERSIONS = (
    *("0", "1", "1-0", "1-1", "1.", "1.0", "01", "1a", "1~", "1~~", "1~~a", "1~rc1", "1~rc1-1", "1+b1", "1.0+dfsg-1"),
    *("0.12.3-1", "0.12.3-1+deb12u1", "0.12.3-1~bpo12+1", "13.0.1-1", "13.0.2-1~bpo12+1", "1:0.1", "0:1", "1:1~"),
    *("1.22.1-9", "1.22.1-9+deb12u10", "1.22.1-9+deb12u9", "2.0-1-2", "2.0-1-10", "a", "a0", "1.a", "1.Z", "1-a~"),
)


def test_the_order_is_dpkgs_own() -> None:
    """Over all pairs of these, in one run of dpkg for each answer: no version is before another but dpkg says so."""
    pairs = [*itertools.combinations(VERSIONS, 2)]
    asked = "".join(f"dpkg --compare-versions {a} lt {b} && echo lt || echo ge\n" for a, b in pairs)
    said = subprocess.run(["sh"], input=asked, capture_output=True, text=True, check=True).stdout.split()
    ours = ["lt" if rank(a) < rank(b) else "ge" for a, b in pairs]
    assert [pair for pair, one, other in zip(pairs, ours, said, strict=True) if one != other] == []
    asked = "".join(f"dpkg --compare-versions {a} eq {b} && echo eq || echo ne\n" for a, b in pairs)
    said = subprocess.run(["sh"], input=asked, capture_output=True, text=True, check=True).stdout.split()
    assert ["eq" if rank(a) == rank(b) else "ne" for a, b in pairs] == said


OFFER = (
    Candidate(version="1.0-1", priority=500, suites=("bookworm",)),
    Candidate(version="1.1-1", priority=500, suites=("bookworm-security",)),
    Candidate(version="2.0-1~bpo12+1", priority=100, suites=("bookworm-backports",)),
    Candidate(version="9.0-1", priority=-1, suites=("never",)),
)


@pytest.mark.parametrize(
    ("wish", "installed", "comes_to"),
    [
        (Wish(), None, "1.1-1"),
        (Wish(), "0.1", "0.1"),
        (Wish(version="latest"), None, "1.1-1"),
        (Wish(version="latest"), "1.0-1", "1.1-1"),
        (Wish(version="latest"), "1.1-1", "1.1-1"),
        (Wish(version="latest"), "2.0-1~bpo12+1", "2.0-1~bpo12+1"),
        (Wish(version="latest", suite="bookworm-backports"), "1.1-1", "2.0-1~bpo12+1"),
        (Wish(version="1.0"), None, "1.0-1"),
        (Wish(version="1.0"), "1.1-1", "1.0-1"),
        (Wish(version="1.0-1"), "1.0-1+b1", "1.0-1+b1"),
        (Wish(version="1"), None, "1.1-1"),
        (Wish(version=">=2, <3"), "1.1-1", "2.0-1~bpo12+1"),
        (Wish(version=">=1, <2"), "2.0-1~bpo12+1", "1.1-1"),
        (Wish(suite="bookworm-backports"), None, "2.0-1~bpo12+1"),
        (Wish(version="9.0"), None, None),
        (Wish(version="1.0", suite="bookworm-backports"), None, None),
        (Wish(suite="trixie"), None, None),
    ],
)
def test_the_best_of_what_will_do(wish: Wish, installed: str | None, comes_to: str | None) -> None:
    """By apt's priority and Debian's order among those that fit; what is installed and fits is left as it is."""
    assert choose(wish, installed, OFFER).version == comes_to


def test_dependencies_are_looked_for_in_the_suite_too() -> None:
    """Where the wish names one, and takes the newest of it."""
    choice = choose(Wish(suite="bookworm-backports"), None, OFFER)
    assert choice == Choice(version="2.0-1~bpo12+1", suite="bookworm-backports")


def test_where_nothing_will_do_it_is_told_what_there_is() -> None:
    """So that a person sees at once what to write."""
    why = choose(Wish(version="3.0"), None, OFFER[:2]).why
    assert why == "no source of this host has a version 3.0; there is 1.0-1 (bookworm), 1.1-1 (bookworm-security)"
    assert "add a source" in choose(Wish(), None, ()).why
