"""The hands on somebody else's file: whoever writes it at the same moment loses nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hands import Hands

from agent import atomic, splice
from schemas.actions import Check, WriteBlock
from schemas.errors import ActionFailed, AgentError, Stale


@pytest.fixture
def hands(home: Path) -> Hands:
    return Hands(home)


@pytest.fixture
def conf(hands: Hands) -> Path:
    path = hands.home / "conf"
    path.write_bytes(b"theirs \xff\n")
    path.chmod(0o604)
    return path


def block(hands: Hands, content: bytes | None = b"ours\n", check: Check | None = None) -> WriteBlock:
    return WriteBlock(path=hands.path("conf"), content=content, name="files/x", was=hands.was("conf"), check=check)


def meddling(monkeypatch: pytest.MonkeyPatch, deed: Callable[[int], object]) -> None:
    """Somebody else does this right before each exchange; told how often there was one."""
    write, count = atomic._commit, [0]

    def commit(*arguments: object) -> None:
        count[0] += 1
        deed(count[0])
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(atomic, "_commit", commit)


def test_an_edit_that_comes_between_is_taken_over(hands: Hands, conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block stands in what they wrote, which is kept aside besides; by whatever way they wrote it."""

    def edit(number: int) -> None:
        if number == 1:
            (hands.home / "new").write_bytes(b"edited\n")
            os.replace(hands.home / "new", conf)
        elif number == 2:
            conf.write_bytes(conf.read_bytes() + b"appended\n")

    meddling(monkeypatch, edit)
    hands.host.perform(block(hands))
    text = conf.read_bytes()
    assert text.startswith(b"theirs") and text.endswith(b"appended\n") and b"ours\n" in text
    assert hands.kept[0].content == b"edited\n"
    assert not hands.leftovers()


def test_one_edit_between_is_in_the_file(hands: Hands, conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the file that they know, with our block."""
    meddling(monkeypatch, lambda number: conf.write_bytes(b"edited\n") if number == 1 else None)
    hands.host.perform(block(hands))
    assert conf.read_bytes().startswith(b"edited\n") and b"ours\n" in conf.read_bytes()


def test_who_never_stops_writing_is_left_alone(hands: Hands, conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few times the next round looks again; all that they wrote is kept."""
    meddling(monkeypatch, lambda number: conf.write_bytes(f"edit {number}\n".encode()))
    with pytest.raises(Stale):
        hands.host.perform(block(hands))
    assert [kept.content for kept in hands.kept] == [f"edit {n}\n".encode() for n in range(1, splice._TIMES + 1)]


def test_a_link_that_is_swapped_in_is_put_back(hands: Hands, conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it leads to is neither read nor written."""
    (hands.home / "secret").write_bytes(b"secret\n")

    def swap(number: int) -> None:
        if number == 1:
            (hands.home / "new").symlink_to("secret")
            os.replace(hands.home / "new", conf)

    meddling(monkeypatch, swap)
    with pytest.raises(Stale):
        hands.host.perform(block(hands))
    assert conf.is_symlink() and (hands.home / "secret").read_bytes() == b"secret\n"


@pytest.mark.parametrize("kind", ["directory", "link", "fifo", "large", "gone", "edited"])
def test_what_lies_there_by_now_stays(hands: Hands, conf: Path, kind: str) -> None:
    """Something else than the plan saw is never written to; a FIFO is not waited for, nor a large file read."""
    action = block(hands)
    conf.unlink()
    match kind:
        case "directory":
            conf.mkdir()
        case "link":
            conf.symlink_to("elsewhere")
        case "fifo":
            os.mkfifo(conf)
        case "large":
            conf.touch()
            os.truncate(conf, atomic.LARGEST + 1)
        case "edited":
            conf.write_bytes(b"edited\n")
    before = conf.lstat().st_ino if kind != "gone" else None
    with pytest.raises(AgentError) as error:
        hands.host.perform(action)
    assert isinstance(error.value, ActionFailed | Stale) and str(conf) in str(error.value)
    assert (conf.lstat().st_ino if kind != "gone" else None) == before
    assert not hands.leftovers()


def test_a_candidate_that_is_refused_leaves_nothing(hands: Hands, conf: Path) -> None:
    """Neither a temporary nor a change."""
    before = conf.stat()
    with pytest.raises(ActionFailed, match="exit status 1"):
        hands.host.perform(block(hands, check=Check(argv=("/bin/false", "<file>"), wish="x")))
    assert (conf.stat().st_ino, conf.read_bytes()) == (before.st_ino, b"theirs \xff\n")
    assert not hands.leftovers() and not hands.kept


def test_mode_and_owner_of_the_file_stay(hands: Hands, conf: Path) -> None:
    """Where git says none."""
    if os.geteuid() == 0:
        os.chown(conf, 1, 1)
    before = conf.stat()
    hands.host.perform(block(hands))
    after = conf.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    hands.host.perform(block(hands, content=None))
    assert conf.read_bytes() == b"theirs \xff\n"


@pytest.mark.parametrize("bits", [0o2000, 0o4000, 0o6000])
def test_what_we_write_runs_as_nobody_else(hands: Hands, conf: Path, bits: int) -> None:
    """The content is ours by then, or a copy's: setuid and setgid stay behind, which the agent's unit may not set."""
    conf.chmod(bits | 0o640)
    hands.host.perform(block(hands))
    assert conf.stat().st_mode & 0o7777 == 0o640
    conf.chmod(bits | 0o640)
    copy = hands.host.look(hands.path("conf"), atomic.copy)
    assert copy is not None
    hands.host.restore(copy)
    assert conf.stat().st_mode & 0o7777 == 0o640
