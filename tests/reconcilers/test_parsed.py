"""What Prosody's own loader says of a configuration, on both versions."""

from __future__ import annotations

import pwd
from pathlib import Path, PurePosixPath

import pytest
from world import World

from agent import processes
from reconcilers.luatext import render_name, render_value
from reconcilers.parsed import Answer, Parsed, Refusal, parse
from schemas.fragments import Fragment


@pytest.fixture
def world(home: Path, prosody: Path) -> World:
    return World(home, prosody)


def ask(world: World, *texts: str | bytes, fragments: tuple[Fragment, ...] = ()) -> Answer:
    encoded = (text.encode() if isinstance(text, str) else text for text in texts)
    return parse(world.host, world.site, world.prosody, *encoded, fragments=fragments)


def scopes(world: World, text: str) -> Parsed:
    (said,) = ask(world, text).texts
    assert isinstance(said, Parsed), said
    return said


VALUES: dict[str, tuple[object, str]] = {
    "yes": (True, "true"),
    "number": (-(2**63), "-9223372036854775808"),
    "fraction": (0.1, "0.10000000000000001"),
    "text": ('a"\\\n\0ü', '"a\\034\\092\\010\\000\\195\\188"'),
    "list": ((1, "two", (3,)), '{1, "two", {3}}'),
    "table": ({"b": 1, "a": {"x": False}, 5222: "c2s"}, '{[5222] = "c2s", a = {x = false}, b = 1}'),
    "empty": ((), "{}"),
    "no-name": (1, "1"),
    "end": (2, "2"),
}


def test_every_kind_of_value_is_read_back_by_the_loader(world: World) -> None:
    """Rendered options reach Prosody as they were meant, whatever their names; scopes stay apart."""
    text = "".join(f"{render_name(name)} = {render_value(value)};\n" for name, (value, _) in VALUES.items())
    text += f'VirtualHost "a.test"\n\t{render_name("end")} = 3;\nComponent "b.test" "muc"\n'
    said = scopes(world, text)
    assert {name: said.scopes["*"][name] for name in VALUES} == {
        name: canonical for name, (_, canonical) in VALUES.items()
    }
    assert said.scopes["a.test"]["end"] == "3"
    assert said.scopes["b.test"]["component_module"] == '"muc"'


def test_equal_values_have_equal_texts_however_they_are_written(world: World) -> None:
    """The order of keys in a Lua table is random from run to run; here it is not."""
    keys = [f"k{number}" for number in range(40)]
    one = scopes(world, f"x = {{ {', '.join(f'{key} = 1' for key in keys)} }}")
    other = scopes(world, f"x = {{ {', '.join(f'{key} = 0 + 1' for key in reversed(keys))} }}")
    assert one == other


def test_functions_cycles_and_foreign_objects_end_the_telling(world: World) -> None:
    """They cannot be compared, and hurt nothing."""
    said = scopes(world, "f = function () end; local t = {}; t.t = 1; x = t; local c = {}; c.c = c; y = c")
    assert said.scopes["*"] == {"f": "(function)", "x": "{t = 1}", "y": "{c = (itself)}"}


def test_two_configurations_are_read_in_one_process(world: World) -> None:
    """Neither sees what the other set."""
    first, second = ask(world, "a = 1", "b = 2").texts
    assert (first, second) == (Parsed(scopes={"*": {"a": "1"}}, shown={"*": {}}),
                               Parsed(scopes={"*": {"b": "2"}}, shown={"*": {}}))  # fmt: skip


