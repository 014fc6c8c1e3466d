"""What stands around the configuration: directories, ports, certificates, activation, Prosody itself."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from msgspec.structs import replace
from world import World, spec

from reconcilers import activation, certificates, directories, ports, services
from reconcilers.contract import Process
from reconcilers.installation import find_prosody, parse_program
from reconcilers.managers import child
from schemas.actions import Make, RemoveFile, Signal, Spawn, Stop
from schemas.desired import Lua
from schemas.plan import Disruption, Holds, Kind, Wait
from schemas.record import Loaded, Record

DAY = 86_400.0


@pytest.fixture
def world(home: Path, prosody12: Path) -> World:
    return World(home, prosody12)


def hosts(**given: Any) -> dict[str, Any]:
    return {"virtual_hosts": {name.replace("_", "."): body for name, body in given.items()}}


# --- directories ---


def test_directories_are_made_for_those_who_use_them(world: World) -> None:
    """Prosody writes in its own, enters ours, and never sees the secrets; a mode changed by hand is put right."""
    wanted = spec(hosts(a_test={}))
    assert world.converge(wanted, directories) == 2
    paths = world.site.paths
    modes = {path: Path(path).stat().st_mode & 0o7777 for path in (paths.data, paths.certificates, paths.secrets)}
    assert list(modes.values()) == [0o750, 0o750, 0o700]
    assert Path(paths.data).owner() == world.site.owner
    if os.geteuid() == 0:
        assert (Path(paths.certificates).owner(), Path(paths.certificates).group()) == ("root", world.site.group)
        assert Path(paths.secrets).owner() == "root"
    Path(paths.data).chmod(0o777)
    (change,) = [v for v in world.verdicts(wanted, directories) if not isinstance(v, Holds)]
    assert "mode 0777, 0750 is wanted" in getattr(change, "why", "")


def test_data_stay_when_prosody_goes(world: World) -> None:
    """The directories are let go of, not removed."""
    world.converge(spec(hosts(a_test={})), directories)
    changes = world.verdicts(spec(None), directories)
    assert changes and all(getattr(change, "kind", None) is Kind.RELEASED for change in changes)
    assert all(getattr(change, "actions", None) == () for change in changes)


# --- ports ---


def test_ports_are_chosen_once(world: World) -> None:
    """Also when git speaks for one and falls silent again."""
    world.converge(spec(hosts(a_test={})), ports)
    chosen = dict(world.records[ports.RECORD].value)
    assert set(chosen) == set(ports.DEFAULTS) and len(set(chosen.values())) == len(chosen)
    said = spec({**hosts(a_test={}), "options": {"c2s_ports": (1,)}})
    assert world.converge(said, ports) == 1
    assert ports.known_ports(world.host, said, world.site)["c2s"] == (1,)  # type: ignore[index]
    assert world.converge(spec(hosts(a_test={})), ports) == 1
    assert dict(world.records[ports.RECORD].value) == chosen


def test_a_template_sees_the_ports_of_what_is_enabled(world: World) -> None:
    """Nothing for what no module provides, and nothing for what only Lua knows."""
    assert isinstance(ports.known_ports(world.host, spec(hosts(a_test={})), world.site), Wait)
    document = hosts(a_test={"components": {"proxy.a.test": {"module": "proxy65"}}})
    document |= {"modules_enabled": ("bosh",), "modules_disabled": ("s2s",)}
    document["options"] = {"c2s_direct_tls_ports": (5223, "5224"), "https_ports": Lua(lua="{1}")}
    wanted = spec(document)
    world.converge(wanted, ports)
    known = ports.known_ports(world.host, wanted, world.site)
    assert not isinstance(known, Wait)
    chosen = world.records[ports.RECORD].value
    assert known["http"] == (chosen["http"],) and known["proxy65"] == (chosen["proxy65"],)
    assert known["c2s_direct_tls"] == (5223, 5224)
    assert known["s2s"] == known["component"] == known["https"] == known["console"] == ()


# --- certificates ---


def test_a_pair_is_made_for_a_host_and_its_components(world: World) -> None:
    """Once; and again when the names change, the key is another's, or its end is near."""
    wanted = spec(hosts(a_test={"components": {"rooms.a.test": {"module": "muc"}}}, bücher_test={}))
    world.converge(wanted, directories, certificates)
    assert all(isinstance(verdict, Holds) for verdict in world.verdicts(wanted, certificates))
    key = Path(world.site.paths.certificates / "a.test.key")
    assert key.stat().st_mode & 0o7777 == 0o640

    def faults(document: dict[str, Any]) -> list[str]:
        return [getattr(v, "why", "") for v in world.verdicts(spec(document), certificates) if not isinstance(v, Holds)]

    bare = hosts(a_test={}, bücher_test={})
    assert faults(bare) == ["still names rooms.a.test"]
    more = hosts(a_test={"components": {"rooms.a.test": {}, "up.a.test": {}}}, bücher_test={})
    assert faults(more) == ["does not name up.a.test"]
    full = hosts(a_test={"components": {"rooms.a.test": {}}}, bücher_test={})
    world.now += (3650 - 29) * DAY
    assert len(faults(full)) == 2 and "ends on" in faults(full)[0]
    world.now -= 2 * DAY
    assert faults(full) == []
    key.write_bytes(Path(world.site.paths.certificates / "bücher.test.key").read_bytes())
    assert faults(full) == ["certificate and key do not belong together"]
    key.write_text("no key")
    assert faults(full) == ["is no certificate with a key that can be read"]
    key.unlink()
    assert faults(full) == ["its key is not there"]


