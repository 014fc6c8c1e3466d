"""A marked block in somebody else's file: the block is git's, and every other byte is theirs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from world import World, spec

from reconcilers import blocktext, files, ports
from reconcilers.blocktext import Block, Tangled
from schemas.desired import HostFile, HostSpec
from schemas.errors import SpecError
from schemas.plan import Change, Holds, Kind, Wait

THEIRS = b"# theirs \xe9\xff\r\nSocksPort 9050\n"


@pytest.fixture
def world(home: Path, prosody12: Path) -> World:
    return World(home, prosody12)


def wanted(world: World, *, content: Any = "Ours 1\n", **entry: Any) -> HostSpec:
    return spec({}, files={f"{world.home}/torrc": {"content": content, "block": True, **entry}})


def nothing() -> HostSpec:
    return spec({})


def torrc(world: World, content: bytes = THEIRS) -> Path:
    path = world.home / "torrc"
    path.write_bytes(content)
    return path


def test_the_rest_of_the_file_is_not_ours(world: World) -> None:
    """The block comes, changes and goes; what is around it stays byte by byte, in whatever encoding, with its mode."""
    path = torrc(world)
    path.chmod(0o604)
    world.converge(wanted(world), ports, files)
    assert path.read_bytes().startswith(THEIRS) and b"\nOurs 1\n" in path.read_bytes()
    path.write_bytes(path.read_bytes() + b"After \xe9\n")
    world.converge(wanted(world, content="Ours 2\n"), ports, files)
    assert path.read_bytes().startswith(THEIRS) and path.read_bytes().endswith(b"After \xe9\n")
    assert b"Ours 2\n" in path.read_bytes() and b"Ours 1" not in path.read_bytes()
    world.converge(nothing(), ports, files)
    assert path.read_bytes() == THEIRS + b"After \xe9\n"
    assert path.stat().st_mode & 0o777 == 0o604


def test_a_file_that_is_not_there_is_made_with_the_block_alone(world: World) -> None:
    """It goes with the block when nothing else was written into it, and else it stays."""
    path = world.home / "torrc"
    world.converge(wanted(world), ports, files)
    assert path.read_bytes().count(b"\n") == 3
    world.converge(nothing(), ports, files)
    assert not path.exists()
    world.converge(wanted(world), ports, files)
    path.write_bytes(path.read_bytes() + b"theirs\n")
    world.converge(nothing(), ports, files)
    assert path.read_bytes() == b"theirs\n"


def test_an_empty_file_of_theirs_stays(world: World) -> None:
    """It was there before us."""
    path = torrc(world, b"")
    world.converge(wanted(world), ports, files)
    world.converge(nothing(), ports, files)
    assert path.read_bytes() == b""


def test_what_others_do_around_the_block_is_no_drift(world: World) -> None:
    """Only an edit within it is, and is put right."""
    path = torrc(world)
    world.converge(wanted(world), ports, files)
    (before,) = world.verdicts(wanted(world), files)
    path.write_bytes(b"first\n" + path.read_bytes())
    (after,) = world.verdicts(wanted(world), files)
    assert isinstance(before, Holds) and before == after
    path.write_bytes(path.read_bytes().replace(b"Ours 1", b"Mine"))
    change = world.change(wanted(world), files)
    assert change.kind is Kind.CHANGED and change.live != after.live
    assert "-Mine" in change.diff and not any("SocksPort" in line for line in change.diff)


def test_the_marker_names_what_of_the_repository_it_is(world: World) -> None:
    """The template or file; a text of the document itself is the document's. Both lines are comments of that file."""
    path = f"{world.home}/a"
    host = spec({}, {"files/x": b"x"}, files={path: {"source": "files/x", "block": True, "comment": "//"}})
    world.converge(host, ports, files)
    first, middle, last = Path(path).read_text().splitlines()
    assert first.startswith("// ") and "files/x" in first and middle == "x" and last.startswith("// ")


def test_another_comment_sign_or_name_finds_the_same_block(world: World) -> None:
    """No second block is made."""
    path = torrc(world)
    world.converge(wanted(world), ports, files)
    world.converge(wanted(world, comment=";"), ports, files)
    assert path.read_bytes().count(b"block begins") == 1 and b"\n; ---" in path.read_bytes()


