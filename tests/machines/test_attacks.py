"""A repository that would be root, and a Prosody's user that would, on a booted Debian 12 and 13: nobody is harmed.

What is told is one thing, and what is there afterwards another: the whole of /etc, root's home, /usr/local and what
dpkg knows are compared, byte by byte, mode by mode.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import HOST, Machine, booted, wait_until

sys.path.insert(0, str(Path(__file__).parents[1]))

from hostile import CASES, EVIL

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

NAME = f"hosts/{HOST}.yaml"
RELEASES = ("bookworm", "trixie")
PLACES = (
    *("etc", "root", "home", "usr/local", "usr/sbin", "usr/lib/systemd", "usr/share/dbus-1", "usr/share/polkit-1"),
    *("var/spool", "var/www", "var/lib/dpkg/status", "opt/prosodist/bin", "opt/prosodist/lib/python3", "boot"),
)
BASE = """\
profile: debian
prosody:
  modules_enabled: [roster, saslauth, tls, disco]
  virtual_hosts: [example.test]
"""
LUA = """\
  lua: |
    local function try(what, ...) local ok, got = pcall(what, ...) return ok and got end
    for _, path in ipairs { "/etc/motd", "/etc/cron.d/x", "/root/x", "/usr/local/sbin/x", "/srv/lua" } do
      local file = try(io.open, path, "w")
      if file then file:write("x") file:close() end
      try(os.remove, path)
      try(os.rename, "/etc/hostname", path)
    end
    try(os.execute, "touch /etc/forked /srv/forked")
    try(io.popen, "touch /etc/forked /srv/forked")
    local shadow = try(io.open, "/etc/shadow")
    if shadow then
      local said = try(io.open, "/var/lib/prosody/shadow", "w")
      if said then said:write(shadow:read("*a")) said:close() end
    end
"""


@pytest.fixture(scope="module", params=RELEASES)
def server(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A minimal machine with an agent at work on it."""
    with booted(request.param) as machine:
        machine.push({NAME: "profile: debian\n", "x": EVIL})
        machine.run("systemd-run", "--unit=agent", "--quiet", "/opt/prosodist/bin/prosodist", "run")
        wait_until(lambda: machine.run("test", "-S", "/run/prosodist/control.sock").status == 0)
        machine.reconcile()
        yield machine


def test_nobody_is_harmed(server: Machine) -> None:
    """The life of a machine under attack: by pushes that are refused, by pushes that are taken, by Prosody's user."""
    _what_would_be_root_is_refused(server)
    server.push({NAME: BASE})
    wait_until(lambda: server.reconcile()["result"] == "in_sync")
    before = snapshot(server)
    _configuration_is_a_program(server)
    _links_lead_nowhere(server)
    _prosodys_user_swaps_what_is_its_own(server)
    own = {"etc/prosodist/accepted", "etc/prosody/prosody.cfg.lua", "etc/prosody/link"}
    assert changed(before, snapshot(server)) <= own


def _what_would_be_root_is_refused(machine: Machine) -> None:
    """Each release takes a third of the table, which tests/agent/test_hostile_repository.py has as a whole."""
    share = RELEASES.index(machine.root.name)
    before = snapshot(machine)
    for name in list(CASES)[share::3]:
        case = CASES[name]
        machine.push({NAME: f"profile: debian\n{case.document}", **case.files})
        outcome = machine.reconcile()
        assert outcome["result"] == "invalid", (name, outcome)
    assert not changed(before, snapshot(machine))


def _configuration_is_a_program(machine: Machine) -> None:
    """It runs as Prosody's user: when it is checked, and in Prosody. What it says itself may be refused or not."""
    machine.push({NAME: BASE + LUA})
    machine.reconcile()
    machine.reconcile()
    for path in ("etc/forked", "srv/lua", "srv/forked", "root/x", "etc/cron.d/x"):
        assert not os.path.lexists(machine.root / path), path
    assert not _holds_shadow(machine, "var/lib/prosody")
    machine.push({NAME: BASE})
    wait_until(lambda: machine.reconcile()["result"] == "in_sync")


def _links_lead_nowhere(machine: Machine) -> None:
    """One is made by a push, and what it leads to is asked for by the next."""
    link = "files:\n  /etc/prosody/link: {link: /etc/shadow}\n"
    machine.push({NAME: BASE + link})
    machine.reconcile()
    assert os.readlink(machine.root / "etc/prosody/link") == "/etc/shadow"
    machine.push({NAME: f"{BASE}{link}  /srv/shown: {{content: {{host_file: /etc/prosody/link}}, mode: '0644'}}\n"})
    machine.reconcile()
    assert not _holds_shadow(machine, "srv")
    machine.push({NAME: BASE + link + "  /srv/up: {link: /etc}\n"})
    machine.reconcile()
    machine.push({NAME: BASE + link + "  /srv/up/cron.d/x: {content: x}\n"})
    machine.reconcile()
    assert not (machine.root / "etc/cron.d/x").exists()


def _prosodys_user_swaps_what_is_its_own(machine: Machine) -> None:
    """All the time, while root's agent writes there."""
    swap = (
        "cd /var/lib/prosody; while :; do "
        "rm -rf d; mkdir d; ln -s /etc/shadow d/f; rm -rf d; ln -s /etc d; rm -f d; mkdir d; mkfifo d/f; done"
    )
    machine.run("systemd-run", "--unit=swap", "--quiet", "--uid=prosody", "/bin/sh", "-c", swap)
    for number in range(3):
        for name in ("f", "shadow", "cron.d/x"):
            text = f"  /var/lib/prosody/d/{name}: {{content: 'x{number}', mode: '0666', owner: prosody}}\n"
            machine.push({NAME: f"{BASE}files:\n{text}"})
            machine.reconcile()
    machine.run("systemctl", "stop", "swap")
    machine.run("rm", "-rf", "/var/lib/prosody/d")
    os.link(machine.root / "etc/shadow", machine.root / "var/lib/prosody/second")  # where the kernel protects no links
    machine.push({NAME: BASE + "files: {/srv/shown: {content: {host_file: /var/lib/prosody/second}, mode: '0644'}}\n"})
    machine.reconcile()
    assert not _holds_shadow(machine, "srv")
    machine.push({NAME: BASE + "files: {/var/lib/prosody/second: {content: x, mode: '0666', owner: prosody}}\n"})
    machine.reconcile()
    machine.run("rm", "/var/lib/prosody/second")
    machine.push({NAME: BASE + "files: {/etc/prosody/link: {link: /etc/shadow}}\n"})
    machine.reconcile()


def _holds_shadow(machine: Machine, place: str) -> bool:
    secret = (machine.root / "etc/shadow").read_bytes().splitlines()[0]
    files = (path for path in (machine.root / place).rglob("*") if path.is_file() and not path.is_symlink())
    return any(path.stat().st_nlink == 1 and secret in path.read_bytes() for path in files)


def snapshot(machine: Machine) -> dict[str, tuple[object, ...]]:
    """Path → kind and mode, owner, group, content."""
    found: dict[str, tuple[object, ...]] = {}
    for place in PLACES:
        top = machine.root / place
        for path in [top, *top.rglob("*")] if top.is_dir() else [top] * top.exists():
            info = path.lstat()
            if "__pycache__" not in path.parts:
                body = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
                said = os.readlink(path) if stat.S_ISLNK(info.st_mode) else hashlib.sha256(body).hexdigest()
                found[str(path.relative_to(machine.root))] = (info.st_mode, info.st_uid, info.st_gid, said)
    return found


def changed(before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]]) -> set[str]:
    """Every path that came, went, or is another."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
