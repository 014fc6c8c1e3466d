"""Files are always whole old, whole new or absent, and nobody's edit is lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest
from hands import Hands, dies_at, system_calls

from agent import atomic
from agent.fence import Fence
from schemas.actions import Link, MakeDir, RemoveFile, WriteFile
from schemas.errors import ActionFailed, Stale

OLD, NEW = b"old\n" * 3000, b"new\n" * 5000


@pytest.fixture
def hands(home: Path) -> Hands:
    return Hands(home)


def write(hands: Hands, name: str, content: bytes, *, mode: int = 0o640, fresh: bool = False) -> None:
    was = None if fresh else hands.was(name)
    hands.host.perform(WriteFile(path=hands.path(name), content=content, mode=mode, was=was))


def before_rename(monkeypatch: pytest.MonkeyPatch, interfere: Callable[[], object]) -> None:
    """Somebody is quicker than we are: between our last look and the rename."""
    rename = atomic._rename

    def late(*arguments: object) -> None:
        interfere()
        rename(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(atomic, "_rename", late)


# --- a death at any moment --------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [None, OLD], ids=["creation", "replacement"])
def test_a_death_at_any_system_call_leaves_the_file_whole(hands: Hands, old: bytes | None, tmp_path: Path) -> None:
    """Whole old, whole new or absent, in the right dress; the next write finishes and mends what was left."""
    path = hands.home / "f"

    def prepare() -> Callable[[], None]:
        path.unlink(missing_ok=True)
        if old is not None:
            path.write_bytes(old)
            path.chmod(0o600)
        action = WriteFile(path=hands.path("f"), content=NEW, mode=0o640, was=hands.was("f"))
        return lambda: hands.make().perform(action)

    outcomes, deaths = set(), 0
    for name, count in system_calls(prepare(), tmp_path / "calls"):
        deaths += dies_at(name, count, prepare())
        content = path.read_bytes() if path.exists() else None
        assert content in (old, NEW), (name, count)
        outcomes.add(content)
        if content is not None:
            assert path.stat().st_mode & 0o7777 == (0o640 if content == NEW else 0o600), (name, count)
        hands.host = hands.make()
        write(hands, "f", NEW)
        assert path.read_bytes() == NEW
        assert path.stat().st_mode & 0o7777 == 0o640
        assert hands.leftovers() == []
    assert deaths > 20
    assert outcomes == {old, NEW}


def test_what_a_killed_agent_left_is_kept_before_it_is_cleared(hands: Hands) -> None:
    """A temporary may be the only copy of someone's edit; one that equals the file beside it, or is empty,
    is none.
    """
    (hands.home / "f").write_bytes(OLD)
    (hands.home / ".f.0123abcd.prosodist").write_bytes(b"by hand")
    (hands.home / ".f.0123abce.prosodist").write_bytes(OLD)
    (hands.home / ".f.0123abcf.prosodist").write_bytes(b"")
    (hands.home / ".f.mine.prosodist").write_bytes(b"not of the agent's making")
    write(hands, "g", NEW)
    assert [(str(copy.path), copy.content) for copy in hands.kept] == [(f"{hands.home}/f", b"by hand")]
    assert hands.leftovers() == [".f.mine.prosodist"]


def test_what_cannot_be_kept_is_not_cleared(hands: Hands) -> None:
    """As long as keeping fails, the leftover stays, and with it the edit."""
    leftover = hands.home / ".f.0123abcd.prosodist"
    leftover.write_bytes(b"by hand")

    def broken(copy: atomic.Copy, why: str) -> None:
        raise ActionFailed("the state directory is full")

    hands.host._keep = broken
    for _ in range(2):
        with pytest.raises(ActionFailed):
            write(hands, "f", NEW)
        assert leftover.read_bytes() == b"by hand"


# --- a reader beside us -----------------------------------------------------------------------------------

POLL = """
import sys
path, seen = sys.argv[1], 0
print("ready", flush=True)
while True:
    content = open(path, "rb").read()
    assert len(content) == 20000 and len(set(content)) == 1, "torn"
    seen += 1
    if content[:1] == b"z":
        print(seen); break
