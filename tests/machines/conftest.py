"""Machines and fresh trees both wait much, so they are tested side by side."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def beside(request: pytest.FixtureRequest) -> None:
    """Begin what fresh trees are asked for, if anything."""
    request.getfixturevalue("scenarios")
