"""Upgrades of Prosody itself, from a source that git brings: tried beside the system, installed, and taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machines import HOST, Machine, booted
from repository import ADDRESS, Repository, repository

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]

NAME = f"hosts/{HOST}.yaml"
START = {"bookworm": "0.12.3", "trixie": "13.0.1"}
SOURCE = Path("etc/apt/sources.list.d/tests.sources")


def _document(version: str, *, source: bool = True, more: str = "") -> str:
    sources = f"apt_sources: {{tests: {{uris: [{ADDRESS}], signed_by: files/tests.asc}}}}\n" if source else ""
    return f"""\
profile: debian
requires: {{prosody: ">={version}", luasec: ">=1.0", lua: ">=5.4"}}
{sources}prosody:
  version: "{version}"
  modules_enabled: [roster, saslauth, tls, disco, pep]
  virtual_hosts: {{example.test: {{}}}}
{more}"""


class Life:
    """A machine, its repository, and the versions of Prosody in it: `good`, `picky`, `broken`."""

    def __init__(self, machine: Machine, offered: Repository) -> None:
        self.machine, self.offered = machine, offered
        self.start = START[offered.codename]
        line = self.start.rpartition(".")[0]
        self.good_package = Path()
        self.good, self.picky, self.broken = (f"{line}.{number}" for number in (90, 91, 92))

    def push(self, document: str) -> dict[str, Any]:
        self.machine.push({NAME: document, "files/tests.asc": self.offered.key})
        return self.machine.reconcile()

    def version(self) -> str:
        """What dpkg says is installed."""
        said = self.machine.run("dpkg-query", "-W", "-f", "${Version} ${db:Status-Abbrev}", "prosody").output.split()
        assert said[1] == "ii"
        return said[0].partition("-")[0]

    def serves(self) -> bool:
        return self.machine.unit()["ActiveState"] == "active" and ":5222 " in self.machine.run("ss", "-ltn").output


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def life(request: pytest.FixtureRequest) -> Iterator[Life]:
    """A minimal machine that could reach a repository of our own."""
    with booted(request.param) as machine, repository(machine) as offered:
        yield Life(machine, offered)


def test_an_upgrade_changes_all_or_nothing(life: Life) -> None:
    """The life of a machine: each step begins where the one before has ended."""
    _offer(life)
    _a_source_is_refused_until_the_host_allows_it(life)
    _a_source_and_what_it_offers_come_with_one_commit(life)
    _a_good_version_is_served_after_one_restart(life)
    _a_version_that_refuses_the_configuration_changes_nothing(life)
    _a_version_that_dies_is_taken_back_without_a_mirror(life)
    _a_source_gone_from_git_is_removed(life)


def _offer(life: Life) -> None:
    life.offered.build("small", "1.0-1")
    life.good_package = life.offered.build_prosody(f"{life.good}-1")
    life.offered.build_prosody(f"{life.picky}-1", edit=_refuse_motd)
    life.offered.build_prosody(f"{life.broken}-1", edit=_die_at_start)
    life.offered.publish()
    life.offered.serve()


def _refuse_motd(tree: Path) -> None:
    """A loader to which one option is a mistake."""
    loader = tree / "usr/lib/prosody/core/configmanager.lua"
    begin = "local function set(config_table, host, key, value)\n"
    assert begin in loader.read_text()
    refusal = '\tif key == "motd_text" then error("motd_text is no more", 0); end\n'
    loader.write_text(loader.read_text().replace(begin, begin + refusal))


def _die_at_start(tree: Path) -> None:
    """All is well with it until it is started."""
    program = tree / "usr/bin/prosody"
    program.write_text(re.sub(r"(?m)^(CFG_DATADIR=.*)$", r"\1\nos.exit(1);", program.read_text()))
    assert "os.exit(1)" in program.read_text()


def _a_source_is_refused_until_the_host_allows_it(life: Life) -> None:
    outcome = life.push(_document(life.start))
    assert outcome["result"] == "invalid" and "sources" in str(outcome["mistakes"]), outcome
    assert not (life.machine.root / SOURCE).exists()
    with (life.machine.root / "etc/prosodist/agent.yaml").open("a") as settings:
        settings.write(f"allow: {{sources: [{ADDRESS}]}}\n")


def _a_source_and_what_it_offers_come_with_one_commit(life: Life) -> None:
    outcome = life.push(_document(life.start, more="packages: {apt: [small]}\n"))
    assert outcome["result"] == "changed" and not outcome["failures"], outcome["failures"]
    assert life.version() == life.start and life.serves()
    assert life.machine.run("dpkg-query", "-W", "small").output == "small\t1.0-1\n"
    seen = life.machine.run("stat", "-c", "%a %U:%G", f"/{SOURCE}").output
    assert seen == "644 root:root\n" and "Signed-By:\n -----BEGIN" in (life.machine.root / SOURCE).read_text()
    assert life.machine.reconcile()["result"] == "in_sync"


def _a_good_version_is_served_after_one_restart(life: Life) -> None:
    started = len(life.machine.events())
    outcome = life.push(_document(life.good, more="packages: {apt: [small]}\n"))
    assert outcome["result"] == "changed" and not outcome["failures"], outcome["failures"]
    assert life.version() == life.good and life.serves()
    assert len(life.machine.events()) == started + 1, "it was restarted once, and never stopped by its package"
    assert life.machine.reconcile()["result"] == "in_sync"


def _a_version_that_refuses_the_configuration_changes_nothing(life: Life) -> None:
    pid, config = life.machine.unit()["MainPID"], (life.machine.root / "etc/prosody/prosody.cfg.lua").read_bytes()
    done = life.machine.run("grep", "-c", " prosody:", "/var/log/dpkg.log").output
    told = _document(life.picky).replace("  virtual_hosts", "  motd_text: Welcome\n  virtual_hosts")
    outcome = life.push(told)
    assert outcome["result"] == "invalid" and "motd_text is no more" in str(outcome["mistakes"]), outcome
    assert life.machine.run("grep", "-c", " prosody:", "/var/log/dpkg.log").output == done, "nothing was installed"
    assert life.version() == life.good and life.machine.unit()["MainPID"] == pid
    assert (life.machine.root / "etc/prosody/prosody.cfg.lua").read_bytes() == config
    assert not list((life.machine.root / "var/cache/prosodist").glob("beside-*"))


def _a_version_that_dies_is_taken_back_without_a_mirror(life: Life) -> None:
    life.offered.withdraw(life.good_package)
    life.machine.run("apt-get", "clean")
    outcome = life.push(_document(life.broken))
    assert outcome["result"] == "rolled_back", outcome["failures"]
    assert life.version() == life.good and life.serves()
    pid = life.machine.unit()["MainPID"]
    status = life.machine.prosodist("status", "-o", "json").output
    assert f'"prosody": "{life.good}-1"' in status, status
    planned = life.machine.prosodist("plan")
    assert "rejected before" in planned.output + planned.errors and "in sync" in planned.output, planned
    assert life.version() == life.good and life.machine.unit()["MainPID"] == pid


def _a_source_gone_from_git_is_removed(life: Life) -> None:
    outcome = life.push(_document(life.start, source=False).replace(f'version: "{life.start}"', "version: present"))
    assert outcome["result"] == "changed" and not (life.machine.root / SOURCE).exists(), outcome
    assert life.version() == life.good and life.serves(), "present is met by what is there"
    life.push(_document("99", source=False).replace('version: "99"', "version: present"))
    status = life.machine.prosodist("status").output
    assert "Degraded" in status and f"{life.good} is installed, and git requires >=99" in status, status
