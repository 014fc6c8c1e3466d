"""Packages of apt on a booted Debian 12 and 13: what git wants of them, against what apt and dpkg do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from machines import HOST, SETTINGS, Machine, booted, wait_until
from repository import Repository, repository

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]

NAME = f"hosts/{HOST}.yaml"
POLICY = """\
#!/bin/sh
# the admin's own
echo "$1" >>/run/asked
exit 0
"""
ASKING = "".join(
    f"policy=0; /usr/sbin/policy-rc.d {unit} start || policy=$?; echo {unit} $policy >>/run/answered\n"
    for unit in ("prosody", "prosody.service", "prosodist.service", "cron")
)
"""What invoke-rc.d(8) and deb-systemd-invoke(1p) ask."""


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def shop(request: pytest.FixtureRequest) -> Iterator[tuple[Machine, Repository]]:
    """A minimal machine whose apt knows one source, ours."""
    with booted(request.param) as machine, repository(machine) as repo:
        (machine.root / "etc/apt/sources.list").unlink(missing_ok=True)
        for path in (machine.root / "etc/apt/sources.list.d").iterdir():
            path.unlink()
        repo.trust()
        (machine.root / "etc/prosodist/agent.yaml").write_text(f"{SETTINGS}allow: {{packages: [telnetd]}}\n")
        yield machine, repo


def test_packages_are_as_git_says(shop: tuple[Machine, Repository]) -> None:
    """The life of a machine's packages: each step begins where the one before has ended."""
    machine, repo = shop
    _all_kinds_of_wishes_in_one_run(machine, repo)
    _an_idle_pass_starts_nothing(machine)
    _an_upgrade_keeps_a_conffile(machine)
    _the_latest_follows_the_lists(machine, repo)
    _a_hold_binds_others(machine)
    _a_lock_is_waited_for(machine)
    _what_cannot_be_had_is_told(machine)
    _what_was_here_is_not_taken(machine)
    _nothing_goes_for_another_unless_git_says_so(machine)
    _gone_from_git_goes_when_nothing_needs_it(machine)


def _say(machine: Machine, **packages: str) -> dict[str, Any]:
    """Push these wishes, and make a pass."""
    said = "".join(f"    {name}: {wish}\n" for name, wish in packages.items())
    machine.push({NAME: f"profile: debian\npackages:\n  apt:\n{said}" if said else "profile: debian\n"})
    return _pass(machine)


def _pass(machine: Machine) -> dict[str, Any]:
    """A pass, and its outcome, which is shown where a step fails."""
    outcome = machine.reconcile()
    print(outcome)
    return outcome


def _installed(machine: Machine) -> dict[str, str]:
    """Package → version, of those that we built."""
    form = "${Package} ${Version} ${db:Status-Status} ${Maintainer}\n"
    rows = [line.split() for line in machine.run("dpkg-query", "-W", "-f", form).output.splitlines()]
    return {row[0]: row[1] for row in rows if row[2] == "installed" and row[3] == "Tests"}


def _runs_of_apt(machine: Machine) -> int:
    return (machine.root / "var/log/apt/history.log").read_text().count("Start-Date:")


def _waits(outcome: dict[str, Any]) -> str:
    return " ".join(f"{wait['id']}: {wait['why']}" for wait in outcome["waits"])


