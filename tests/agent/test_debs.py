"""Packages kept as files: what is asked for is kept, what was left is cleared away, a full disk is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import apt, debs
from schemas.actions import Pick
from schemas.errors import Temporary


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """apt's own cache, with six versions of a package, which no mirror has to be asked for."""
    (tmp_path / "archives").mkdir()
    for number in range(1, 7):
        (tmp_path / "archives" / f"prosody_{number}.0_all.deb").write_bytes(b"deb")
    monkeypatch.setattr(debs, "PLACE", tmp_path / "cache")
    monkeypatch.setattr(debs, "_PACKAGES", tmp_path / "cache/packages")
    monkeypatch.setattr(debs, "_APT_ARCHIVES", tmp_path / "archives")
    return tmp_path / "archives"


def _versions() -> list[str]:
    return sorted(file.name.split("_")[1] for file in debs._PACKAGES.glob("*"))


def test_what_was_asked_for_last_is_kept(archives: Path) -> None:
    """The version that is installed may be the oldest of them, and is the way back."""
    for number in (1, 2, 3, 4):
        debs.fetch("prosody", f"{number}.0")
    debs.fetch("prosody", "1.0")
    debs.fetch("prosody", "5.0")
    assert _versions() == ["1.0", "3.0", "4.0", "5.0"]


def test_what_a_killed_agent_left_is_cleared_away(archives: Path) -> None:
    """A copy that was broken off, and a directory of a download."""
    (debs._PACKAGES / "partial-abc").mkdir(parents=True)
    (debs._PACKAGES / "prosody_0.1_all.deb.partial").write_bytes(b"de")
    debs.fetch("prosody", "1.0")
    assert _versions() == ["1.0"]


def test_a_disk_that_takes_nothing_is_told(archives: Path) -> None:
    """It is no fault of the agent's: there is a place, a reason, and what to do."""
    debs.PLACE.write_bytes(b"no directory, as good as full")
    for attempt in (lambda: debs.fetch("prosody", "1.0"), lambda: debs.unpacked(archives).__enter__()):
        with pytest.raises(Temporary, match=rf"{debs.PLACE}: .*; make room there"):
            attempt()


def test_a_suite_is_said_though_there_is_a_file(archives: Path) -> None:
    """apt looks for what the package needs in that suite too; of a file it would know nothing of the kind."""
    file = debs.fetch("prosody", "1.0")
    assert apt._word(Pick(name="prosody", version="1.0")) == str(file)
    assert apt._word(Pick(name="prosody", version="1.0", suite="backports")) == "prosody/backports"
    assert apt._word(Pick(name="prosody", version="9.0")) == "prosody=9.0"