def test_a_pair_is_for_the_http_name_too(world: World) -> None:
    """Of a virtual host, and of a component by itself; one name is named once."""
    document = hosts(a_test={"options": {"http_host": "http.a.test"}}, b_test={"options": {"http_host": "b.test"}})
    document["components"] = {
        "irc.test": {"options": {"http_host": Lua(lua="x")}},
        "up.test": {"options": {"http_host": "files.test"}},
    }
    assert certificates.wanted_names(spec(document)) == {
        "a.test": ("a.test", "http.a.test"),
        "b.test": ("b.test",),
        "irc.test": ("irc.test",),
        "up.test": ("up.test", "files.test"),
    }


def test_a_pair_goes_with_its_host(world: World) -> None:
    """Both files, and only ours."""
    world.converge(spec(hosts(a_test={}, b_test={})), directories, certificates)
    (world.home / "prosody/certs/hand.test.crt").write_text("")
    (_, gone) = world.verdicts(spec(hosts(a_test={})), certificates)
    assert getattr(gone, "kind", None) is Kind.REMOVED
    assert [type(action) for action in getattr(gone, "actions", ())] == [RemoveFile, RemoveFile]
    world.converge(spec(hosts(a_test={})), certificates)
    assert sorted(os.listdir(world.home / "prosody/certs")) == ["a.test.crt", "a.test.key", "hand.test.crt"]


# --- activation ---

BASE = Loaded(
    version="0.12.3",
    options={"*": {"log": "1", "c2s_ports": "2"}, "a.test": {"defined": "1", "log": "3"}},
    files={"/certs/a.crt": "1"},
)
PROCESS = Process(pid=1, started=2, argv=("prosody",), user="prosody")


def options(scope: str, **changed: str) -> Loaded:
    return replace(BASE, options={**BASE.options, scope: {**BASE.options.get(scope, {}), **changed}})


@pytest.mark.parametrize(
    ("candidate", "disruption", "reason"),
    [
        (options("*", log="9"), Disruption.RELOAD, "log changed"),
        (options("a.test", log="9"), Disruption.RELOAD, "a.test: log changed"),
        (replace(BASE, files={"/certs/a.crt": "9"}), Disruption.RELOAD, "/certs/a.crt changed"),
        (replace(BASE, files={}), Disruption.RELOAD, "/certs/a.crt changed"),
        (options("*", c2s_ports="9"), Disruption.RESTART, "c2s_ports changed"),
        (options("*", log="9", c2s_ports="9"), Disruption.RESTART, "c2s_ports, log changed"),
        (options("b.test", defined="1"), Disruption.RESTART, "b.test: the host itself changed"),
        (replace(BASE, version="13.0.1"), Disruption.RESTART, "version changed"),
    ],
)
def test_the_mildest_action_that_will_do(world: World, candidate: Loaded, disruption: Disruption, reason: str) -> None:
    """A reload for what a reload makes live; the worst difference decides."""
    owed = activation.activation(BASE, candidate, PROCESS, world.site)
    assert owed is not None and (owed.disruption, owed.reason) == (disruption, reason)
    reload, restart = [Signal], [Stop, Spawn]
    assert [type(action) for action in owed.after] == (restart if disruption is Disruption.RESTART else reload)