def _all_kinds_of_wishes_in_one_run(machine: Machine, repo: Repository) -> None:
    for version in ("1.0-1", "1.1-1", "2.0-1"):
        for name in ("first", "second", "third", "fourth"):
            conffile = {f"/etc/{name}.conf": f"{version}\n"}
            repo.build(name, version, conffiles=conffile, scripts={"postinst": ASKING, "prerm": ASKING})
        repo.build("elder", version)
    repo.build("lib", "1:1.0-1")
    repo.build("app", "1.0-1", depends="lib (>= 1:1.0)")
    repo.build("rival", "1.0-1", depends="dpkg\nConflicts: fourth")
    repo.publish()
    machine.run("apt-get", "update")
    assert machine.run("apt-get", "install", "-y", "elder").status == 0
    before = _runs_of_apt(machine)
    (machine.root / "usr/sbin/policy-rc.d").write_text(POLICY)
    (machine.root / "usr/sbin/policy-rc.d").chmod(0o755)
    outcome = _say(
        machine, first='"1.0"', second='">=1, <2"', third="{version: 1.1-1, hold: true}", fourth="latest",
        elder="present", app="present", lib='"1.0"', telnetd="absent",
    )  # fmt: skip
    assert outcome["result"] == "changed" and not outcome["failures"], outcome
    assert _installed(machine) == {
        "first": "1.0-1", "second": "1.1-1", "third": "1.1-1", "fourth": "2.0-1", "elder": "2.0-1",
        "app": "1.0-1", "lib": "1:1.0-1",
    }  # fmt: skip
    assert _runs_of_apt(machine) == before + 1
    assert (machine.root / "usr/sbin/policy-rc.d").read_text() == POLICY, "the admin's own is what it was"
    assert not (machine.root / "usr/.prosodist").exists()
    answers = set(machine.run("cat", "/run/answered").output.splitlines())
    assert answers == {"prosody 101", "prosody.service 101", "prosodist.service 101", "cron 0"}
    assert set(machine.run("cat", "/run/asked").output.split()) == {"cron"}, "of all others the admin's own is asked"


def _an_idle_pass_starts_nothing(machine: Machine) -> None:
    assert machine.prosodist("plan", "--detailed-exitcode").status == 0
    assert _pass(machine)["result"] == "in_sync"


WISHES = {"first": '"1.0"', "third": "{version: 1.1-1, hold: true}", "fourth": "latest", "app": "present"}


def _an_upgrade_keeps_a_conffile(machine: Machine) -> None:
    (machine.root / "etc/first.conf").write_text("by hand\n")
    outcome = _say(machine, **WISHES | {"first": '"2.0"', "second": '">=1, <2"', "elder": "present", "lib": "present"})
    assert [change["id"] for change in outcome["changes"]][-1] == "package:first", outcome
    assert _installed(machine)["first"] == "2.0-1" and (machine.root / "etc/first.conf").read_text() == "by hand\n"
    outcome = _say(machine, **WISHES | {"second": '">=1, <2"', "elder": "present", "lib": "present"})
    assert _installed(machine)["first"] == "1.0-1", "what we brought may be taken back"


def _the_latest_follows_the_lists(machine: Machine, repo: Repository) -> None:
    repo.build("fourth", "2.1-1")
    repo.publish()
    assert _pass(machine)["result"] == "in_sync", "once a day is enough"
    machine.run("apt-get", "update")
    _pass(machine)
    assert _installed(machine)["fourth"] == "2.1-1"


def _a_hold_binds_others(machine: Machine) -> None:
    assert machine.run("apt-mark", "showhold").output.split() == ["third"]
    machine.run("apt-get", "-y", "upgrade")
    assert _installed(machine)["third"] == "1.1-1" and _installed(machine)["second"] == "2.0-1"
    machine.run("apt-mark", "unhold", "third")
    _pass(machine)
    assert machine.run("apt-mark", "showhold").output.split() == ["third"], "put right"
    assert _installed(machine)["second"] == "1.1-1", "put right"
    _say(machine, **WISHES | {"third": '"2.0"', "elder": "present", "lib": "present"})
    assert machine.run("apt-mark", "showhold").output == "" and _installed(machine)["third"] == "2.0-1"


@contextmanager
def _taken(machine: Machine, lock: str) -> Iterator[None]:
    """A lock, as another apt has it."""
    code = f"import fcntl, time\nfile = open({lock!r}, 'r+')\nfcntl.lockf(file, fcntl.LOCK_EX)\n"
    code += "open('/run/taken', 'w')\ntime.sleep(99)"
    machine.run("systemd-run", "--unit=taker", "--quiet", "--collect", "/usr/bin/python3", "-c", code)
    wait_until(lambda: machine.run("test", "-e", "/run/taken").status == 0)
    try:
        yield
    finally:
        machine.run("systemctl", "stop", "taker")
        machine.run("rm", "/run/taken")


