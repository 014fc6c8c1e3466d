"""A Debian server: from a minimal system to a kept one, on a booted Debian 12 and 13."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from machines import HOST, Machine, booted, wait_until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

NAME = f"hosts/{HOST}.yaml"
DOCUMENT = """\
profile: debian
prosody:
  admins: [admin@example.test]
  modules_enabled: [roster, saslauth, tls, dialback, disco, carbons, pep, mam, smacks, admin_shell]
  virtual_hosts:
    example.test: {}
files:
  /etc/motd: {content: "Kept by prosodist\\n"}
"""


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def bare(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A minimal machine: no Prosody, no user of its name."""
    with booted(request.param) as machine:
        assert machine.run("id", "prosody").status != 0
        yield machine


def test_one_commit_makes_a_server(bare: Machine) -> None:
    """The life of a machine, from nothing: each step begins where the one before has ended."""
    _the_agent_is_killed_while_apt_works(bare)
    _from_nothing_to_serving(bare)
    _a_second_pass_does_nothing(bare)
    _a_push_restarts_or_reloads(bare)
    _what_a_person_stops_is_started(bare)
    _what_is_closed_is_refused(bare)
    _a_reboot_changes_nothing(bare)
    _a_running_agent_follows_a_push(bare)
    _gone_from_git_is_ended(bare)


def _the_agent_is_killed_while_apt_works(machine: Machine) -> None:
    machine.push({NAME: DOCUMENT})
    unpacked = machine.root / "usr/share/lua/5.4/socket.lua"
    with machine.killed("/opt/prosodist/bin/prosodist", "reconcile"):
        wait_until(unpacked.exists)
    assert machine.unit("prosodist-apt.service")["ActiveState"] == "active", "apt goes on without the agent"
    assert not machine.events()
    while machine.unit("prosodist-apt.service")["ActiveState"] == "active":
        outcome = machine.reconcile()
        assert outcome["result"] in ("failed", "changed"), outcome
        time.sleep(0.5)


def _from_nothing_to_serving(machine: Machine) -> None:
    outcome = machine.reconcile()
    assert outcome["result"] in ("changed", "in_sync"), outcome
    assert machine.unit()["ActiveState"] == "active" and machine.unit()["UnitFileState"] == "enabled"
    assert "Written by prosodist" in (machine.root / "etc/prosody/prosody.cfg.lua").read_text()
    assert len(machine.events()) == 1, "the stock configuration was never served"
    assert not (machine.root / "usr/sbin/policy-rc.d").exists() and not (machine.root / "usr/.prosodist").exists()
    assert (machine.root / "etc/motd").read_text() == "Kept by prosodist\n"
    seen = machine.run("stat", "-c", "%a %U:%G", "/etc/prosody/prosody.cfg.lua", "/etc/prosody/certs/example.test.key")
    assert seen.output.split("\n")[:2] == ["640 root:prosody", "640 root:prosody"]
    assert ":5222 " in machine.run("ss", "-ltn").output


def _a_second_pass_does_nothing(machine: Machine) -> None:
    pid = machine.unit()["MainPID"]
    assert machine.prosodist("plan", "--detailed-exitcode").status == 0
    assert machine.reconcile()["result"] == "in_sync"
    assert machine.unit()["MainPID"] == pid


def _a_push_restarts_or_reloads(machine: Machine) -> None:
    pid = machine.unit()["MainPID"]
    logged = DOCUMENT.replace("prosody:\n", "prosody:\n  log: {debug: /var/log/prosody/prosody.log}\n")
    machine.push({NAME: logged})
    outcome = machine.reconcile()
    assert outcome["result"] == "changed" and machine.unit()["MainPID"] == pid, outcome["failures"]
    machine.push({NAME: DOCUMENT.replace("carbons, ", "")})
    assert machine.reconcile()["result"] == "changed" and machine.unit()["MainPID"] != pid


def _what_a_person_stops_is_started(machine: Machine) -> None:
    machine.run("systemctl", "disable", "prosody")
    assert machine.prosodist("plan", "--detailed-exitcode").status == 2, "no proof of an ended agent hides it"
    machine.run("systemctl", "stop", "prosody")
    outcome = machine.reconcile()
    assert [change["id"] for change in outcome["changes"]] == ["service:prosody"], outcome
    assert (machine.unit()["ActiveState"], machine.unit()["UnitFileState"]) == ("active", "enabled")
    machine.run("systemctl", "mask", "--now", "prosody")
    assert machine.reconcile()["result"] == "changed" and machine.unit()["ActiveState"] == "active"


def _what_is_closed_is_refused(machine: Machine) -> None:
    pid = machine.unit()["MainPID"]
    for path in ("/etc/cron.d/mine", "/usr/local/sbin/mine", "/etc/prosodist/mine", "/root/.forward"):
        machine.push({NAME: f"{DOCUMENT}  {path}: {{content: x}}\n"})
        outcome = machine.reconcile()
        assert outcome["result"] == "invalid" and path in str(outcome["mistakes"]), outcome
        assert not (machine.root / path[1:]).exists()
    machine.push({NAME: DOCUMENT.replace("  /etc/motd", "  /etc/cron.d/mine: {content: x}\n  /etc/motd")})
    (machine.root / "etc/prosodist/agent.yaml").open("a").write("allow: {write: [/etc/cron.d]}\n")
    assert machine.reconcile()["result"] == "changed" and (machine.root / "etc/cron.d/mine").read_text() == "x"
    assert machine.unit()["MainPID"] != pid, "carbons are back, which takes a restart"


def _a_reboot_changes_nothing(machine: Machine) -> None:
    time.sleep(3)  # what was written less than two seconds before the start may be newer, by a coarse clock
    machine.end()
    machine.boot()
    assert machine.unit()["ActiveState"] == "active"
    pid = machine.unit()["MainPID"]
    outcome = machine.reconcile()
    assert [change["id"] for change in outcome["changes"]] == ["dir:/run/prosodist-stage"], outcome
    assert not outcome["activations"] and machine.unit()["MainPID"] == pid, "what it has loaded is known"
    assert machine.reconcile()["result"] == "in_sync"


def _a_running_agent_follows_a_push(machine: Machine) -> None:
    pid = machine.unit()["MainPID"]
    machine.run("systemd-run", "--unit=agent", "--quiet", "/opt/prosodist/bin/prosodist", "run")
    wait_until(lambda: machine.run("test", "-S", "/run/prosodist/control.sock").status == 0)
    machine.push({NAME: DOCUMENT.replace("example.test: {}", "example.test: {}\n    example.net: {}")})
    wait_until(lambda: "example.net" in (machine.root / "etc/prosody/prosody.cfg.lua").read_text())
    wait_until(lambda: machine.unit()["MainPID"] not in (pid, "0"))
    machine.run("systemctl", "kill", "--signal=KILL", "prosody")
    wait_until(lambda: machine.reconcile()["result"] == "in_sync" and machine.unit()["ActiveState"] == "active")
    machine.run("systemctl", "stop", "agent")
    assert machine.unit()["ActiveState"] == "active", "Prosody goes on without the agent"


def _gone_from_git_is_ended(machine: Machine) -> None:
    machine.push({NAME: 'profile: debian\nfiles:\n  /etc/motd: {content: "Still here\\n"}\n'})
    outcome = machine.reconcile()
    if outcome["held"]:
        assert machine.prosodist("confirm").status == 0
    assert machine.unit()["ActiveState"] == "inactive"
