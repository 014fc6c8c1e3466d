"""Services of a Debian server: what runs, what starts with the host, and what they are started with."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machines import HOST, PROGRAM, Machine, booted, wait_until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

NAME = f"hosts/{HOST}.yaml"
PROSODY = """\
profile: debian
prosody:
  modules_enabled: [roster, saslauth, tls, disco]
  virtual_hosts: [example.test]
services:
"""
SERVICES = """\
  prosody: {rlimits: {nofile: 7000}, environment: {FOO: 'a "b" 50% \\ $x'}, umask: "0007"}
  daemon: {rlimits: {nofile: 5000, core: 0}, environment: {BAR: "1"}, umask: "0027"}
  once: {}
  tick.timer: {}
  rarely: {}
  ghost: {}
"""
UNITS = {
    "daemon.service": "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    "once.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/touch /run/once\n",
    "tick.timer": "[Timer]\nOnCalendar=yearly\n[Install]\nWantedBy=timers.target\n",
    "tick.service": "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n",
    "rarely.service": "[Unit]\nConditionPathExists=/none\n[Service]\nExecStart=/usr/bin/sleep infinity\n"
    "[Install]\nWantedBy=multi-user.target\n",
    "foreign.service": "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    "dying.service": "[Service]\nExecStart=/usr/bin/false\nRestart=always\nRestartSec=30\n",
    "failing.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/false\n",
}
ALLOW = "allow: {services: [daemon, foreign]}\n"
DROP_IN = "etc/systemd/system/daemon.service.d/prosodist.conf"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def served(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A minimal machine with a few units of its own."""
    with booted(request.param) as machine:
        for name, text in UNITS.items():
            (machine.root / "etc/systemd/system" / name).write_text(text)
        (machine.root / "etc/prosodist/agent.yaml").open("a").write(ALLOW)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "enable", "--now", "foreign")
        yield machine


def test_services_are_kept(served: Machine) -> None:
    """The life of a machine: each step begins where the one before has ended."""
    _one_commit_starts_each_once(served)
    _a_second_pass_does_nothing(served)
    _what_a_person_did_is_put_right(served)
    _a_new_limit_takes_one_restart(served)
    _an_agent_killed_before_the_restart_restarts(served)
    _what_dies_is_told_and_left(served)
    _only_what_is_ours_or_allowed_is_stopped(served)
    _an_idle_pass_starts_one_process(served)
    _gone_from_git_is_let_go(served)


def _one_commit_starts_each_once(machine: Machine) -> None:
    machine.push({NAME: PROSODY + SERVICES})
    outcome = _changed(machine)
    assert [wait["id"] for wait in outcome["waits"]] == ["service:ghost"]
    assert _states(machine, "daemon.service", "once.service", "tick.timer", "rarely.service") == [
        ("active", "enabled"), ("active", "static"), ("active", "enabled"), ("inactive", "enabled"),
    ]  # fmt: skip
    assert (_limit(machine, "daemon"), _limit(machine, "prosody")) == ("5000", "7000")
    assert "BAR=1" in _environment(machine, "daemon") and 'FOO=a "b" 50% \\ $x' in _environment(machine, "prosody")
    assert "Umask:\t0027" in _proc(machine, "daemon", "status")
    assert len(machine.events()) == 1 and _starts(machine, "daemon") == 1, "with its drop-in from the first start"


def _a_second_pass_does_nothing(machine: Machine) -> None:
    pids = _pids(machine)
    assert machine.reconcile()["result"] == "in_sync"
    assert _pids(machine) == pids


def _what_a_person_did_is_put_right(machine: Machine) -> None:
    machine.run("systemctl", "stop", "tick.timer")
    machine.run("systemctl", "disable", "tick.timer")
    machine.run("systemctl", "stop", "once")
    machine.run("systemctl", "mask", "prosody")
    pids = _pids(machine)
    written = (machine.root / DROP_IN).read_text()
    (machine.root / DROP_IN).write_text(f"{written}Nice=5\n")
    outcome = _changed(machine)
    assert {change["id"]: change["class"] for change in outcome["changes"]} == {
        f"dropin:/{DROP_IN}": "corrective", "service:prosody": "corrective", "service:tick.timer": "corrective",
        "service:once": "corrective",
    }  # fmt: skip
    assert _states(machine, "once.service", "tick.timer", "prosody.service") == [
        ("active", "static"), ("active", "enabled"), ("active", "enabled"),
    ]  # fmt: skip
    assert (machine.root / DROP_IN).read_text() == written
    assert _pids(machine) == pids, "what runs has what git says: nobody is disturbed"


def _a_new_limit_takes_one_restart(machine: Machine) -> None:
    pids, starts = _pids(machine), len(machine.events())
    machine.push({NAME: (PROSODY + SERVICES).replace("7000", "7001").replace("5000", "5001").replace("tls, ", "")})
    outcome = _changed(machine)
    assert {change["class"] for change in outcome["changes"]} == {"intended"}
    assert (_limit(machine, "daemon"), _limit(machine, "prosody")) == ("5001", "7001")
    assert len(machine.events()) == starts + 1, "one restart for its limits and its configuration"
    assert _starts(machine, "daemon") == 2 and pids != _pids(machine)


