"""A Debian server with a past: Prosody was installed and configured by hand before the agent came."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from machines import HOST, Machine, booted

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

CONFIG = "/etc/prosody/prosody.cfg.lua"
BY_HAND = """\
-- kept by hand since 2019
admins = { "ana@example.test" }
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "admin_shell" }
c2s_require_encryption = false
pidfile = "/run/prosody/prosody.pid"
log = { info = "/var/log/prosody/prosody.log" }
certificates = "certs"
VirtualHost "example.test"
    allow_registration = true
VirtualHost "old.example"
Include "conf.d/*.cfg.lua"
"""
OWN = 'Component "rooms.example.test" "muc"\n'
DOCUMENT = """\
profile: debian
prosody:
  admins: [ben@example.test]
  modules_enabled: [roster, saslauth, tls, disco, ping, admin_shell]
  virtual_hosts:
    example.test: {}
"""


@pytest.fixture(params=["bookworm", "trixie"])
def lived_in(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine on which Prosody serves an account, as its admin has set it up."""
    with booted(request.param) as machine:
        for words in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", "prosody"]):
            assert machine.run("env", "DEBIAN_FRONTEND=noninteractive", *words).status == 0
        (machine.root / CONFIG[1:]).write_text(BY_HAND)
        (machine.root / "etc/prosody/conf.d/own.cfg.lua").write_text(OWN)
        assert machine.run("chmod", "0600", CONFIG).status == 0
        assert machine.run("chown", "prosody:prosody", CONFIG).status == 0
        assert machine.run("systemctl", "restart", "prosody").status == 0
        assert machine.run("prosodyctl", "register", "ana", "example.test", "secret").status == 0
        yield machine


def test_what_was_made_by_hand_waits_for_a_word_and_is_kept(lived_in: Machine) -> None:
    """The first plan is held and shown option by option; `confirm` lets it go; all that was there can be had back."""
    machine = lived_in
    machine.push({f"hosts/{HOST}.yaml": DOCUMENT})
    _it_is_held(machine)
    _it_is_shown_option_by_option(machine)
    _a_word_lets_it_go(machine)
    _what_was_there_can_be_had_back(machine)


def _it_is_held(machine: Machine) -> None:
    pid, before = machine.unit()["MainPID"], machine.run("find", "/etc/prosody", "-type", "f", "-ls").output
    outcome = machine.reconcile()
    assert outcome["result"] == "held", outcome
    assert [change["object"] for change in outcome["held"]] == [CONFIG], outcome["held"]
    assert (machine.root / CONFIG[1:]).read_text() == BY_HAND
    after = machine.run("find", "/etc/prosody", "-type", "f", "-ls").output
    assert set(before.splitlines()) <= set(after.splitlines()), "what was there is as it was"
    assert machine.unit()["MainPID"] == pid and len(machine.events()) == 2, "his Prosody goes on"


def _it_is_shown_option_by_option(machine: Machine) -> None:
    shown = machine.prosodist("plan").output
    for said in ("ana@example.test", "ben@example.test", "old.example", "allow_registration", "rooms.example.test"):
        assert said in shown, shown
    assert "confirm" in shown


def _a_word_lets_it_go(machine: Machine) -> None:
    confirmed = machine.prosodist("confirm")
    assert confirmed.status == 0, confirmed
    assert "Written by prosodist" in (machine.root / CONFIG[1:]).read_text()
    assert machine.unit()["ActiveState"] == "active"
    assert machine.reconcile()["result"] == "in_sync"
    assert (machine.root / "etc/prosody/conf.d/own.cfg.lua").read_text() == OWN, "it is not ours"
    assert (machine.root / "var/lib/prosody/example%2etest/accounts/ana.dat").exists()
    login = machine.run("prosodyctl", "shell", "user", "list", "example.test").output
    assert "ana@example.test" in login, login


def _what_was_there_can_be_had_back(machine: Machine) -> None:
    kept = json.loads(machine.prosodist("kept", "list", "-o", "json").output)
    (copy,) = [item for item in kept if item["object"] == CONFIG]
    assert machine.prosodist("kept", "show", copy["id"]).output == BY_HAND
    machine.prosodist("suspend", "a look at what was there")
    assert machine.prosodist("kept", "restore", copy["id"]).status == 0
    assert (machine.root / CONFIG[1:]).read_text() == BY_HAND
    assert machine.run("stat", "-c", "%a %U:%G", CONFIG).output.strip() == "600 prosody:prosody"
    assert machine.run("systemctl", "restart", "prosody").status == 0 and machine.unit()["ActiveState"] == "active"
