"""A place to live in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from places import FILES, Place
from repositories import GitRepository

from agent import health


@pytest.fixture
def place(home: Path, git_repo: Callable[[], GitRepository]) -> Iterator[Place]:
    """A host on which nothing was done yet, with the usual document pushed."""
    made = Place(home, git_repo())
    made.push(FILES)
    yield made
    made.close()


@pytest.fixture
def living(place: Place) -> Place:
    """A host that was brought to the usual document."""
    outcome = place.reconcile()
    assert outcome["result"] == "changed", outcome
    return place


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow start is not waited for as long as on a real host."""
    monkeypatch.setattr(health, "PATIENCE", 3.0)
