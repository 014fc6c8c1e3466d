"""An agent that ended can still answer `plan`, as long as nothing has moved, and not a moment longer."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import CHECKOUT, DOCUMENT, Place

from agent import testimony
from agent.state import State
from agent.trace import RIPE


@pytest.fixture
def left(living: Place) -> Place:
    """A host in sync, where the last pass of an agent proved it."""
    time.sleep(RIPE + 0.1)
    while time.time() - max(path.lstat().st_ctime for path in living.home.rglob("*")) <= RIPE:
        time.sleep(0.1)  # a second after its start Prosody 13.0 writes down when its jobs ran
    living.command("reconcile")
    return living


def heard(place: Place) -> dict[str, Any] | None:
    return testimony.hear(str(place.settings), str(place.state))


def test_the_plan_of_an_ended_agent_is_told_again(left: Place) -> None:
    """To the letter what an agent would answer, by a process that imports none of an agent."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "agent", "plan", "-o", "json", "--config", str(left.settings)],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = set(re.findall(r"\| +([\w.]+)$", ran.stderr, re.MULTILINE))
    assert "agent.testimony" in imported
    assert (
        imported & {"pydantic", "pygit2", "jinja2", "yaml", "structlog", "sqlite3", "msgspec", "dataclasses"} == set()
    )
    with left.engine() as engine:
        assert json.loads(ran.stdout) == engine.answer("plan", {}, print)


def test_a_held_plan_is_told_again(left: Place) -> None:
    """What waits for a person's word is no change, and was looked at as well."""
    left.push(
        document=DOCUMENT.replace("prosody:", "prune: {confirm_above: 0}\nprosody:").replace("  <home>/once", "  #")
    )
    left.command("reconcile", code=75)
    answer = heard(left)
    assert answer is not None
    assert [change["object"] for change in answer["held"]] == [f"{left.home}/once"]


def test_a_look_leaves_it_too_and_a_pass_acts_all_the_same(left: Place) -> None:
    """What is open is told again, and is put right when that is asked for."""
    _edit(left)
    time.sleep(RIPE + 0.1)
    looked = left.command("plan", "-o", "json").stdout
    assert heard(left) == json.loads(looked)
    assert b"motd" in looked
    with left.engine() as engine:
        engine.answer("plan", {}, print)
        assert [change["object"] for change in engine.answer("reconcile", {}, print)["changes"]] == [
            f"{left.home}/motd"
        ]
    assert heard(left) is None


def _edit(place: Place) -> None:
    (place.home / "motd").write_text("mine\n")


def _add_a_byte_to_the_settings(place: Place) -> None:
    place.settings.write_text(place.settings.read_text() + "\n")


def _push(place: Place) -> None:
    place.push({"README": "nothing of this host\n"})


def _end_prosody(place: Place) -> None:
    pid, _ = place.prosody()
    os.kill(pid, signal.SIGKILL)
    while place.prosodies():
        time.sleep(0.01)


def _take_the_state(place: Place) -> None:
    with State.open(place.state):
        pass


def _replace_the_certificates_directory(place: Place) -> None:
    certificates = place.home / "prosody/certs"
    certificates.rename(certificates.with_name("former"))
    certificates.symlink_to("former")


def _boot(place: Place) -> None:
    _tell_otherwise(place, lambda left: left["seen"].update(boot="another"))


def _upgrade(place: Place) -> None:
    _tell_otherwise(place, lambda left: left["circumstances"].__setitem__(0, "0.0.1"))


def _wait_until_something_is_due(place: Place) -> None:
    _tell_otherwise(place, lambda left: left["seen"].update(next_due=time.time()))


def _damage_it(place: Place) -> None:
    file = place.state / testimony.NAME
    file.write_bytes(file.read_bytes()[:-9])


def _tell_otherwise(place: Place, change: Callable[[dict[str, Any]], object]) -> None:
    file = place.state / testimony.NAME
    left = json.loads(file.read_text())
    change(left)
    file.write_text(json.dumps(left))


@pytest.mark.parametrize("happen", [
    _edit, _add_a_byte_to_the_settings, _push, _end_prosody, _take_the_state, _replace_the_certificates_directory,
    _boot, _upgrade, _wait_until_something_is_due, _damage_it,
])  # fmt: skip
def test_whatever_moves_ends_it(left: Place, happen: Callable[[Place], None]) -> None:
    """What runs counts, not only what lies on the disk."""
    assert heard(left) is not None
    happen(left)
    assert heard(left) is None


def test_after_an_edit_by_hand_the_plan_is_looked_up_anew(left: Place) -> None:
    """The command line's own way."""
    _edit(left)
    ran = left.command("plan", "--detailed-exitcode", code=2)
    assert b"motd" in ran.stdout


def test_a_killed_agent_leaves_nothing_and_one_that_ends_leaves_it(left: Place) -> None:
    """While it runs the file is gone: what it told may become wrong at any moment."""
    with left.agent() as agent:
        assert not (left.state / testimony.NAME).exists()
        agent.process.kill()
        agent.process.wait()
    assert not (left.state / testimony.NAME).exists()
    with left.agent() as agent:
        pass
    assert heard(left) is not None
    assert (left.state / testimony.NAME).stat().st_mode & 0o777 == 0o600


def test_packed_refs_tell_the_tip_too(left: Place, home: Path) -> None:
    """`git gc` moves every ref into one file."""
    subprocess.run(["git", "-C", left.repository.bare, "pack-refs", "--all"], check=True)
    assert not (Path(left.repository.bare) / "refs/heads/main").exists()
    assert heard(left) is not None