@pytest.mark.parametrize("broken", ["two", "unended", "turned"])
def test_where_nobody_can_tell_our_block_nothing_is_written(world: World, broken: str) -> None:
    """Two of them, or half a one: it waits for a person, also when the block is gone from git."""
    path = torrc(world)
    world.converge(wanted(world), ports, files)
    begins, body, ends = path.read_bytes().removeprefix(THEIRS).splitlines(keepends=True)
    path.write_bytes({"two": (begins + body + ends) * 2, "unended": begins + body, "turned": ends + begins}[broken])
    before = path.read_bytes()
    for host in (wanted(world, content="other"), nothing()):
        (verdict,) = world.verdicts(host, files)
        assert isinstance(verdict, Wait) and str(path) in verdict.why and "block" in verdict.why
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["directory", "link", "other"])
def test_what_is_no_file_waits(world: World, kind: str) -> None:
    """A block is put into a file, and never in the place of something."""
    path = world.home / "torrc"
    make = {"directory": path.mkdir, "link": lambda: path.symlink_to("x"), "other": lambda: os.mkfifo(path)}
    make[kind]()
    (verdict,) = world.verdicts(wanted(world), files)
    assert isinstance(verdict, Wait) and kind in verdict.why


def test_no_secret_is_put_where_everybody_reads(world: World) -> None:
    """The mode of somebody's file is theirs, unless git says it."""
    path = torrc(world)
    (world.home / "secret").write_text("s3cret")
    secret = HostFile(host_file=f"{world.home}/secret")
    (verdict,) = world.verdicts(wanted(world, content=secret), files)
    assert isinstance(verdict, Wait) and "secret" in verdict.why
    world.converge(wanted(world, content=secret, mode="0600"), ports, files)
    assert b"s3cret" in path.read_bytes() and path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    world.converge(wanted(world, content=secret), ports, files)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_text_that_holds_a_marker_is_a_mistake(world: World) -> None:
    """It could never be found again."""
    text = "# --- prosodist block ends ---\n"
    with pytest.raises(SpecError, match="marks a block"):
        world.verdicts(wanted(world, content=text), files)


def test_a_file_of_ours_becomes_a_block_and_back(world: World) -> None:
    """Whole, it was git's, and goes; the block comes in its place."""
    path = world.home / "torrc"
    whole = spec({}, files={str(path): {"content": "Whole\n"}})
    world.converge(whole, ports, files)
    _settle(world, wanted(world))
    assert b"Whole" not in path.read_bytes() and b"Ours 1\n" in path.read_bytes()
    _settle(world, whole)
    assert path.read_bytes() == b"Whole\n" and list(world.owned["files"]) == [f"file:{path}"]


def _settle(world: World, host: HostSpec) -> None:
    """Rounds, each change made as soon as it is planned."""
    for _ in range(5):
        changes = [v for v in world.verdicts(host, files) if isinstance(v, Change)]
        if not changes:
            return
        world.make(changes[0], "files")
    raise AssertionError("does not converge")


def test_the_file_keeps_its_owner(world: World) -> None:
    """And its group, whoever they are."""
    path = torrc(world)
    if os.geteuid() == 0:
        shutil.chown(path, "daemon", "daemon")
    before = (path.owner(), path.group())
    world.converge(wanted(world), ports, files)
    assert (path.owner(), path.group()) == before


BYTES = st.binary(max_size=200).filter(lambda text: b"\0" not in text)
LINES = st.lists(st.sampled_from([b"a", b"\xff", b"", b"--- prosodist block", b"\r", b" ---"]), max_size=6)


@given(before=BYTES | LINES.map(b"\n".join), after=BYTES, body=BYTES, other=BYTES)
def test_every_other_byte_stays(before: bytes, after: bytes, body: bytes, other: bytes) -> None:
    """Whatever they are; but that a last line is ended before our first."""
    assume(all(map(blocktext.is_speakable, (before, after, body, other))))
    block = Block(comment="#", name="files/x", body=body)
    once = blocktext.put(before, block)
    ended = before if not before or before.endswith(b"\n") else before + b"\n"
    assert once.startswith(ended) and blocktext.cut(once) == ended
    full = once + after
    assert blocktext.put(full, block) == full
    again = blocktext.put(full, Block(comment="//", name="files/y", body=other))
    assert again.startswith(ended) and again.endswith(after)
    assert blocktext.cut(again) == ended + after


@given(
    text=st.lists(
        st.sampled_from([b"# --- prosodist block begins: x ---\n", b"# --- prosodist block ends ---\n", b"x\n"])
    )
)
def test_markers_in_any_order_are_one_block_or_a_mistake(text: list[bytes]) -> None:
    """Never a guess."""
    whole = b"".join(text)
    markers = [b"begins" in line for line in text if line != b"x\n"]
    try:
        span = blocktext.find(whole)
    except Tangled:
        assert markers not in ([], [True, False])
    else:
        assert markers == ([] if span is None else [True, False])
