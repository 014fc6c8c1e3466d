"""`recurse`: whose all is that lies below a directory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from world import World, spec

from reconcilers import files, ports
from schemas.desired import HostSpec
from schemas.plan import Change, Holds, Verdict

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def world(home: Path, prosody12: Path) -> World:
    return World(home, prosody12)


@pytest.fixture
def tree(world: World) -> Path:
    """Directories, files, links that lead away, and what they lead to."""
    top = world.home / "tree"
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/file").write_text("x")
    (world.home / "outside").mkdir(mode=0o711)
    (world.home / "outside/theirs").write_text("x")
    (top / "link").symlink_to(world.home / "outside")
    (top / "a/dangling").symlink_to("nowhere")
    os.mkfifo(top / "a/fifo")
    for path in (top / "a", top / "a/b"):
        path.chmod(0o755)
    return top


def wanted(world: World, *, others: dict[str, dict[str, Any]] | None = None, **entry: Any) -> HostSpec:
    """As root a tree for somebody else, as a user one with another mode."""
    owner = {"owner": "daemon", "group": "daemon"} if IS_ROOT else {}
    top = {"directory": True, "recurse": True, "mode": "0750", **owner, **entry}
    more = {f"{world.home}/{name}": value for name, value in (others or {}).items()}
    return spec({}, files={f"{world.home}/tree": top, **more})


def below(world: World, host: HostSpec) -> Verdict:
    """The verdict on all that lies below."""
    (verdict,) = [verdict for verdict in world.verdicts(host, files) if verdict.id.startswith("below:")]
    return verdict


def test_everything_below_gets_its_owner(world: World, tree: Path) -> None:
    """And directories the mode; links themselves, and never what they lead to."""
    (world.home / "outside").chmod(0o711)
    world.converge(wanted(world), ports, files)
    for path in (tree / "a", tree / "a/b", tree / "a/b/file", tree / "link", tree / "a/dangling", tree / "a/fifo"):
        found = path.lstat()
        if IS_ROOT:
            assert (found.st_uid, found.st_gid) == (1, 1), path
    assert [(tree / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o750, 0o750]
    assert (tree / "a/b/file").stat().st_mode & 0o777 == 0o644
    outside = (world.home / "outside").stat()
    assert (outside.st_uid, outside.st_mode & 0o777) == (os.geteuid(), 0o711)
    assert (world.home / "outside/theirs").stat().st_uid == os.geteuid()


def test_a_mode_that_git_does_not_say_stays(world: World, tree: Path) -> None:
    """What is private below is not opened by a word about owners."""
    (tree / "a").chmod(0o700)
    world.converge(wanted(world, mode=None), ports, files)
    assert (tree / "a").stat().st_mode & 0o777 == 0o700


def test_a_tree_in_order_is_looked_at_once(world: World, tree: Path) -> None:
    """Until the full look, or the entry changes."""
    host = wanted(world)
    world.converge(host, ports, files)
    (tree / "a/b").chmod(0o700)
    assert isinstance(below(world, host), Holds)
    world.host.look_anew()
    verdict = below(world, host)
    assert isinstance(verdict, Change) and verdict.why.startswith("1 thing ")
    (tree / "a/b").chmod(0o750)
    assert isinstance(below(world, host), Holds)
    (tree / "a/b").chmod(0o700)
    assert isinstance(below(world, wanted(world, mode="0755")), Change)


def test_what_git_says_of_a_path_below_counts_for_it(world: World, tree: Path) -> None:
    """The nearer word: of a directory for itself, of another `recurse` for all in it."""
    others = {
        "tree/a": {"directory": True, "mode": "0711"},
        "tree/c": {"directory": True, "mode": "0700", "recurse": True},
    }
    (tree / "c/d").mkdir(parents=True)
    world.converge(wanted(world, others=others), ports, files)
    modes = {name: (tree / name).stat().st_mode & 0o777 for name in ("a", "a/b", "c", "c/d")}
    assert modes == {"a": 0o711, "a/b": 0o750, "c": 0o700, "c/d": 0o700}


def test_a_file_with_a_second_name_is_left(world: World, tree: Path) -> None:
    """Whoever may write below could have linked there what is not theirs."""
    (world.home / "shadow").write_text("root's")
    os.link(world.home / "shadow", tree / "a/stolen")
    world.converge(wanted(world), ports, files)
    assert (world.home / "shadow").stat().st_uid == os.geteuid()


def test_a_word_about_owners_that_is_gone_leaves_all_as_it_is(world: World, tree: Path) -> None:
    """Nobody knows whose it was before."""
    world.converge(wanted(world), ports, files)
    world.converge(wanted(world, recurse=False), ports, files)
    assert list(world.owned["files"]) == [f"file:{tree}"]
    assert (tree / "a").stat().st_mode & 0o777 == 0o750


def test_prosodys_own_are_not_given_away(world: World) -> None:
    """A tree around them ends where they begin."""
    secrets = Path(world.site.paths.secrets)
    secrets.mkdir(parents=True)
    (secrets / "x").mkdir(mode=0o700)
    host = spec({}, files={str(secrets.parent): {"directory": True, "recurse": True, "mode": "0755"}})
    world.converge(host, ports, files)
    assert (secrets / "x").stat().st_mode & 0o777 == 0o700


def test_an_agent_that_is_asked_to_end_breaks_a_walk_off(world: World, tree: Path) -> None:
    """Within a few hundred entries, and with no descriptor left open."""

    class Asked(Exception):
        pass

    def heed() -> None:
        raise Asked

    for number in range(1200):
        (tree / f"a/{number}").touch()
    world.host._heed = heed
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(Asked):
        below(world, wanted(world))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_tree_that_is_too_deep_waits(world: World, tree: Path) -> None:
    """Each level takes a descriptor; whoever may write there decides how many there are."""
    deep = tree
    for _ in range(210):
        deep = deep / "d"
        deep.mkdir()
    try:
        assert "lie within each other" in getattr(below(world, wanted(world)), "why", "")
    finally:
        shutil.rmtree(tree)
