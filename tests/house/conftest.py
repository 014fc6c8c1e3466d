"""A place to live in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest
import releases
from places import FILES, Place
from repositories import GitRepository

from agent import health
from reconcilers import installation


@pytest.fixture
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Prosody of the place: the system's, or each of both for a test that says `on_both`."""
    if not hasattr(request, "param"):
        return Path("/usr/bin/prosody")
    program = releases.prosody(request.param)
    monkeypatch.setattr(installation, "CANDIDATES", (PurePosixPath(program),))
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return program


@pytest.fixture
def place(home: Path, git_repo: Callable[[], GitRepository], installed: Path) -> Iterator[Place]:
    """A host on which nothing was done yet, with the usual document pushed."""
    made = Place(home, git_repo(), installed)
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
