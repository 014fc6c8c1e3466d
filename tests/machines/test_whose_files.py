"""Files of a Debian server: whose they are, what checks them, and trees that are given away."""

from __future__ import annotations

import pytest
from machines import HOST, Machine, booted

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]

NAME = f"hosts/{HOST}.yaml"
DOCUMENT = """\
profile: debian
packages: {apt: [sudo, uuid-runtime]}
files:
  /etc/sudoers.d/ops: {source: files/ops, mode: "0440", check: [/usr/sbin/visudo, -cf, <file>]}
  /srv/uuid: {directory: true, owner: uuidd, group: uuidd, mode: "0750"}
  /srv/uuid/new: {content: x}
  /etc/login.defs: {content: "UID_MAX 50000\\n", block: true}
  /srv/tree: {directory: true, owner: uuidd, group: games, mode: "0750", recurse: true}
"""
TREE = """\
mkdir -p /srv/tree/a/b /srv/outside/x /srv/tree/mounted
touch /srv/tree/a/b/file /srv/outside/x/theirs
ln -s /srv/outside /srv/tree/link
ln /srv/outside/x/theirs /srv/tree/a/stolen
mknod /srv/tree/a/null c 1 3
mount --bind /srv/outside /srv/tree/mounted
chmod 700 /srv/tree/a
"""


@pytest.mark.parametrize("codename", ["bookworm", "trixie"])
def test_the_files_of_a_server(codename: str) -> None:
    """One commit brings users and what is theirs; checks and blocks hold; nothing outside a tree is given away."""
    with booted(codename) as machine:
        (machine.root / "etc/prosodist/agent.yaml").open("a").write(
            "allow: {write: [/etc/sudoers.d, /etc/login.defs], run: [/usr/sbin/visudo], users: [uuidd, games]}\n"
        )
        _users_and_checks_come_with_their_packages(machine)
        _what_visudo_refuses_changes_nothing(machine)
        _owners_are_drift(machine)
        _all_goes_again(machine)


def _users_and_checks_come_with_their_packages(machine: Machine) -> None:
    assert machine.run("sh", "-ec", TREE).status == 0
    before = (machine.root / "etc/login.defs").read_bytes()
    machine.push({NAME: DOCUMENT, "files/ops": "%ops ALL=(ALL) ALL\n"})
    outcome = machine.reconcile()
    assert outcome["result"] == "changed" and not outcome["waits"], outcome
    assert _dress(machine, "/etc/sudoers.d/ops", "/srv/uuid", "/srv/uuid/new") == [
        "440 root:root",
        "750 uuidd:uuidd",
        "644 uuidd:uuidd",
    ]
    assert (machine.root / "etc/login.defs").read_bytes().startswith(before)
    given = ("/srv/tree/a", "/srv/tree/a/b", "/srv/tree/a/b/file", "/srv/tree/link")
    assert [line.partition(" ")[2] for line in _dress(machine, *given)] == ["uuidd:games"] * 4
    assert _dress(machine, "/srv/tree/a") == ["750 uuidd:games"]
    kept = ("/srv/outside", "/srv/outside/x", "/srv/outside/x/theirs", "/srv/tree/mounted", "/srv/tree/a/null")
    assert [line.partition(" ")[2] for line in _dress(machine, *kept)] == ["root:root"] * 5
    assert machine.reconcile()["result"] == "in_sync"


def _what_visudo_refuses_changes_nothing(machine: Machine) -> None:
    machine.push({NAME: DOCUMENT + "  /srv/more: {content: more}\n", "files/ops": "%ops ALL=(ALL ALL\n"})
    outcome = machine.reconcile()
    assert "visudo finds it wrong" in outcome["failures"][0] and "/etc/sudoers.d/ops:1" in outcome["failures"][0]
    assert (machine.root / "etc/sudoers.d/ops").read_text() == "%ops ALL=(ALL) ALL\n"
    assert (machine.root / "srv/more").read_text() == "more"
    assert machine.run("visudo", "-c").status == 0
    machine.push({NAME: DOCUMENT, "files/ops": "%ops ALL=(ALL) ALL\n"})
    assert machine.reconcile()["result"] == "changed"


def _owners_are_drift(machine: Machine) -> None:
    machine.run("chown", "games", "/srv/uuid")
    machine.run("chown", "root", "/srv/tree/a/b/file")
    outcome = machine.reconcile()
    ids = [change["id"] for change in outcome["changes"]]
    assert ids == ["file:/srv/uuid", "below:/srv/tree"], "an agent that starts looks at the trees"
    assert _dress(machine, "/srv/uuid", "/srv/tree/a/b/file") == ["750 uuidd:uuidd", "644 uuidd:games"]


def _all_goes_again(machine: Machine) -> None:
    before = (machine.root / "etc/login.defs").read_bytes().partition(b"# --- prosodist block begins")[0]
    machine.push({NAME: "profile: debian\npackages: {apt: [sudo, uuid-runtime]}\nprune: {confirm_above: 9}\n"})
    assert machine.reconcile()["result"] == "changed"
    assert (machine.root / "etc/login.defs").read_bytes() == before
    assert not (machine.root / "etc/sudoers.d/ops").exists() and not (machine.root / "srv/uuid").exists()
    assert (machine.root / "srv/tree/a/b/file").exists()


def _dress(machine: Machine, *paths: str) -> list[str]:
    """Mode and owner of each."""
    return machine.run("stat", "-c", "%a %U:%G", *paths).output.split("\n")[:-1]