def _a_lock_is_waited_for(machine: Machine) -> None:
    wishes = WISHES | {"third": "present", "elder": "present", "lib": "present"}
    with _taken(machine, "/var/lib/dpkg/lock-frontend"):
        outcome = _say(machine, **wishes | {"first": '"2.0"'})
        assert "somebody else installs packages now" in str(outcome["failures"]), outcome
        assert _installed(machine)["first"] == "1.0-1"
    assert _pass(machine)["result"] == "changed" and _installed(machine)["first"] == "2.0-1"
    with _taken(machine, "/var/lib/apt/lists/lock"):
        (machine.root / "etc/apt/preferences.d/none").write_text("")
        outcome = _say(machine, **wishes)
        assert "somebody else reads apt's lists anew" in str(outcome["failures"]), outcome
    assert _pass(machine)["result"] == "changed" and _installed(machine)["first"] == "1.0-1"


def _what_cannot_be_had_is_told(machine: Machine) -> None:
    wishes = WISHES | {"third": "present", "elder": "present", "lib": "present"}
    outcome = _say(machine, **wishes | {"first": '"3.0"', "nosuch": "present"})
    told = _waits(outcome)
    assert "no source of this host has a version 3.0; there is 2.0-1 (" in told, outcome
    assert "package:nosuch: no source of this host has any version; look at its name" in told
    _say(machine, **wishes)


def _what_was_here_is_not_taken(machine: Machine) -> None:
    wishes = WISHES | {"third": "present", "lib": "present"}
    outcome = _say(machine, **wishes | {"elder": '"1.0"'})
    assert "a push may not bring 1.0-1 for the newer 2.0-1" in _waits(outcome), outcome
    assert "write allow: {packages: [elder]} in agent.yaml" in _waits(outcome)
    assert _installed(machine)["elder"] == "2.0-1"
    (machine.root / "etc/prosodist/agent.yaml").write_text(SETTINGS + "allow: {packages: [elder]}\n")
    assert _pass(machine)["result"] == "changed" and _installed(machine)["elder"] == "1.0-1"
    _say(machine, **wishes | {"elder": "absent"})
    assert "elder" not in _installed(machine)
    outcome = _say(machine, **wishes | {"lib": "absent"})
    assert "package:lib: it cannot be removed while app needs it" in _waits(outcome) and "lib" in _installed(machine)


def _nothing_goes_for_another_unless_git_says_so(machine: Machine) -> None:
    wishes = {name: wish for name, wish in WISHES.items() if name != "fourth"} | {"third": "present", "lib": "present"}
    outcome = _say(machine, **wishes | {"fourth": "present", "rival": "present", "elder": "2.0-1"})
    assert "apt would remove fourth for it" in str(outcome["failures"]), outcome
    assert {"fourth", "elder"} <= _installed(machine).keys() and "rival" not in _installed(machine)
    outcome = _say(machine, **wishes | {"fourth": "absent", "rival": "present"})
    assert "rival" in _installed(machine) and "fourth" not in _installed(machine), outcome


def _gone_from_git_goes_when_nothing_needs_it(machine: Machine) -> None:
    (machine.root / "etc/third.conf").write_text("by hand\n")
    (machine.root / "usr/.prosodist/policy/policy-rc.d").mkdir(parents=True)  # as a unit that was cut short leaves it
    machine.run("rm", "-f", "/run/answered")
    outcome = _say(machine, app="present")
    if outcome["held"]:
        assert machine.prosodist("confirm").status == 0
    assert _installed(machine).keys() == {"app", "lib"}, outcome
    assert (machine.root / "etc/third.conf").read_text() == "by hand\n", "removed, and not purged"
    assert "prosody 101" in machine.run("cat", "/run/answered").output.splitlines(), "a removal touches none either"
    assert _pass(machine)["result"] == "in_sync"
    _say(machine)
    assert "app" not in _installed(machine)