def _an_agent_killed_before_the_restart_restarts(machine: Machine) -> None:
    starts = _starts(machine, "daemon")
    machine.push({NAME: (PROSODY + SERVICES).replace("nofile: 5000", "nofile: 5002").replace("tls, ", "")})
    with machine.killed(f"{PROGRAM}/bin/prosodist", "reconcile"):
        wait_until(lambda: "5002" in (machine.root / DROP_IN).read_text())
    assert _starts(machine, "daemon") == starts, "it was killed in between"
    wait_until(lambda: machine.reconcile()["result"] in ("changed", "in_sync"))
    assert _limit(machine, "daemon") == "5002" and _starts(machine, "daemon") == starts + 1
    assert _limit(machine, "prosody") == "7000"


def _what_dies_is_told_and_left(machine: Machine) -> None:
    machine.push({NAME: PROSODY + SERVICES + "  dying: {}\n  failing: {}\n"})
    told = "\n".join(machine.reconcile()["failures"])
    assert "dying: still dies again and again" in told and "failing.service: start" in told
    assert machine.unit("dying.service")["NRestarts"] in "01", "nobody starts it in a loop"
    machine.push({NAME: PROSODY + SERVICES})
    machine.run("systemctl", "stop", "dying")
    assert not machine.reconcile()["failures"]


def _only_what_is_ours_or_allowed_is_stopped(machine: Machine) -> None:
    off = "{enabled: false, running: false}"
    machine.push({NAME: f"{PROSODY}{SERVICES}  cron: {off}\n  dbus: {{}}\n  poweroff.target: {{}}\n"})
    outcome = machine.reconcile()
    refused = str(outcome["mistakes"])
    assert outcome["result"] == "invalid" and all(
        f"[{name}]" in refused for name in ("cron", "dbus", "poweroff.target")
    )
    ours = SERVICES.replace("tick.timer: {}", f"tick.timer: {off}")
    machine.push({NAME: f"{PROSODY}{ours}  foreign: {off}\n"})
    _changed(machine)
    assert _states(machine, "foreign.service", "tick.timer") == [("inactive", "disabled")] * 2
    machine.run("systemctl", "enable", "--now", "foreign")
    assert [change["id"] for change in machine.reconcile()["changes"]] == ["service:foreign"]
    assert _states(machine, "foreign.service") == [("inactive", "disabled")]


def _an_idle_pass_starts_one_process(machine: Machine) -> None:
    machine.run("systemd-run", "--unit=agent", "--quiet", f"{PROGRAM}/bin/prosodist", "run")
    wait_until(lambda: machine.prosodist("status").status == 0)
    time.sleep(3)  # a proof ripens for two seconds
    machine.reconcile()
    pid = _process(machine, int(machine.unit("agent.service")["MainPID"]))
    with tempfile.NamedTemporaryFile() as trace:
        argv = ["strace", "-f", "-qq", "-s", "500", "-e", "trace=execve", "-o", trace.name, "-p", str(pid)]
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as tracer:
            time.sleep(1)
            os.kill(pid, signal.SIGUSR1)
            time.sleep(2)
            tracer.terminate()
        started = [line for line in Path(trace.name).read_text().splitlines() if line.endswith("= 0")]
    machine.run("systemctl", "stop", "agent")
    assert len(started) == 1, started
    assert '"/usr/bin/systemctl", "show"' in started[0]
    assert len(set(re.findall(r'"([a-z]+\.(?:service|timer))"', started[0]))) == 7, started


def _gone_from_git_is_let_go(machine: Machine) -> None:
    starts = len(machine.events())
    machine.push({NAME: PROSODY.removesuffix("services:\n")})
    _changed(machine)
    assert not (machine.root / DROP_IN).exists()
    assert _states(machine, "daemon.service", "once.service") == [("active", "enabled"), ("active", "static")]
    assert "BAR=1" not in _environment(machine, "daemon") and "FOO" not in _environment(machine, "prosody")
    assert len(machine.events()) == starts + 1
    assert machine.reconcile()["result"] == "in_sync"


def _changed(machine: Machine) -> dict[str, Any]:
    outcome = machine.reconcile()
    assert outcome["result"] == "changed" and not outcome["failures"], (outcome["failures"], outcome["mistakes"])
    return outcome


def _states(machine: Machine, *units: str) -> list[tuple[str, str]]:
    said = [machine.unit(unit) for unit in units]
    return [(unit["ActiveState"], unit["UnitFileState"]) for unit in said]


def _pids(machine: Machine) -> dict[str, str]:
    return {name: machine.unit(f"{name}.service")["MainPID"] for name in ("prosody", "daemon")}


def _process(machine: Machine, pid: int) -> int:
    """The number by which this machine knows a process of another."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            inner = re.search(r"^NSpid:.*\s(\d+)$", status.read_text(), re.MULTILINE)
            there = status.parent / "root/etc/machine-id"
            if inner and int(inner[1]) == pid and there.samefile(machine.root / "etc/machine-id"):
                return int(status.parent.name)
    raise LookupError(pid)


def _proc(machine: Machine, service: str, file: str) -> str:
    return machine.run("cat", f"/proc/{machine.unit(f'{service}.service')['MainPID']}/{file}").output


def _limit(machine: Machine, service: str) -> str:
    found = re.search(r"^Max open files +(\d+) ", _proc(machine, service, "limits"), re.MULTILINE)
    return found[1] if found else ""


def _environment(machine: Machine, service: str) -> list[str]:
    return _proc(machine, service, "environ").split("\0")


def _starts(machine: Machine, service: str) -> int:
    told = machine.run("journalctl", "-b", "-u", service, "--no-pager", "-o", "cat").output
    return sum(line.startswith("Started ") for line in told.splitlines())