"""


def test_a_reader_never_sees_the_file_missing_or_torn(hands: Hands) -> None:
    """Five hundred replacements beside a process that does nothing but read."""
    write(hands, "f", b"a" * 20000)
    poll = [sys.executable, "-c", POLL, str(hands.home / "f")]
    with subprocess.Popen(poll, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "ready\n"
        for n in range(500):
            write(hands, "f", bytes([97 + n % 20]) * 20000)
        write(hands, "f", b"z" * 20000)
        said, complaint = reader.communicate(timeout=30)
    assert complaint == ""
    assert int(said) > 100


# --- a person beside us -----------------------------------------------------------------------------------


def test_an_edit_since_the_look_stops_the_write(hands: Hands) -> None:
    """The next round judges it as what it is: nothing is displaced."""
    (hands.home / "f").write_bytes(OLD)
    was = hands.was("f")
    (hands.home / "f").write_bytes(b"by hand")
    with pytest.raises(Stale, match="somebody changed it"):
        hands.host.perform(WriteFile(path=hands.path("f"), content=NEW, mode=0o644, was=was))
    assert (hands.home / "f").read_bytes() == b"by hand"
    assert hands.leftovers() == []


def test_an_edit_at_the_worst_moment_is_kept(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Saved by rename between our last look and the exchange: our content stands, and the edit is kept
    aside.
    """
    (hands.home / "f").write_bytes(OLD)
    was = hands.was("f")

    def save() -> None:
        (hands.home / "editor").write_bytes(b"by hand")
        (hands.home / "editor").rename(hands.home / "f")

    before_rename(monkeypatch, save)
    hands.host.perform(WriteFile(path=hands.path("f"), content=NEW, mode=0o644, was=was))
    assert (hands.home / "f").read_bytes() == NEW
    assert [(copy.path, copy.content) for copy in hands.kept] == [(hands.path("f"), b"by hand")]
    assert hands.leftovers() == []


