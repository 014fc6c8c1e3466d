"""Prosody's own user rules its directories, at any time; root's hands and eyes harm and tell nothing by it.

Where the kernel keeps a user from linking what is another's (/proc/sys/fs/protected_hardlinks) is not for us to
trust: here root makes the link that a kernel without it would let the user make.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hands import Hands

from agent import atomic, below
from schemas.actions import DressTree, Keep, Link, MakeDir, RemoveFile, WriteBlock, WriteFile
from schemas.errors import ActionFailed, AgentError, Temporary

ROOT = os.geteuid() == 0
THEIRS = 65534 if ROOT else os.geteuid()
"""Who owns the directory: nobody, or whoever runs this."""
SECRET = b"root:$y$j9T$secret:19000:0:99999:7:::\n"


@pytest.fixture
def outside(home: Path) -> Path:
    """A file like /etc/shadow, beside what is open; and the open directory, which its user owns."""
    shadow = home / "shadow"
    shadow.write_bytes(SECRET)
    shadow.chmod(0o600)
    (home / "open").mkdir()
    os.chown(home / "open", THEIRS, -1)
    return shadow


@pytest.fixture
def hands(home: Path, outside: Path) -> Hands:
    return Hands(home / "open")


def unharmed(outside: Path) -> None:
    """The canary is what and whose it was."""
    found = outside.lstat()
    assert outside.read_bytes() == SECRET
    assert (found.st_mode & 0o7777, found.st_uid) == (0o600, os.geteuid())


def test_a_second_name_of_anothers_file_is_not_read(hands: Hands, outside: Path) -> None:
    """Neither told, nor kept, nor given to whoever may read what is made of it."""
    os.link(outside, hands.home / "f")
    if not ROOT:  # there it is the user's own file, under both of its names
        assert hands.host.read(hands.path("f")) == SECRET
        return
    with pytest.raises(Temporary, match="a second name, and another owner"):
        hands.host.read(hands.path("f"))
    with pytest.raises(AgentError, match="a second name, and another owner"):
        hands.host.perform(Keep(path=hands.path("f"), why="test"))
    assert not hands.kept
    unharmed(outside)


@pytest.mark.parametrize("kind", ["link", "hard link", "link above", "directory", "fifo", "socket"])
def test_what_lies_in_the_way_is_not_written_through(hands: Hands, outside: Path, kind: str) -> None:
    """Content, mode and owner reach the place itself or nothing."""
    place = hands.home / "d/f"
    _put(kind, place, outside)
    was = hands.was("d/f")
    act = WriteFile(path=hands.path("d/f"), content=b"x", mode=0o777, owner=str(THEIRS), was=was)
    if kind in ("link above", "directory"):
        with pytest.raises(AgentError):
            hands.host.perform(act)
    else:
        hands.host.perform(act)
        assert place.read_bytes() == b"x" and place.stat().st_nlink == 1
    unharmed(outside)


@pytest.mark.parametrize("kind", ["link", "hard link", "link above", "fifo", "socket"])
def test_a_directory_is_made_of_nothing_else(hands: Hands, outside: Path, kind: str) -> None:
    """chown and chmod go to a descriptor of a directory."""
    _put(kind, hands.home / "d/f", outside)
    with pytest.raises(AgentError):
        hands.host.perform(MakeDir(path=hands.path("d/f"), mode=0o777, owner=str(THEIRS)))
    unharmed(outside)


@pytest.mark.parametrize("kind", ["link", "hard link", "fifo", "socket"])
def test_removing_takes_the_name_alone(hands: Hands, outside: Path, kind: str) -> None:
    """What it led to stays."""
    _put(kind, hands.home / "d/f", outside)
    found = hands.was("d/f")
    assert found is not None
    hands.host.perform(RemoveFile(path=hands.path("d/f"), was=found))
    assert not os.path.lexists(hands.home / "d/f")
    unharmed(outside)


def _swaps(home: Path, outside: Path) -> dict[str, Callable[[], object]]:
    """What its user may do between our look and our write."""
    inside = home / "d"

    def away() -> None:
        inside.rename(home / "was")

    def to_link() -> None:
        away()
        inside.symlink_to(outside.parent)

    def to_file() -> None:
        (inside / "f").unlink()
        os.link(outside, inside / "f")

    def to_symlink() -> None:
        (inside / "f").unlink()
        (inside / "f").symlink_to(outside)

    return {"gone": away, "link": to_link, "hard link": to_file, "symbolic link": to_symlink}


@pytest.mark.parametrize("moment", ["_expect", "_rename"])
@pytest.mark.parametrize("kind", ["gone", "link", "hard link", "symbolic link"])
def test_what_is_swapped_meanwhile_is_not_written_through(
    hands: Hands, outside: Path, kind: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the look of the hands, and right before the exchange: the descriptor stays where it was."""
    (hands.home / "d").mkdir()
    (hands.home / "d/f").write_bytes(b"old")
    for path in ("d", "d/f"):
        os.chown(hands.home / path, THEIRS, -1)
    act = WriteFile(path=hands.path("d/f"), content=b"new", mode=0o666, owner=str(THEIRS), was=hands.was("d/f"))
    real, swap = getattr(atomic, moment), _swaps(hands.home, outside)[kind]

    def late(*arguments: object) -> None:
        monkeypatch.setattr(atomic, moment, real)
        swap()
        real(*arguments)

    monkeypatch.setattr(atomic, moment, late)
    with contextlib.suppress(AgentError):
        hands.host.perform(act)
    unharmed(outside)
    assert SECRET not in [copy.content for copy in hands.kept] or not ROOT


