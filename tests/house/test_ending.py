"""Asked to end while it fetches, the agent ends at once: whatever the server does, and with a mirror that is whole."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import CHECKOUT, DOCUMENT, FILES, Place
from sshd import Sshd

AT_ONCE = 2.0
"""Seconds."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("scheme", ["ssh://git@", "https://bot:t0ken@"])
def test_a_server_that_accepts_and_says_nothing_does_not_hold_it(
    place: Place, scheme: str, number: signal.Signals
) -> None:
    """It is gone in two seconds, and takes the server's silence for no failure of the repository."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        _follow(place, f"{scheme}127.0.0.1:{mute.getsockname()[1]}/ops/xmpp.git")
        agent = _agent(place)
        connection, _ = mute.accept()
        with connection:
            connection.recv(1)
            _ends(agent, number)
    told = [json.loads(line) for line in (place.root / "agent.log").read_text().splitlines()]
    assert (told[-1]["event"], told[-1]["reason"]) == ("agent.stopped", number.name)
    assert "source.unreachable" not in {entry["event"] for entry in told}


def test_a_fetch_that_is_ended_leaves_a_whole_mirror_and_no_half_pack(place: Place, sshd: Sshd) -> None:
    """Ended while a large pack comes from a real server; the next agent fetches all of it."""
    head = place.push({**FILES, "files/large": os.urandom(12 * 2**20)})
    _follow(place, f"ssh://{getpass.getuser()}@127.0.0.1:{sshd.port}{place.repository.bare}")
    with place.settings.open("a") as settings:
        settings.write(f"ssh_key: {sshd.key}\nknown_hosts: {sshd.known_hosts}\n")
    agent = _agent(place)
    packs = place.state / "mirror.git/objects/pack"
    end = time.monotonic() + 20
    while not any(path.stat().st_size > 2**20 for path in _half_packs(packs)):
        assert agent.poll() is None and time.monotonic() < end, "no pack was seen to come"
        time.sleep(0.002)
    _ends(agent, signal.SIGTERM)
    assert _half_packs(packs) == []
    assert place.reconcile()["revision"] == head
    assert place.told("mirror.mended") == []


def test_a_commit_that_takes_long_to_load_does_not_hold_it(living: Place) -> None:
    """It is gone in two seconds, and has judged nothing: the commit is read again by the next agent."""
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    head = living.push(
        document=f"{DOCUMENT}  <home>/slow: {{template: templates/slow.j2}}\n", **{"templates/slow.j2": endless}
    )
    agent = _agent(living)
    _wait_for_a_busy_child(agent)
    _ends(agent, signal.SIGTERM)
    events = [json.loads(line)["event"] for line in (living.root / "agent.log").read_text().splitlines()]
    assert "commit.refused" not in events
    assert events[-1] == "agent.stopped"
    assert json.loads(living.command("status", "-o", "json", code=None).stdout)["attempted"] != head


def _wait_for_a_busy_child(agent: subprocess.Popen[bytes]) -> None:
    """Until a child of the agent's has used a third of a second of CPU, which none does that has little to do."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for child in Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                ticks = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11]
                if int(ticks) > os.sysconf("SC_CLK_TCK") / 3:
                    return
        time.sleep(0.02)
    raise AssertionError("no child was seen to work")


def _half_packs(packs: Path) -> list[Path]:
    return [path for path in packs.glob("*") if path.suffix not in (".pack", ".idx")]


def _follow(place: Place, url: str) -> None:
    text = place.settings.read_text().replace(str(place.repository.bare), url)
    place.settings.write_text(text)


def _agent(place: Place) -> subprocess.Popen[bytes]:
    """In a process group of its own, as a shell would start it."""
    argv = [sys.executable, "-m", "agent", "run", "--config", str(place.settings)]
    environment = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy")}
    with (place.root / "agent.log").open("ab") as log:
        return subprocess.Popen(argv, cwd=CHECKOUT, stderr=log, env=environment, process_group=0)


def _ends(agent: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """The whole group is told, as Ctrl-C does."""
    started = time.monotonic()
    os.killpg(agent.pid, number)
    try:
        assert agent.wait(30) == 0
    finally:
        agent.kill()
    assert time.monotonic() - started < AT_ONCE
