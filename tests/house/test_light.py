"""What a process brings into itself: the time and the memory of an agent are mostly what it imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from places import CHECKOUT, Place

from agent import testimony

DEAR = {"structlog", "asyncio", "cryptography", "acme", "rich", "difflib", "stringprep", "argparse"}


def imported(place: Place, *words: str) -> set[str]:
    """By a verb, and by the children that it forks."""
    argv = [sys.executable, "-X", "importtime", "-m", "agent", *words, "--config", str(place.settings)]
    ran = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return set(re.findall(r"\| +([\w.]+)$", ran.stderr, re.MULTILINE))


def test_a_look_without_an_agent_needs_no_dear_library(living: Place) -> None:
    """The pair was read by the pass before; only one that changed since is read again."""
    (living.state / testimony.NAME).unlink(missing_ok=True)
    names = imported(living, "plan")
    assert "agent.loop" in names
    assert names & DEAR == set()
    for path in (living.home / "prosody/certs").iterdir():
        path.write_bytes(path.read_bytes() + b"\n")
    assert "cryptography" in imported(living, "plan")


def test_no_package_beside_the_agent_gets_in(tmp_path: Path) -> None:
    """Pydantic would load whatever calls itself its plugin."""
    said = tmp_path / "stranger-1.dist-info"
    said.mkdir()
    (said / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    (said / "entry_points.txt").write_text("[pydantic]\nstranger = stranger:plugin\n")
    (tmp_path / "stranger.py").write_text("raise SystemExit('it got in')\n")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import agent.loop; from agent.reading import warm; warm()"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)
