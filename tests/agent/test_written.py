"""What the host remembers of its own writes does not grow by what is checked and thrown away."""

from __future__ import annotations

from pathlib import Path

import pytest
from hands import Hands

from schemas.actions import MakeDir, WriteFile


@pytest.fixture
def hands(home: Path) -> Hands:
    return Hands(home)


def test_what_was_let_go_is_remembered_no_longer(hands: Hands) -> None:
    """Below the path that was let go nothing is ours any more; what lies beside it still is."""
    hands.host.perform(MakeDir(path=hands.path("stage"), mode=0o700))
    for name in ("stage/a", "staged"):
        hands.host.perform(WriteFile(path=hands.path(name), content=b"x", mode=0o600))
    hands.host.let_go(hands.path("stage"))
    assert not hands.host.ours(hands.path("stage/a"))
    assert not hands.host.ours(hands.path("stage"))
    assert hands.host.ours(hands.path("staged"))