@pytest.mark.parametrize(
    "hostile",
    [
        'print("{}")',
        'io.write("not the end of a line")',
        'io.stdout:write(\'{"texts":[],"fragments":[]}\\n\')',
        'require "util.json".encode = function () return "{}" end',
        "io.open = nil; io.stdout = nil; os.exit = nil",
        "setmetatable(_G, { __index = error, __newindex = error })",
        "local t = setmetatable({}, { __index = error, __pairs = error, __len = error }); evil = t",
    ],
)
def test_a_configuration_that_prints_or_spoils_globals_changes_no_answer(world: World, hostile: str) -> None:
    """It is a program, and our answer is the last line."""
    names = ("print", "io", "os", "string", "table", "require", "setmetatable", "_G", "error", "tostring")
    prefix = f"local {', '.join(names)} = {', '.join(f'(Lua or _ENV).{name}' for name in names)}"
    said, after = ask(world, f"{prefix};\n{hostile}; good = 1", "fine = 2").texts
    assert isinstance(said, Parsed) and said.scopes["*"]["good"] == "1"
    assert isinstance(after, Parsed) and after.scopes["*"]["fine"] == "2"


@pytest.mark.parametrize("deadly", ["(Lua or _ENV).os.exit(0)", "(Lua or _ENV).string.gsub = nil"])
def test_one_that_ends_the_process_is_refused_alone(world: World, deadly: str) -> None:
    """By leaving, or by taking away what Prosody's own code lives on. The other text is still told."""
    ends, fine = ask(world, deadly, "fine = 2").texts
    assert isinstance(ends, Refusal)
    assert isinstance(fine, Parsed)


def test_one_that_never_ends_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the hands' limit on processor time, here a short one; it is then refused like any other."""
    monkeypatch.setattr(processes, "QUERY", processes.Limits(cpu=1))
    (said,) = ask(world, "while true do end").texts
    assert isinstance(said, Refusal)


def test_a_configuration_runs_as_prosodys_user_without_our_environment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root only reads and writes bytes; what our environment holds is none of its business."""
    monkeypatch.setenv("HUSH", "secret")
    status = "(Lua or _ENV).io.open('/proc/self/status'):read('a')"
    said = scopes(world, f"hush = ENV_HUSH; uid = {status}:match('Uid:%s+(%d+)')")
    assert said.scopes["*"].get("hush") is None
    assert said.scopes["*"]["uid"] == f'"{pwd.getpwnam(world.site.owner).pw_uid}"'


def test_a_mistake_is_told_with_its_line(world: World) -> None:
    """However long the path is, and Lua shortens long ones."""
    for path in ("/etc/c.cfg.lua", "/" + "long/" * 40 + "prosody.cfg.lua"):
        answer = parse(
            world.host, world.site, world.prosody, b"a = 1\nb = = 2\n", b"a = 1\n\nx()\n", at=PurePosixPath(path)
        )
        syntax, runtime = answer.texts
        assert isinstance(syntax, Refusal) and syntax.line == 2 and "unexpected" in syntax.text
        assert isinstance(runtime, Refusal) and runtime.line == 3


def test_what_has_a_secrets_name_is_not_told(world: World) -> None:
    """At any depth; the digest still sees it."""
    said = scopes(world, 'sql = { password = "p", host = "h" }; turn_external_secret = "s"')
    assert said.scopes["*"]["turn_external_secret"] == '"s"'
    assert said.shown["*"] == {"sql": '{host = "h", password = ***}', "turn_external_secret": "***"}


@pytest.mark.parametrize(
    ("text", "is_expression", "is_whole"),
    [
        ("60 * 5", True, True),
        ("60 * 5 -- five minutes", True, True),
        ("1) + (2", True, False),
        ("1; os.exit()", True, False),
        ("--[[", True, False),
        ("[[ open", True, False),
        ("1, 2", True, False),
        ("a = 1", False, True),
        ("a = 1 --", False, True),
        ("end do", False, False),
        ("--[[ open", False, False),
        ("if true then", False, False),
    ],
)
def test_lua_of_gits_own_must_be_whole(world: World, text: str, is_expression: bool, is_whole: bool) -> None:
    """Else it would swallow, or be finished by, what is written after it."""
    answer = ask(world, fragments=(Fragment(text=text, is_expression=is_expression),))
    assert (answer.fragments == (None,)) is is_whole
