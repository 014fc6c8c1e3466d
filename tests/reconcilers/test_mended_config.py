"""What is told of a configuration, whose it is, and whether it ended early; and the child of another boot."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from msgspec.structs import replace
from world import World, candidate, spec

from reconcilers import config, directories, judging, ports, secrets
from reconcilers.managers import child
from reconcilers.optiondiff import diff_options
from reconcilers.parsed import parse
from schemas.actions import Remember
from schemas.desired import Generated
from schemas.errors import SpecError

LUA = 'for _, name in ipairs { "x.test" } do\n  local text = [[\nVirtualHost "no.test"\n]]\nend\n'


@pytest.fixture
def world(home: Path, prosody12: Path) -> World:
    return World(home, prosody12)


def hosts(**more: Any) -> dict[str, Any]:
    return {"virtual_hosts": {"a.test": {}, "bücher.test": {"components": {"r.a.test": {"module": "muc"}}}}, **more}


def test_a_line_of_gits_own_lua_is_no_virtual_host(world: World) -> None:
    """What looks like one, in a text, is not missed; a host that is not reached is."""
    wanted = spec(hosts(lua=LUA))
    said = judging.check(world.host, wanted, world.site, candidate(world, wanted))
    assert {"a.test", "bücher.test", "r.a.test"} <= set(said.scopes)
    wanted = spec(
        hosts(lua='VirtualHost "x.test"\nVirtualHost "y.test"\nVirtualHost "z.test"\nif true then return end')
    )
    with pytest.raises(SpecError, match="return"):
        judging.check(world.host, wanted, world.site, candidate(world, wanted))


def test_a_secret_that_git_drops_is_not_told(world: World) -> None:
    """Whatever its option is called; nor one whose name ends in `key`."""
    options = {"oauth2_registration": Generated(generated="g"), "some_key": "hunter2"}
    before, after = (candidate(world, spec(hosts(options=given))) for given in (options, {"some_key": "other"}))
    live, new = parse(world.host, world.site, world.prosody, before.text, after.text).texts
    told = diff_options(live, new, after)
    assert "oauth2_registration: removed" in told
    drawn = Path(world.site.paths.secrets / "g").read_text().strip()
    assert drawn not in repr(told) and "hunter2" not in repr(told) and "other" not in repr(told)


def test_a_configuration_behind_a_link_is_made_by_hand(world: World) -> None:
    """It waits for a word like any other."""
    world.converge(spec(hosts()), directories, secrets, ports)
    world.config.with_name("mine.lua").write_text('VirtualHost "hand.test"\n')
    world.config.symlink_to("mine.lua")
    assert world.change(spec(hosts()), config).needs_word == config.BY_HAND


def test_a_child_of_another_boot_is_not_the_recorded_one(world: World) -> None:
    """Its number and start time may be somebody else's now; what is found again is recorded with its boot."""
    program = world.home / "prosody.sh"
    program.write_text("#!/bin/sh\nwhile :; do sleep 1; done\n")
    program.chmod(0o755)
    assert world.site.prosody is not None
    site = replace(world.site, prosody=replace(world.site.prosody, program=PurePosixPath(program)))
    world.host.perform(replace(child.start(site), log=None))
    process = child.process(world.host)
    assert process is not None and process.boot
    record = world.records[child.PROCESS]
    try:
        world.records[child.PROCESS] = replace(record, value={**record.value, "boot": "another"})
        assert child.process(world.host) is None
        (remember,) = child.look(world.host, site, enabled=True, running=True).actions
        assert isinstance(remember, Remember) and remember.record["boot"] == process.boot
    finally:
        world.records[child.PROCESS] = record
        world.stop()
