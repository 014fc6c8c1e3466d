"""Each kind of `files` on a real disk, and what holds of it where git does not say."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from world import World, spec

from reconcilers import files, ports
from schemas.desired import HostFile, HostSpec, Source
from schemas.plan import Change, Policy, Wait


@pytest.fixture
def world(home: Path, prosody12: Path) -> World:
    return World(home, prosody12)


def put(world: World, *, sources: dict[str, bytes] | None = None, **entries: dict[str, Any]) -> Path:
    """Bring these entries to the home, by name."""
    world.converge(wanted(world, sources=sources, **entries), ports, files)
    return world.home


def wanted(world: World, *, sources: dict[str, bytes] | None = None, **entries: dict[str, Any]) -> HostSpec:
    return spec({}, sources, files={f"{world.home}/{name}": entry for name, entry in entries.items()})


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def test_each_kind_makes_its_thing(world: World) -> None:
    """A text, a copy, a rendered template, a directory with all that is in it, an empty one, a link."""
    sources = {"files/x": b"x", "t.j2": b"{{ size }} {{ fqdn }}", "files/dir/a/b": b"b"}
    home = put(
        world,
        sources=sources,
        text={"content": "text\n"},
        copy={"source": "files/x"},
        made={"template": "t.j2", "vars": {"size": "100m"}},
        tree={"tree": "files/dir"},
        empty={"directory": True},
        link={"link": "elsewhere"},
    )
    assert (home / "text").read_text() == "text\n"
    assert (home / "copy").read_bytes() == b"x"
    assert (home / "made").read_text() == "100m a"
    assert (home / "tree/a/b").read_bytes() == b"b"
    assert (home / "empty").is_dir() and not os.listdir(home / "empty")
    assert os.readlink(home / "link") == "elsewhere"


def test_modes_that_nobody_said(world: World) -> None:
    """0644, a directory 0755, a secret 0640; what is said counts."""
    (world.home / "secret").write_text("s3cret")
    home = put(
        world,
        sources={"files/dir/a/b": b"b"},
        text={"content": ""},
        tree={"tree": "files/dir"},
        empty={"directory": True},
        given={"content": HostFile(host_file=f"{world.home}/secret")},
        closed={"content": "", "mode": "0600"},
    )
    modes = {name: mode(home / name) for name in ("text", "tree", "tree/a", "tree/a/b", "empty", "given", "closed")}
    assert modes == {
        "text": 0o644,
        "tree": 0o755,
        "tree/a": 0o755,
        "tree/a/b": 0o644,
        "empty": 0o755,
        "given": 0o640,
        "closed": 0o600,
    }


def test_what_git_calls_executable_is(world: World) -> None:
    """A copy keeps the bit that the repository has, alone and within a tree."""
    host = wanted(world, sources={"files/x": b"x", "files/y": b"y"}, one={"source": "files/x"}, all={"tree": "files"})
    executable = {**host.sources, "files/x": Source(data=b"x", executable=True)}
    world.converge(replace(host, sources=executable), ports, files)
    assert [mode(world.home / name) for name in ("one", "all/x", "all/y")] == [0o755, 0o755, 0o644]


def test_absent_sees_to_it_that_a_thing_is_not_there(world: World) -> None:
    """Whoever made it; and what is not said is left alone."""
    (world.home / "old").write_text("old")
    (world.home / "theirs").write_text("theirs")
    home = put(world, old={"absent": True})
    assert sorted(os.listdir(home)) == ["theirs"]
    assert (home / "theirs").read_text() == "theirs"


def test_a_word_for_drift_counts_for_the_thing_and_all_in_it(world: World) -> None:
    """The nearer one; where there is none, the host's."""
    host = spec(
        {},
        {"files/dir/a": b"a"},
        drift=Policy.IGNORE,
        files={
            f"{world.home}/tree": {"tree": "files/dir", "drift": Policy.DETECT},
            f"{world.home}/text": {"content": "x"},
        },
    )
    world.converge(host, ports)
    policies = {v.id: v.policy for v in world.verdicts(host, files) if isinstance(v, Change)}
    assert policies == {
        f"file:{world.home}/tree": Policy.DETECT,
        f"file:{world.home}/tree/a": Policy.DETECT,
        f"file:{world.home}/text": Policy.IGNORE,
    }


