"""The agent as a package under systemd: installed, watched over, upgraded in the middle of a pass, and purged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import packaging
import pytest
from machines import Machine, booted, wait_until
from trees import CHECKOUT

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

EXAMPLE = CHECKOUT / "deploy/examples/debian/repository"
NAME = "hosts/chat.example.org.yaml"
WORST_EXPOSURE = 3.6
"""What `systemd-analyze security` says of the unit, from 0 to 10; a larger figure is a door that was opened."""


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def bare(request: pytest.FixtureRequest) -> Iterator[tuple[Machine, Path]]:
    """A machine that never had the program, and the package."""
    with booted(request.param) as machine:
        package = packaging.build(machine, request.param)
        assert machine.run("rm", "-rf", "/opt/prosodist", "/etc/prosodist", "/usr/src/prosodist").status == 0
        yield machine, package


def test_the_package_runs_the_agent(bare: tuple[Machine, Path]) -> None:
    """The life of an agent: each step begins where the one before has ended."""
    machine, package = bare
    _installed_it_waits_for_a_repository(machine, package)
    _configured_it_is_ready_and_serves(machine)
    _it_follows_a_push_and_a_reload(machine)
    _the_journal_has_levels_and_one_time(machine)
    _the_unit_is_closed_as_far_as_it_says(machine)
    _stuck_it_is_ended_and_started_anew(machine)
    _upgraded_in_a_pass_it_ends_after_it(machine, packaging.make_newer(package, "0.1.0+one"))
    _upgraded_by_its_own_apt_it_ends_after_that_pass(machine, packaging.make_newer(package, "0.1.0+two"))
    _removed_and_purged_it_leaves_prosody(machine)


def _installed_it_waits_for_a_repository(machine: Machine, package: Path) -> None:
    said = machine.run("apt-get", "install", "-y", f"/root/{package.name}")
    assert said.status == 0, said
    assert "say in /etc/prosodist/agent.yaml which repository to follow" in said.output
    unit = machine.unit("prosodist")
    assert (unit["ActiveState"], unit["UnitFileState"]) == ("inactive", "enabled"), "not configured is not failed"
    seen = machine.run("stat", "-c", "%a", "/etc/prosodist", "/etc/prosodist/agent.yaml").output
    assert seen.split() == ["700", "600"]


def _configured_it_is_ready_and_serves(machine: Machine) -> None:
    settings = machine.root / "etc/prosodist/agent.yaml"
    given = settings.read_text().replace("#repository: ssh://git@forge.example/ops/xmpp.git", "repository: /srv/git")
    settings.write_text(given.replace("#host:", "host:").replace("#interval: 60s", "interval: 1h"))
    machine.push({str(path.relative_to(EXAMPLE)): path.read_text() for path in EXAMPLE.rglob("*") if path.is_file()})
    began = machine.run("systemctl", "start", "prosodist")
    assert began.status == 0, began
    _wait_for_status(machine, "Synced, Healthy")
    assert machine.unit()["ActiveState"] == "active" and ":5222 " in machine.run("ss", "-ltn").output
    assert json.loads(machine.run("prosodist", "status", "-o", "json").output)["health"] == "Healthy"


def _it_follows_a_push_and_a_reload(machine: Machine) -> None:
    _push(machine, motd="one")
    agent = machine.unit("prosodist")["MainPID"]
    with (machine.root / "etc/prosodist/agent.yaml").open("a") as settings:
        settings.write("log: {level: debug}\n")
    assert machine.run("systemctl", "reload", "prosodist").status == 0
    wait_until(lambda: "settings.reloaded" in _journal(machine))
    wait_until(lambda: machine.unit("prosodist")["ActiveState"] == "active")
    assert machine.unit("prosodist")["MainPID"] == agent


def _the_journal_has_levels_and_one_time(machine: Machine) -> None:
    machine.push({NAME: "profile: nonsense\n"})
    wait_until(lambda: "commit.refused" in _journal(machine))
    lines = machine.run("journalctl", "-u", "prosodist", "-o", "json", "--no-pager").output.splitlines()
    told = {entry["MESSAGE"].split()[0]: entry for entry in map(json.loads, lines) if isinstance(entry["MESSAGE"], str)}
    assert (told["agent.started"]["PRIORITY"], told["commit.refused"]["PRIORITY"]) == ("6", "3")
    assert not any(word.startswith(("2", "<", "{")) for word in told), "each line begins with its event"
    _push(machine, motd="two")


def _the_unit_is_closed_as_far_as_it_says(machine: Machine) -> None:
    said = machine.run("systemd-analyze", "security", "--no-pager", "prosodist.service").output
    figure = float(re.search(r"exposure level for prosodist.service: ([\d.]+)", said)[1])  # type: ignore[index]
    print(f"exposure: {figure}")
    assert figure <= WORST_EXPOSURE, said


def _stuck_it_is_ended_and_started_anew(machine: Machine) -> None:
    _drop_in(machine, "prosodist", "WatchdogSec=6")
    assert machine.run("systemctl", "restart", "prosodist").status == 0
    _push(machine, motd="three")
    agent, prosody = machine.unit("prosodist")["MainPID"], machine.unit()["MainPID"]
    machine.run("sh", "-c", f"kill -STOP {agent}")
    wait_until(lambda: machine.unit("prosodist")["MainPID"] not in (agent, "0"))
    _push(machine, motd="four")
    assert machine.unit("prosodist")["NRestarts"] == "1", "idle for longer than that, it is not taken for stuck"
    assert machine.unit()["MainPID"] == prosody
    _drop_in(machine, "prosodist", "")
    assert machine.run("systemctl", "restart", "prosodist").status == 0


def _upgraded_in_a_pass_it_ends_after_it(machine: Machine, newer: Path) -> None:
    _drop_in(machine, "prosody", "ExecStartPre=-/bin/sleep 300")
    _wait_for_status(machine, "Synced, Healthy")
    agent = machine.unit("prosodist")["MainPID"]
    changed = (EXAMPLE / NAME).read_text().replace("modules_enabled: [", "modules_enabled: [time, ")
    machine.push({NAME: changed})
    wait_until(lambda: machine.unit()["ActiveState"] == "activating")
    said = machine.run("apt-get", "install", "-y", f"/root/{newer.name}")
    assert said.status == 0, said
    assert machine.unit()["ActiveState"] == "activating" and machine.unit("prosodist")["MainPID"] == agent
    waiting = machine.run("systemctl", "show", "-P", "ControlPID", "prosody").output.strip()
    machine.run("sh", "-c", f"kill {waiting}")
    _wait_for_another(machine, agent, "0.1.0+one")
    told = _journal(machine)
    assert told.rindex("result=changed") < told.rindex("another version was installed"), "the pass was whole"
    assert machine.unit()["ActiveState"] == "active"
    assert machine.run("prosodist", "plan", "--detailed-exitcode").status == 0
    _drop_in(machine, "prosody", "")


def _upgraded_by_its_own_apt_it_ends_after_that_pass(machine: Machine, newer: Path) -> None:
    agent = machine.unit("prosodist")["MainPID"]
    packaging.offer(machine, newer)
    text = (EXAMPLE / NAME).read_text()
    machine.push({NAME: f"{text}packages: {{apt: {{prosodist: latest}}}}\n"})
    _wait_for_another(machine, agent, "0.1.0+two")
    told = _journal(machine)
    assert told.rindex("result=changed") < told.rindex("another version was installed"), "the pass was whole"
    assert machine.run("prosodist", "plan", "--detailed-exitcode").status == 0


def _removed_and_purged_it_leaves_prosody(machine: Machine) -> None:
    prosody = machine.unit()["MainPID"]
    said = machine.run("apt-get", "remove", "-y", "prosodist")
    assert said.status == 0 and "nobody reconciles them now" in said.output, said
    assert machine.unit("prosodist")["ActiveState"] == "inactive"
    assert machine.run("test", "-e", "/etc/prosodist/agent.yaml").status == 0
    assert not (machine.root / "usr/lib/prosodist").exists()
    machine.run("mkdir", "-p", "/var/cache/prosodist/packages")
    assert machine.run("apt-get", "purge", "-y", "prosodist").status == 0
    for gone in ("etc/prosodist", "var/lib/prosodist", "var/cache/prosodist", "run/prosodist"):
        assert machine.run("test", "-e", f"/{gone}").status != 0, gone
    assert not list((machine.root / "etc/systemd/system").rglob("prosodist.service"))
    assert machine.unit()["MainPID"] == prosody and machine.unit()["ActiveState"] == "active"
    assert machine.run("test", "-e", "/etc/prosody/prosody.cfg.lua").status == 0


def _push(machine: Machine, *, motd: str) -> None:
    """A commit with this message of the day, followed."""
    text = (EXAMPLE / NAME).read_text()
    machine.push({NAME: f"{text}  /srv/motd: {{content: {motd}}}\n"})
    wait_until(lambda: _read(machine.root / "srv/motd") == motd)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _wait_for_status(machine: Machine, words: str) -> None:
    tip = machine.run("git", "-C", "/srv/git", "rev-parse", "main").output[:12]
    wait_until(
        lambda: machine.run("systemctl", "show", "-P", "StatusText", "prosodist").output.strip() == f"{tip}: {words}"
    )


def _wait_for_another(machine: Machine, agent: str, version: str) -> None:
    """systemd has started the newer program in place of the one that made room."""
    wait_until(lambda: machine.unit("prosodist")["MainPID"] not in (agent, "0"))
    _wait_for_status(machine, "Synced, Healthy")
    assert machine.run("prosodist", "version").output.strip().endswith(version)
    assert f"version={version}" in _journal(machine)


def _journal(machine: Machine) -> str:
    return machine.run("journalctl", "-b", "-u", "prosodist", "--no-pager", "-o", "cat").output


def _drop_in(machine: Machine, unit: str, line: str) -> None:
    place = machine.root / f"etc/systemd/system/{unit}.service.d/test.conf"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"[Service]\n{line}\n")
    assert machine.run("systemctl", "daemon-reload").status == 0
