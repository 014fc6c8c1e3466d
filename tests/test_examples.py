"""What deploy/ hands to people is right: examples that validate, settings that load, a unit that knows the program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from agent.program import REPLACED
from agent.settings import load_settings

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "deploy/examples/debian"


def test_the_example_repository_has_no_mistake() -> None:
    """`prosodist validate` passes it, and notes nothing that this version does not do."""
    command = [sys.executable, "-m", "agent", "validate", str(EXAMPLE / "repository")]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout
    assert "does not" not in said.stderr, said.stderr


def test_the_example_settings_load_once_a_line_names_the_repository(tmp_path: Path) -> None:
    """Every commented line is a setting: with all of them taken for true, they load without a mistake."""
    text = (EXAMPLE / "agent.yaml").read_text()
    settings = re.sub(r"(?m)^#(?=[a-z_]+:|  )", "", text)
    assert settings.count("\nrepository: ") == 1
    config = tmp_path / "agent.yaml"
    config.write_text(settings)
    loaded = load_settings(config)
    assert loaded.host == "chat.example.org" and loaded.interval == 60.0


def test_the_unit_starts_what_made_room_for_a_newer_version() -> None:
    """The exit status that says so is one that the unit knows, as a success that is started again."""
    unit = (ROOT / "deploy/systemd/prosodist.service").read_text()
    assert f"\nSuccessExitStatus={REPLACED}\n" in unit and f"\nRestartForceExitStatus={REPLACED}\n" in unit
