"""What a Debian server may suffer: power cuts while apt works, a full disk, an /etc that cannot be written.

Each time the next passes end converged, or say what a person must do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from disk import fill
from machines import HOST, PROGRAM, Machine, booted, wait_until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

NAME = f"hosts/{HOST}.yaml"
DOCUMENT = """\
profile: debian
prosody:
  modules_enabled: [roster, saslauth, tls, disco]
  virtual_hosts:
    example.test: {}
files:
  /etc/motd: {content: "Kept by prosodist\\n"}
"""
CUTS = 10


@pytest.fixture(params=["bookworm", "trixie"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A minimal machine on a small disk of its own."""
    with booted(request.param, megabytes=1400) as machine:
        yield machine


def test_a_server_outlives_calamities(machine: Machine) -> None:
    """Ten power cuts while apt works, a full disk before and after, a read-only /etc: it ends converged."""
    machine.push({NAME: DOCUMENT})
    _a_full_disk_installs_nothing(machine)
    _power_is_cut_while_apt_works(machine)
    _a_full_disk_disturbs_nobody(machine)
    _what_cannot_be_written_is_told(machine)


def _a_full_disk_installs_nothing(machine: Machine) -> None:
    filler = fill(machine.root, but=9_000_000)
    outcome = machine.reconcile()
    assert outcome["result"] == "failed", outcome
    assert "space" in str(outcome["failures"]), outcome
    assert machine.run("id", "prosody").status != 0
    filler.unlink()


def _power_is_cut_while_apt_works(machine: Machine) -> None:
    """At ten moments: at random after apt or dpkg began, and as soon as Prosody's package is configured.

    Where all is done before the tenth, Prosody is taken away by hand and comes again.
    """
    seed = random.randrange(1_000_000)
    moments = random.Random(seed)
    for cut in range(CUTS):
        begun = (_apt_works, _dpkg_works, _is_configured)[cut % 3]
        with machine.begun(f"{PROGRAM}/bin/prosodist", "reconcile") as command:
            wait_until(lambda begun=begun, command=command: begun(machine) or command.poll() is not None)
            if begun is not _is_configured:
                time.sleep(moments.uniform(0.0, 3.0))
            machine.end(cut=True)
        machine.boot()
        assert _is_ours(machine) or machine.unit()["ActiveState"] != "active", f"the stock configuration serves; {seed}"
        if _is_ours(machine):
            machine.run("systemctl", "stop", "prosody")
            machine.run("apt-get", "purge", "-qy", "prosody")
            machine.run("rm", "-rf", "/etc/prosody")
    starts = len(machine.events())
    for _ in range(3):
        outcome = machine.reconcile()
        if outcome["result"] == "in_sync":
            break
    assert outcome["result"] == "in_sync", (seed, outcome["failures"], outcome["mistakes"])
    assert machine.unit()["ActiveState"] == "active" and _is_ours(machine), seed
    assert len(machine.events()) == starts + 1, f"it is started once, with our configuration; seed {seed}"
    assert not machine.run("dpkg", "--audit").output, seed
    for leftover in ("usr/sbin/policy-rc.d", "usr/.prosodist"):
        assert not (machine.root / leftover).exists(), (seed, leftover)


def _a_full_disk_disturbs_nobody(machine: Machine) -> None:
    pid = machine.unit()["MainPID"]
    machine.push({NAME: DOCUMENT.replace("tls, disco", "tls, disco, ping")})
    filler = fill(machine.root, but=0)
    outcome = machine.reconcile()
    assert "space" in str(outcome) or "disk is full" in str(outcome), outcome
    assert machine.unit()["MainPID"] == pid
    filler.unlink()
    assert machine.reconcile()["result"] == "changed", outcome
    assert machine.unit()["ActiveState"] == "active"


def _what_cannot_be_written_is_told(machine: Machine) -> None:
    machine.push({NAME: DOCUMENT.replace("roster, ", "").replace("Kept", "Held")})
    before = machine.run("sha256sum", "/etc/prosody/prosody.cfg.lua", "/etc/motd").output
    pid = machine.unit()["MainPID"]
    for words in (("--bind", "/etc", "/etc"), ("-o", "remount,bind,ro", "/etc")):
        assert machine.run("mount", *words).status == 0
    outcome = machine.reconcile()
    assert outcome["result"] in ("failed", "stalled", "rolled_back"), outcome
    assert "ead-only" in str(outcome["failures"]), outcome
    assert machine.run("sha256sum", "/etc/prosody/prosody.cfg.lua", "/etc/motd").output == before
    assert machine.unit()["MainPID"] == pid
    machine.run("umount", "--lazy", "/etc")
    for _ in range(2):
        outcome = machine.reconcile()
    assert outcome["result"] == "in_sync", outcome
    assert "Held" in (machine.root / "etc/motd").read_text()


def _apt_works(machine: Machine) -> bool:
    return machine.unit("prosodist-apt.service")["ActiveState"] in ("active", "activating")


def _dpkg_works(machine: Machine) -> bool:
    return machine.run("sh", "-c", "grep -qx dpkg /proc/[0-9]*/comm").status == 0


def _is_configured(machine: Machine) -> bool:
    return machine.run("dpkg-query", "-Wf", "${Status}", "prosody").output == "install ok installed"


def _is_ours(machine: Machine) -> bool:
    config = machine.root / "etc/prosody/prosody.cfg.lua"
    return config.exists() and "Written by prosodist" in config.read_text()
