"""Leftovers of an agent that was killed while it wrote the bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from repositories import GitRepository

from agent.source import Source


def test_a_bundle_that_was_begun_leaves_nothing(git_repo: Callable[[], GitRepository], home: Path) -> None:
    """The next one that is written takes it away."""
    repository = git_repo()
    repository.commit({"hosts/a.yaml": "profile: local\n"})
    source = Source(repository=str(repository.work), branch="main", state_dir=home / "state")
    source.keep("good", source.fetch())
    (home / "state/.kept-left").mkdir()
    (home / "state/.kept-left/x.pack").touch()
    (home / "state/.kept.bundle.01234567").touch()
    (home / "state/.kept-1234.idx.01234567").touch()
    assert source.save()
    assert not list((home / "state").glob(".kept*"))