def test_an_owner_that_nobody_said_stays(world: World) -> None:
    """That of what lies there; one that is said is set. Only root gives files away: anybody else keeps their own."""
    (world.home / "theirs").write_text("old")
    owner, group = (world.home / "theirs").owner(), (world.home / "theirs").group()
    if os.geteuid() == 0:
        owner, group = "daemon", "daemon"
        shutil.chown(world.home / "theirs", owner, group)
    home = put(world, theirs={"content": "new"}, given={"content": "", "owner": owner, "group": group})
    assert (home / "theirs").read_text() == "new"
    assert [(home / name).owner() for name in ("theirs", "given")] == [owner, owner]
    assert [(home / name).group() for name in ("theirs", "given")] == [group, group]


def test_a_new_thing_gets_the_owner_of_its_place(world: World) -> None:
    """That of the directory it lies in, as git wants it or as it is; a directory that is there keeps its own."""
    (world.home / "theirs").mkdir()
    (world.home / "kept").mkdir()
    owner: dict[str, str] = {}
    if os.geteuid() == 0:
        owner = {"owner": "daemon", "group": "daemon"}
        shutil.chown(world.home / "theirs", "daemon", "daemon")
        shutil.chown(world.home / "kept", "daemon", "daemon")
    entries: dict[str, dict[str, Any]] = {
        "theirs/new": {"content": ""},
        "theirs/deep/er/new": {"content": ""},
        "made": {"directory": True, **owner},
        "made/new": {"content": ""},
        "kept": {"directory": True},
        "own": {"content": ""},
    }
    home = put(world, **entries)
    expected = "daemon" if os.geteuid() == 0 else home.owner()
    names = ("theirs/new", "theirs/deep", "theirs/deep/er", "theirs/deep/er/new", "made/new", "kept")
    assert {(home / name).owner() for name in names} == {expected}
    assert (home / "own").owner() == home.owner()


def test_an_unknown_owner_is_waited_for(world: World) -> None:
    """A package of the same pass may bring the user."""
    for what in ("owner", "group"):
        host = wanted(world, x={"content": "", what: "nobody-knows"})
        (verdict,) = world.verdicts(host, files)
        assert isinstance(verdict, Wait) and "nobody-knows" in verdict.why
    assert not (world.home / "x").exists()


def test_directories_that_were_made_on_the_way_go_when_they_are_empty(world: World) -> None:
    """Those that we made; one that somebody else uses stays, and those above it."""
    (world.home / "theirs").mkdir()
    deep = {f"{name}/a/b/c": {"content": ""} for name in ("ours", "theirs", "used")}
    home = put(world, **deep)
    (home / "used/a/more").write_text("")
    put(world, other={"content": ""})
    assert sorted(os.listdir(home)) == ["other", "theirs", "used"]
    assert os.listdir(home / "theirs") == [] and os.listdir(home / "used/a") == ["more"]
    assert list(world.owned["files"]) == [f"file:{home}/other"]


def test_a_directory_that_was_made_on_the_way_is_made_again(world: World) -> None:
    """With what is to lie in it; and while something does, it is nobody's business what its mode is."""
    home = put(world, **{"a/b/c": {"content": "x"}})
    shutil.rmtree(home / "a")
    put(world, **{"a/b/c": {"content": "x"}})
    (home / "a").chmod(0o700)
    assert world.converge(wanted(world, **{"a/b/c": {"content": "x"}}), ports, files) == 1
    assert (home / "a/b/c").read_text() == "x"


@pytest.mark.parametrize(
    "entry",
    [{"content": ""}, {"content": "", "block": True}, {"directory": True}, {"absent": True}, {"link": "/"}],
)
def test_what_a_push_may_not_write_waits(world: World, entry: dict[str, Any]) -> None:
    """The hands reach further, for what the agent writes for itself: the loader is not the only judge."""
    (world.home / "unit").write_text("theirs")
    closed = world.home / "unit"
    world.site = replace(world.site, may_write=lambda path: "it is closed" if str(path) == str(closed) else "")
    other, verdict = world.verdicts(wanted(world, unit=entry, other={"content": ""}), files)
    assert isinstance(other, Change) and isinstance(verdict, Wait) and "it is closed" in verdict.why
