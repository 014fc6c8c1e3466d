"""What is small in a pack and large in memory: read by nobody, and packed where it costs the agent none."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from repositories import GitRepository

from agent.ending import Interrupted
from agent.source import Source, bundle
from agent.source.carry import carry
from agent.source.tree import LARGEST_OBJECT
from schemas.errors import SourceRefused, Temporary

ZEROS = LARGEST_OBJECT + 2**20


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> GitRepository:
    """The one that others are copies of."""
    made = GitRepository(tmp_path_factory.mktemp("first"))
    made.commit({"hosts/a.yaml": "profile: local\n"})
    with (made.work / "zeros").open("wb") as file:
        file.truncate(ZEROS)
    made.commit({})
    made.push()
    return made


@pytest.fixture
def large(first: GitRepository, git_repo: Callable[[], GitRepository]) -> GitRepository:
    """A commit with 65 MiB of zeros."""
    made = git_repo()
    for old, new in ((first.bare, made.bare), (first.work / ".git/objects", made.work / ".git/objects")):
        shutil.copytree(old, new, dirs_exist_ok=True)
    made.reset(first.head())
    return made


@pytest.mark.parametrize("packed", ["loose", "packed"])
def test_a_repository_on_this_disk(large: GitRepository, home: Path, packed: str) -> None:
    """Loose or in a pack: the commit is refused with the file's name, and the agent never has it in memory.

    Once it is in the history alone, nobody reads it: it is carried, and saved, and hinders nothing.
    """
    if packed == "packed":
        subprocess.run(["git", "-C", large.work, "gc", "-q"], check=True)
    source = Source(repository=str(large.work), branch="main", state_dir=home / "state")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceRefused, match="zeros has over 64 MiB"):
        source.tree(source.fetch())
    tip = large.commit({"zeros": None})
    assert source.fetch() == tip
    assert list(source.tree(tip)) == ["hosts/a.yaml"]
    source.keep("accepted", tip)
    assert source.save()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < ZEROS / 2048


def test_what_no_child_could_pack_is_refused(large: GitRepository, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its size, not by reading it, and with the command that finds it; the commit before it can be taken."""
    monkeypatch.setattr("agent.source.source.LARGEST_CARRIED", LARGEST_OBJECT)
    source = Source(repository=str(large.work), branch="main", state_dir=home / "state")
    with pytest.raises(SourceRefused, match=r"64 MiB.*find-object"):
        source.fetch()
    large.reset("HEAD~1")
    assert source.fetch() == large.head()


def test_a_history_that_cannot_be_saved_is_tried_once(
    large: GitRepository, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is told; the mirror is whole, and what was accepted is enforced from it."""
    monkeypatch.setattr(bundle, "PACKING_MEGABYTES", 8)  # what this process has free counts as well
    source = Source(repository=str(large.work), branch="main", state_dir=home / "state")
    tip = source.fetch()
    source.keep("accepted", tip)
    with pytest.raises(Temporary, match="to pack the history took more than 8 MB"):
        source.save()
    assert not source.save()
    assert source.take_notices() == ()
    mirror = pygit2.Repository(home / "state/mirror.git")
    assert str(mirror.references["refs/prosodist/accepted"].target) == tip


def test_an_agent_that_is_asked_to_end_packs_no_long_history(large: GitRepository, home: Path) -> None:
    """It may take minutes, and a service manager has less patience; the former bundle stands."""
    is_ending = False

    def heed() -> None:
        if is_ending:
            raise Interrupted

    source = Source(repository=str(large.work), branch="main", state_dir=home / "state", between=heed)
    source.keep("accepted", source.fetch())
    is_ending = True
    with pytest.raises(Interrupted):
        source.save()
    is_ending = False
    assert source.save()


def test_a_history_that_finds_no_room_is_saved_later(
    git_repo: Callable[[], GitRepository], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that is short of processes says nothing about the mirror: it is not made anew from an older bundle."""
    repository = git_repo()
    repository.commit({"hosts/a.yaml": "profile: local\n"})
    repository.push()
    source = Source(repository=str(repository.bare), branch="main", state_dir=home / "state")
    source.keep("accepted", source.fetch())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", _refuse)
        with pytest.raises(Temporary, match="make room"):
            source.save()
    assert source.take_notices() == ()
    assert source.save()


def _refuse() -> int:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def test_a_commit_that_git_s_protocol_has_brought(large: GitRepository, home: Path) -> None:
    """A fetched pack is in the mirror before anybody looks into it: its tree is refused, with the file's name."""
    source = Source(repository=str(large.bare), branch="main", state_dir=home / "state")
    source.open()
    mirror = pygit2.Repository(str(home / "state/mirror.git"))
    mirror.remotes.create_anonymous(str(large.bare)).fetch(["+refs/heads/main:refs/prosodist/fetched"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceRefused, match="zeros has over 64 MiB"):
        Source(repository=str(large.bare), branch="main", state_dir=home / "state").tree(large.head())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < ZEROS / 2048


def test_an_object_of_some_chunks_is_carried(git_repo: Callable[[], GitRepository], home: Path) -> None:
    """Reading in chunks finds the end of a whole object."""
    made = git_repo()
    made.commit({"hosts/a.yaml": bytes(5 * 2**20)})
    made.push()
    mirror = pygit2.init_repository(str(home / "mirror.git"), bare=True)
    carry(pygit2.Repository(str(made.work)), mirror, pygit2.Oid(hex=made.head()))
    assert pygit2.Oid(hex=made.head()) in mirror
