"""Modules on a Debian server: the repository's own, the distribution's, and those that a person laid there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from machines import HOST, Machine, booted, wait_until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]

NAME = f"hosts/{HOST}.yaml"
DOCUMENT = """\
profile: debian
prosody:
  plugins: {own: {source: files/modules}, distribution: {package: prosody-modules}}
  modules_enabled: [roster, saslauth, tls, disco, admin_shell, hello, lastlog]
  virtual_hosts: {example.test: {}}
"""
FILES = {
    NAME: DOCUMENT,
    "files/modules/mod_hello/mod_hello.lua": 'module:log("info", "hello %s", module:require("words"));\n',
    "files/modules/mod_hello/words.lib.lua": 'return "one";\n',
    "files/modules/mod_lastlog.lua": 'module:log("info", "hello from our lastlog");\n',
}
PLACE = "usr/local/lib/prosody/modules"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def bare(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A minimal machine."""
    with booted(request.param) as machine:
        yield machine


def test_modules_of_a_server(bare: Machine) -> None:
    """The life of a machine, as far as its modules go."""
    _one_commit_brings_prosody_and_all_modules(bare)
    _the_first_source_wins(bare)
    _what_changes_is_live_after_a_restart(bare)
    _what_is_nobodys_is_told_and_left(bare)
    _a_source_that_is_gone_takes_its_modules_with_it(bare)


def _said(machine: Machine, text: str) -> bool:
    log = machine.root / "var/log/prosody/prosody.log"
    return log.exists() and f"hello {text}" in log.read_text()


def _strangers(machine: Machine) -> dict[str, str]:
    status = json.loads(machine.prosodist("status", "-o", "json").output)
    assert status["sync"] == "Synced", status
    return {found["object"]: found["kind"] for found in status["unmanaged"]}


def _one_commit_brings_prosody_and_all_modules(machine: Machine) -> None:
    machine.push(FILES)
    outcome = machine.reconcile()
    assert outcome["result"] == "changed", (outcome["failures"], outcome["mistakes"], outcome["waits"])
    assert machine.run("dpkg-query", "-W", "-f=${Status}", "prosody-modules").output == "install ok installed"
    wait_until(lambda: _said(machine, "one"))
    assert machine.reconcile()["result"] == "in_sync"
    seen = machine.run("stat", "-c", "%a %U:%G", f"/{PLACE}", f"/{PLACE}/mod_hello", f"/{PLACE}/mod_lastlog.lua")
    assert seen.output.split("\n")[:3] == ["755 root:root", "755 root:root", "644 root:root"]
    assert _strangers(machine) == {}, "what packages bring and leave is nothing to tell of"


def _the_first_source_wins(machine: Machine) -> None:
    wait_until(lambda: _said(machine, "from our lastlog"))
    machine.push(
        {
            NAME: DOCUMENT.replace("own: {source: files/modules}, ", "").replace(
                "}}\n", "}, own: {source: files/modules}}\n", 1
            )
        }
    )
    outcome = machine.reconcile()
    assert [change["object"] for change in outcome["changes"]] == [f"/{PLACE}/mod_lastlog.lua"], outcome
    assert outcome["changes"][0]["kind"] == "removed", "the package is the first now, and has a module of this name"
    machine.push(FILES)
    assert machine.reconcile()["result"] == "changed"


def _what_changes_is_live_after_a_restart(machine: Machine) -> None:
    pid = machine.unit()["MainPID"]
    machine.push({"files/modules/mod_hello/words.lib.lua": 'return "two";\n'})
    outcome = machine.reconcile()
    assert [one["disruption"] for one in outcome["activations"]] == ["RESTART"], outcome
    assert machine.unit()["MainPID"] != pid
    wait_until(lambda: _said(machine, "two"))


def _what_is_nobodys_is_told_and_left(machine: Machine) -> None:
    paths = (f"/{PLACE}/mod_theirs.lua", "/etc/prosody/conf.d/theirs.cfg.lua")
    for path in paths:
        (machine.root / path[1:]).write_text("-- theirs\n")
    assert machine.run("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "lua-say").status == 0
    assert machine.reconcile()["result"] == "in_sync"
    assert _strangers(machine) == {"lua-say": "package", paths[0]: "plugin", paths[1]: "file"}
    assert [(machine.root / path[1:]).read_text() for path in paths] == ["-- theirs\n"] * 2


def _a_source_that_is_gone_takes_its_modules_with_it(machine: Machine) -> None:
    machine.push({NAME: DOCUMENT.replace("own: {source: files/modules}, ", "").replace(" hello,", "")})
    assert machine.reconcile()["result"] == "changed"
    assert sorted(path.name for path in (machine.root / PLACE).iterdir()) == ["mod_theirs.lua"]
    assert machine.reconcile()["result"] == "in_sync"
