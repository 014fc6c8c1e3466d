"""What git says of Prosody reaches the scope in which it stands: judged by Prosody's own loader, on both versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from world import World, candidate, spec

from reconcilers.parsed import Parsed, parse
from schemas.desired import Lua


@pytest.fixture
def world(home: Path, prosody: Path) -> World:
    return World(home, prosody)


def scopes(world: World, document: dict[str, object]) -> dict[str, dict[str, str]]:
    (said,) = parse(world.host, world.site, world.prosody, candidate(world, spec(document)).text).texts
    assert isinstance(said, Parsed), said
    return {scope: dict(options) for scope, options in said.scopes.items()}


def test_a_map_is_a_table_a_list_a_list_and_an_integer_key_an_index(world: World) -> None:
    """Any option, by Prosody's name and in its shape; Lua is evaluated as it stands."""
    given = {"log": {1: {"to": "syslog"}}, "admins": ("a@a.test",), "limits": {"c2s": {"rate": "10kb/s"}}}
    said = scopes(world, {"options": {**given, "x": Lua(lua="60 * 5")}, "virtual_hosts": {"a.test": {}}})["*"]
    assert said["log"] in ('{[1] = {to = "syslog"}}', '{{to = "syslog"}}')
    assert said["admins"] == '{"a@a.test"}'
    assert said["limits"] == '{c2s = {rate = "10kb/s"}}'
    assert said["x"] == "300"


def test_lua_is_appended_to_its_own_scope(world: World) -> None:
    """The global one, a host's and a component's; it comes after the options, so it has the last word."""
    rooms = {"module": "muc", "lua": "mine = 'rooms'"}
    host = {"lua": "mine = 'host'", "components": {"rooms.a.test": rooms}}
    document = {"options": {"mine": "option"}, "lua": "mine = 'global'", "virtual_hosts": {"a.test": host}}
    said = scopes(world, document | {"components": {"irc.test": {"lua": "mine = 'irc'"}}})
    assert {scope: said[scope]["mine"] for scope in said} == {
        "*": '"global"',
        "a.test": '"host"',
        "rooms.a.test": '"rooms"',
        "irc.test": '"irc"',
    }


def test_what_is_included_is_read_as_global(world: World) -> None:
    """Whatever hosts stand in the configuration; options of the file are no host's."""
    more = world.home / "more.lua"
    more.write_text("included = 1\n")
    said = scopes(world, {"include": (str(more),), "virtual_hosts": {"a.test": {"options": {"own": 1}}}})
    assert said["*"]["included"] == "1"
    assert "included" not in said["a.test"]


def test_a_component_is_of_its_module(world: World) -> None:
    """And without one, an external one."""
    said = scopes(world, {"components": {"rooms.test": {"module": "muc"}, "irc.test": {}}})
    assert [said[name]["component_module"] for name in ("rooms.test", "irc.test")] == ['"muc"', '"component"']


def test_without_prosody_nothing_of_it_is_touched(world: World) -> None:
    """Whatever lies where ours would: no reconciler of Prosody's has a word to say of it."""
    config = world.home / "prosody/etc/prosody.cfg.lua"
    config.parent.mkdir(parents=True)
    config.write_text("VirtualHost 'hand.test'\n")
    assert world.verdicts(spec(None)) == []