def test_a_file_that_appears_at_the_worst_moment_is_not_overwritten(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was to be new; somebody made one meanwhile, and the next round sees theirs."""
    before_rename(monkeypatch, lambda: (hands.home / "f").write_bytes(b"by hand"))
    with pytest.raises(Stale):
        write(hands, "f", NEW)
    assert (hands.home / "f").read_bytes() == b"by hand"
    assert hands.leftovers() == []


def test_a_file_that_vanishes_at_the_worst_moment_stays_away(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody removed it: that is a drift to be judged, too."""
    (hands.home / "f").write_bytes(OLD)
    before_rename(monkeypatch, (hands.home / "f").unlink)
    with pytest.raises(Stale):
        write(hands, "f", NEW)
    assert os.listdir(hands.home) == []


def test_a_directory_that_appears_at_the_worst_moment_is_not_lost(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be kept as a copy, so it stays beside the file and the message says where."""
    (hands.home / "f").write_bytes(OLD)

    def swap() -> None:
        (hands.home / "f").unlink()
        (hands.home / "f").mkdir()
        (hands.home / "f" / "inside").write_bytes(b"by hand")

    before_rename(monkeypatch, swap)
    with pytest.raises(ActionFailed, match="now lies at"):
        write(hands, "f", NEW)
    [left] = hands.leftovers()
    assert (hands.home / left / "inside").read_bytes() == b"by hand"


def test_an_edit_at_the_worst_moment_of_a_removal_is_kept(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newer edit comes out under our name and is kept before it goes."""
    (hands.home / "f").write_bytes(OLD)
    was = hands.was("f")
    assert was
    before_rename(monkeypatch, lambda: (hands.home / "f").write_bytes(b"by hand"))
    hands.host.perform(RemoveFile(path=hands.path("f"), was=was))
    assert os.listdir(hands.home) == []
    assert [copy.content for copy in hands.kept] == [b"by hand"]


def test_a_removal_touches_only_what_was_seen(hands: Hands) -> None:
    """An edit since the look stops it; what is gone already is no failure; a full directory is not emptied."""
    (hands.home / "f").write_bytes(OLD)
    (hands.home / "d").mkdir()
    (hands.home / "d" / "inside").touch()
    was, directory = hands.was("f"), hands.was("d")
    assert was and directory
    (hands.home / "f").write_bytes(b"by hand")
    with pytest.raises(Stale):
        hands.host.perform(RemoveFile(path=hands.path("f"), was=was))
    (hands.home / "f").unlink()
    hands.host.perform(RemoveFile(path=hands.path("f"), was=was))
    with pytest.raises(ActionFailed, match="not empty"):
        hands.host.perform(RemoveFile(path=hands.path("d"), was=directory))
    (hands.home / "d" / "inside").unlink()
    directory = hands.was("d")
    assert directory
    hands.host.perform(RemoveFile(path=hands.path("d"), was=directory))
    assert os.listdir(hands.home) == []


# --- the fence --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["/etc/motd", "relative", "HOME/../outside", "HOME/closed/f", "HOME/closed", "//HOME/f"]
)
def test_nothing_outside_the_fence_is_written(home: Path, place: str) -> None:
    """Each refusal names the place and what to do."""
    hands = Hands(home, home / "closed")
    path = PurePosixPath(place.replace("//HOME", "/" + str(home)).replace("HOME", str(home)))
    with pytest.raises(ActionFailed) as refused:
        hands.host.perform(WriteFile(path=path, content=NEW, mode=0o644))
    assert str(refused.value).startswith(f"{path}: ")
    assert os.listdir(home) == []


def test_links_below_an_opened_prefix_are_not_followed(hands: Hands, tmp_path: Path) -> None:
    """For reading there is nothing, for writing there are words."""
    (tmp_path / "f").write_bytes(b"elsewhere")
    (hands.home / "link").symlink_to(tmp_path)
    path = hands.path("link") / "f"
    assert hands.host.read(path) is hands.host.stat(path) is hands.host.listdir(hands.path("link")) is None
    with pytest.raises(ActionFailed, match="symbolic link"):
        hands.host.perform(WriteFile(path=path, content=NEW, mode=0o644))
    with pytest.raises(ActionFailed, match="symbolic link"):
        hands.host.perform(MakeDir(path=hands.path("link") / "d", mode=0o755))
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"elsewhere"


def test_a_directory_swapped_for_a_link_between_look_and_write_is_not_followed(
    hands: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We hold the directory that we looked at: the content goes there, and not where the link points."""
    (hands.home / "d").mkdir()

    def swap() -> None:
        (hands.home / "d").rename(hands.home / "moved")
        (hands.home / "d").symlink_to(tmp_path)

    before_rename(monkeypatch, swap)
    hands.host.perform(WriteFile(path=hands.path("d") / "f", content=NEW, mode=0o644))
    assert os.listdir(tmp_path) == []
    assert (hands.home / "moved" / "f").read_bytes() == NEW


def test_links_in_an_opened_prefix_are_the_admins_choice(home: Path) -> None:
    """`/home` may lead to `/srv/home`: resolved once, and a closed place stays closed under either name."""
    (home / "real" / "shut").mkdir(parents=True)
    (home / "alias").symlink_to("real")
    hands = Hands(home / "alias", home / "real" / "shut")
    write(hands, "f", NEW)
    assert (home / "real" / "f").read_bytes() == NEW
    assert hands.host.read(hands.path("f")) == NEW
    with pytest.raises(ActionFailed, match="closed"):
        write(hands, "shut/f", NEW)
    (home / "alias").unlink()
    (home / "alias").symlink_to("elsewhere")
    write(hands, "g", NEW)
    assert (home / "real" / "g").exists()


def test_a_single_file_may_be_opened(home: Path) -> None:
    """And nothing beside it."""
    fence = Fence(open=(PurePosixPath(home / "motd"),))
    assert fence.refusal(PurePosixPath(home / "motd")) == ""
    assert "not open" in fence.refusal(PurePosixPath(home / "motd2"))


# --- the dress, and what is in the way --------------------------------------------------------------------


def test_the_umask_of_the_agent_does_not_matter(hands: Hands) -> None:
    """Neither an open one nor a closed one."""
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            write(hands, f"f{umask}", NEW, mode=0o664)
            hands.host.perform(MakeDir(path=hands.path(f"d{umask}/e"), mode=0o2775))
        finally:
            os.umask(before)
        assert (hands.home / f"f{umask}").stat().st_mode & 0o7777 == 0o664
        assert (hands.home / f"d{umask}").stat().st_mode & 0o7777 == 0o755
        assert (hands.home / f"d{umask}" / "e").stat().st_mode & 0o7777 == 0o2775


def test_the_owner_is_set_or_the_refusal_says_why(hands: Hands, as_user: object) -> None:
    """Root gives files away; an ordinary user is told that it may not, and leaves nothing behind."""
    name, uid = "nobody", 65534
    action = WriteFile(path=hands.path("f"), content=NEW, mode=0o4750, owner=name)
    if os.geteuid() == 0:
        hands.host.perform(action)
        found = (hands.home / "f").stat()
        assert (found.st_uid, found.st_mode & 0o7777) == (uid, 0o4750)
    else:
        with pytest.raises(ActionFailed, match=r"/f: the agent's user may not"):
            hands.host.perform(action)
        assert os.listdir(hands.home) == []
    with pytest.raises(ActionFailed, match="user no-such-user: there is none"):
        hands.host.perform(WriteFile(path=hands.path("g"), content=NEW, mode=0o644, owner="no-such-user"))


def test_what_is_in_the_way_is_named(hands: Hands) -> None:
    """A directory where a file is wanted, a file where a directory is, a missing parent."""
    (hands.home / "d").mkdir()
    (hands.home / "f").touch()
    with pytest.raises(ActionFailed, match=r"/d: a directory is in the way"):
        write(hands, "d", NEW)
    with pytest.raises(ActionFailed, match=r"/d: a directory is in the way"):
        hands.host.perform(Link(path=hands.path("d"), target="f", was=hands.was("d")))
    with pytest.raises(ActionFailed, match=r"/f: a directory is wanted"):
        hands.host.perform(MakeDir(path=hands.path("f"), mode=0o755))
    with pytest.raises(Stale, match=r"/no does not exist; make that directory first"):
        write(hands, "no/f", NEW)
    with pytest.raises(ActionFailed, match="no directory"):
        write(hands, "f/g", NEW)


def test_a_name_of_255_bytes_can_be_written_and_replaced(hands: Hands) -> None:
    """The temporary's name is cut to fit, also within a character of two bytes; a longer name is refused
    with words.
    """
    for name in ("x" * 255, "ä" * 127 + "x", "x" * 225 + "ä" * 15):
        write(hands, name, OLD)
        write(hands, name, NEW)
        assert (hands.home / name).read_bytes() == NEW
    with pytest.raises(ActionFailed, match="longer than"):
        write(hands, "x" * 256, NEW, fresh=True)
    assert hands.leftovers() == []


def test_a_full_disk_leaves_the_old_file_and_no_temporary(hands: Hands) -> None:
    """A child with a limit on file size meets the same failure in the middle of the content."""
    import resource
    import signal

    (hands.home / "f").write_bytes(OLD)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write(hands, "f", NEW)
        except ActionFailed as error:
            os._exit(0 if "/f: " in str(error) else 2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (hands.home / "f").read_bytes() == OLD
    assert hands.leftovers() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_a_failing_disk_is_told_in_words(hands: Hands, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The object first, then what to do; no temporary is left."""

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ActionFailed, match=rf"^{hands.home}/f: .*; "):
        write(hands, "f", NEW)
    assert os.listdir(hands.home) == []


@pytest.fixture
def linked(hands: Hands) -> Iterator[Hands]:
    (hands.home / "l").symlink_to("old")
    yield hands


def test_links_are_made_and_exchanged(linked: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link over a link, a link over a file, a file over a link whose target is not touched."""
    linked.host.perform(Link(path=linked.path("l"), target="new", was=linked.was("l")))
    assert os.readlink(linked.home / "l") == "new"
    write(linked, "f", OLD)
    linked.host.perform(Link(path=linked.path("f"), target="new", was=linked.was("f")))
    assert os.readlink(linked.home / "f") == "new"
    write(linked, "l", NEW)
    assert not (linked.home / "l").is_symlink()
    assert not (linked.home / "new").exists()
    before_rename(monkeypatch, lambda: ((linked.home / "f").unlink(), (linked.home / "f").symlink_to("by-hand")))
    write(linked, "f", NEW)
    assert [copy.target for copy in linked.kept] == ["by-hand"]
    assert linked.leftovers() == []