def test_nothing_is_owed_when_nothing_differs_or_nothing_runs(world: World) -> None:
    """The configuration's own bytes are no difference: comments cost nobody a reload."""
    path = str(world.site.paths.config)
    commented = replace(BASE, files={**BASE.files, path: "other bytes"})
    assert activation.activation(BASE, commented, PROCESS, world.site) is None
    assert activation.activation(BASE, options("*", log="9"), None, world.site) is None


def test_a_process_of_which_nothing_is_known_is_restarted(world: World) -> None:
    """Another start time is another process, whatever its number, and so is another boot."""
    record = activation.running_record(PROCESS, BASE)
    world.records[activation.RUNNING] = Record(value=record, at=0.0)
    assert activation.known_running(world.host, PROCESS, spec(hosts())) == BASE
    assert activation.known_running(world.host, replace(PROCESS, started=3), spec(hosts())) is None
    assert activation.known_running(world.host, replace(PROCESS, boot="another"), spec(hosts())) is None
    owed = activation.activation(None, BASE, PROCESS, world.site)
    assert owed is not None and owed.disruption is Disruption.RESTART


def test_prosody_is_stopped_when_git_wants_none(world: World) -> None:
    """And only when it is ours."""
    assert world.verdicts(spec(None), services) == []
    start = child.start(world.site)
    world.host.perform(replace(start, argv=("/bin/sleep", "60"), log=None))
    process = child.process(world.host)
    assert process is not None
    world.converge(spec(None), services)
    assert world.host.process(process.pid) is None and child.PROCESS not in world.records


def test_a_process_with_other_arguments_is_replaced(world: World) -> None:
    """As after a move of the home: it serves another configuration."""
    world.host.perform(replace(child.start(world.site), argv=("/bin/sleep", "60"), log=None))
    try:
        change = world.change(spec(hosts(a_test={})), services)
        assert [type(action) for action in change.actions] == [Stop, Spawn]
    finally:
        world.stop()


# --- Prosody found ---


def test_prosody_is_found_by_reading(home: Path, prosody: Path) -> None:
    """Version, Lua and directories, without starting anything: `prosody --version` would start a server."""
    found = World(home, prosody).prosody
    assert found.line in ("0.12", "13.0") and found.program == PurePosixPath(prosody)
    assert Path(found.lua).exists() and found.luac is not None and Path(found.prosodyctl).exists()
    assert Path(found.source / "core/configmanager.lua").exists() and Path(found.modules / "mod_c2s.lua").exists()


@pytest.mark.parametrize(
    "text",
    ["", "#!/bin/sh\nexec prosody\n", "#!/usr/bin/env lua5.4\nCFG_SOURCEDIR=nil;\n", "CFG_SOURCEDIR='/x';\n"],
)
def test_what_is_no_installed_prosody_is_passed_over(text: str) -> None:
    """A wrapper, a source tree that was never configured, a library."""
    assert parse_program(text, PurePosixPath("/usr/bin/prosody")) is None


def test_a_private_build_names_its_own_lua(world: World) -> None:
    """`configure` writes an absolute interpreter where it was given one; an absent program is passed over."""
    text = "#!/home/u/bin/lua5.3\nCFG_SOURCEDIR='/home/u/lib/prosody';\nCFG_PLUGINDIR='/home/u/lib/prosody/modules/';\n"
    program = parse_program(text, PurePosixPath("/home/u/bin/prosody"))
    assert program is not None and program.interpreter == "/home/u/bin/lua5.3"
    assert program.source == PurePosixPath("/home/u/lib/prosody")
    assert find_prosody(world.host, (PurePosixPath("/nowhere/prosody"),)) is None


def test_a_pair_is_asked_of_the_hands_by_names_alone(world: World) -> None:
    """No key is ever in a plan."""
    (change,) = world.verdicts(spec(hosts(a_test={"components": {"r.a.test": {}}})), certificates)
    (make,) = getattr(change, "actions", ())
    assert isinstance(make, Make) and dict(make.parameters) == {"names": "a.test,r.a.test", "days": "3650"}