@pytest.mark.parametrize("kind", ["link", "hard link", "link above"])
def test_no_block_is_put_into_what_is_anothers(hands: Hands, outside: Path, kind: str) -> None:
    """Nor is what is around a block carried to where others read it."""
    _put(kind, hands.home / "d/f", outside)
    block = WriteBlock(path=hands.path("d/f"), content=b"x", mode=0o666, owner=str(THEIRS), was=hands.was("d/f"))
    if ROOT or kind != "hard link":
        with pytest.raises(AgentError):
            hands.host.perform(block)
        assert not (hands.home / "d/f").is_file() or (hands.home / "d/f").samefile(outside)
    unharmed(outside)


@pytest.mark.parametrize("kind", ["link", "hard link", "link above", "directory", "fifo", "socket"])
def test_nothing_is_given_away_that_lies_elsewhere(hands: Hands, outside: Path, kind: str) -> None:
    """All below a directory gets an owner: what its user has put there leads to nothing more."""
    _put(kind, hands.home / "d/f", outside)
    hands.host.perform(DressTree(path=hands.path("."), mode=0o777, owner=str(THEIRS)))
    unharmed(outside)
    assert outside.parent.stat().st_uid == os.geteuid()


@pytest.mark.parametrize("kind", ["gone", "link", "hard link", "symbolic link"])
def test_nothing_is_given_away_that_came_between(
    hands: Hands, outside: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at is what gets the owner."""
    (hands.home / "d").mkdir()
    (hands.home / "d/f").write_bytes(b"old")
    real, swap = below._give, _swaps(hands.home, outside)[kind]

    def late(entry: below._Entry, dress: atomic.Dress) -> None:
        swap()
        real(entry, dress)

    monkeypatch.setattr(below, "_give", late)
    if ROOT:  # nobody else gives anything away
        hands.host.perform(DressTree(path=hands.path("."), mode=0o777, owner=str(THEIRS)))
    unharmed(outside)


def test_a_fifo_is_not_waited_for(hands: Hands) -> None:
    """Not when it is looked at, and not when it took a file's place since."""
    os.mkfifo(hands.home / "f")
    assert hands.host.read(hands.path("f")) is None
    with pytest.raises(Temporary, match="somebody put something else there"):
        hands.host.look(hands.path("f"), atomic.read)


def test_a_device_is_no_file(hands: Hands) -> None:
    """Nothing is read from one, and nothing written to it."""
    place = hands.home / "f"
    if not ROOT:
        place.symlink_to("/dev/null")  # all that an ordinary user can put there
        assert hands.host.read(hands.path("f")) is None
        return
    os.mknod(place, 0o600 | 0o020000, os.makedev(1, 3))
    assert hands.host.read(hands.path("f")) is None
    with pytest.raises(ActionFailed, match="neither a file nor a link"):
        hands.host.perform(Keep(path=hands.path("f"), why="test"))


def test_a_link_of_ours_leads_our_own_eyes_nowhere(hands: Hands, outside: Path) -> None:
    """A push may want a link, and then have read what it leads to: links are not followed."""
    hands.host.perform(Link(path=hands.path("f"), target=str(outside)))
    assert hands.host.read(hands.path("f")) is None
    hands.host.perform(Link(path=hands.path("up"), target=str(outside.parent)))
    assert hands.host.read(hands.path("up/shadow")) is None
    assert hands.host.listdir(hands.path("up")) is None


def _put(kind: str, place: Path, outside: Path) -> None:
    """Something of this kind at the place, made by whoever owns the directory."""
    if kind == "link above":
        (outside.parent / "target").mkdir()
        place.parent.symlink_to(outside.parent / "target")
        return
    place.parent.mkdir()
    os.chown(place.parent, THEIRS, -1)
    match kind:
        case "link":
            place.symlink_to(outside)
        case "hard link":
            os.link(outside, place)
        case "directory":
            place.mkdir()
        case "fifo":
            os.mkfifo(place)
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(str(place))
