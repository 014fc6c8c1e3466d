"""Fetching from the same disk, choosing, reading: real repositories, made and pushed to by git.

In the drawings of history, time runs to the right and * is the branch's tip.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pygit2
import pytest
from repositories import GitRepository
from users import User

from agent.source import Source, directory_tree
from schemas.errors import HistoryRewritten, SourceRefused, Temporary

MakeRepository = Callable[[], GitRepository]


def git(place: Path, *arguments: str, **more: Any) -> str:
    """Run git as people do; its output."""
    ran = subprocess.run(["git", "-C", place, *arguments], capture_output=True, text=True, check=False, **more)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.fixture
def repository(git_repo: MakeRepository) -> GitRepository:
    """One commit: a host, a program and a link."""
    made = git_repo()
    made.commit({"hosts/a.yaml": "profile: local\n", "files/run": "#!/bin/sh\n", "files/motd": "Hello\n"}, "c1")
    (made.work / "files/run").chmod(0o755)
    (made.work / "files/link").symlink_to("motd")
    made.commit({}, "c2")
    made.push()
    return made


@pytest.fixture
def source(repository: GitRepository, home: Path) -> Source:
    """The agent's view of it."""
    return Source(repository=str(repository.bare), branch="main", state_dir=home / "state")


@pytest.fixture
def refuse_writes(repository: GitRepository, source: Source) -> Iterator[None]:
    """No file can grow over 64 KiB, as on a disk that is full; what is new in the repository is larger."""
    source.open()
    repository.commit({"files/large": os.urandom(2**18)})
    repository.push()
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, former[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, former)


class TestFetch:
    """What the branch offers."""

    @pytest.mark.parametrize(
        "spelling", ["{bare}", "file://{bare}", "{work}", "{work}/.git", "{bare}/../repository.git"]
    )
    def test_every_spelling_of_a_place_on_this_disk(self, repository: GitRepository, home: Path, spelling: str) -> None:
        """A path or file://, bare or with a work tree."""
        text = spelling.format(bare=repository.bare, work=repository.work)
        assert Source(repository=text, branch="main", state_dir=home / "s").fetch() == repository.head()

    def test_a_path_with_a_colon_is_still_a_path(self, repository: GitRepository, home: Path) -> None:
        """libgit2 takes it for a host and a path."""
        odd = repository.bare.rename(home / "a:b %41.git")
        assert Source(repository=str(odd), branch="main", state_dir=home / "s").fetch() == repository.head()

    def test_follows_pushes_one_by_one_and_many_at_once(self, repository: GitRepository, source: Source) -> None:
        """c1 - c2 - *c3, then 60 more: git itself finds nothing wrong."""
        source.fetch()
        repository.commit({"hosts/a.yaml": "x\n"})
        assert source.fetch() != repository.push()
        assert source.fetch() == repository.head()
        for number in range(60):
            repository.commit({"hosts/a.yaml": f"{number}\n"})
        tip = repository.push()
        assert source.fetch() == tip
        mirror = source._mirror.path
        git(mirror, "fsck", "--strict")
        assert git(mirror, "rev-list", "--count", tip) == "63"

    def test_a_merge_comes_whole(self, repository: GitRepository, source: Source) -> None:
        r"""c2 - a - *m
        \- b -/"""
        source.fetch()
        repository.commit({"a": "a\n"})
        git(repository.work, "checkout", "-q", "-b", "side", "HEAD~1")
        repository.commit({"b": "b\n"})
        git(repository.work, "checkout", "-q", "main")
        git(repository.work, "-c", "user.name=A", "-c", "user.email=a@b", "merge", "-q", "--no-edit", "side")
        tip = repository.push()
        assert source.fetch() == tip
        assert {"a", "b"} <= set(source.tree(tip))
        git(source._mirror.path, "fsck", "--strict")

    def test_only_the_branch_comes(self, repository: GitRepository, source: Source) -> None:
        """No tag and no other branch is in the mirror; a branch's name may hold a slash."""
        git(repository.work, "tag", "v1")
        git(repository.work, "push", "-q", "origin", "v1", "main:other", "main:ops/live")
        source.fetch()
        assert git(source._mirror.path, "for-each-ref", "--format=%(refname)") == "refs/prosodist/fetched"
        live = Source(repository=str(repository.bare), branch="ops/live", state_dir=source._state_dir / "2")
        assert live.fetch() == repository.head()

    def test_packed_refs(self, repository: GitRepository, source: Source) -> None:
        """After gc there is no loose ref any more."""
        git(repository.bare, "gc", "-q")
        assert not (repository.bare / "refs/heads/main").exists()
        assert source.fetch() == repository.head()

    def test_another_users_repository(self, repository: GitRepository, home: Path, as_user: User) -> None:
        """libgit2 and git refuse such a one; we only read objects, so we take it."""
        if os.geteuid() == 0:
            for path in (repository.bare, *repository.bare.rglob("*")):
                os.lchown(path, as_user.uid, as_user.gid)
        else:
            assert not pygit2.settings.owner_validation  # nobody but root can give files away
        assert Source(repository=str(repository.bare), branch="main", state_dir=home / "s").fetch() == repository.head()

    def test_nothing_of_the_repository_is_obeyed(self, repository: GitRepository, source: Source, home: Path) -> None:
        """Neither hooks nor programs that its configuration names are run."""
        trap = home / "trap"
        trap.write_text(f"#!/bin/sh\ntouch {home}/sprung\n")
        trap.chmod(0o755)
        for hook in ("pre-receive", "post-update", "reference-transaction", "post-checkout", "pre-auto-gc"):
            shutil.copy(trap, repository.bare / "hooks" / hook)
        for key in ("core.fsmonitor", "uploadpack.packObjectsHook", "core.sshCommand", "core.hooksPath"):
            git(repository.bare, "config", key, str(trap))
        (repository.bare / "info/attributes").write_text("* filter=trap\n")
        git(repository.bare, "config", "filter.trap.smudge", str(trap))
        source.fetch()
        source.tree(source.fetch())["files/motd"]
        assert not (home / "sprung").exists()

    def test_an_idle_fetch_costs_little(self, source: Source) -> None:
        """Nothing moved: a fraction of a millisecond, and nothing is written."""
        source.fetch()
        before = sorted((path, path.lstat().st_mtime_ns) for path in source._state_dir.rglob("*"))
        taken = []
        for _ in range(50):
            started = time.process_time()
            source.fetch()
            taken.append(time.process_time() - started)
        assert min(taken) < 0.001
        assert before == sorted((path, path.lstat().st_mtime_ns) for path in source._state_dir.rglob("*"))


class TestTrouble:
    """What is not there, and that it can come back."""

    def test_no_such_branch(self, repository: GitRepository, home: Path) -> None:
        """Refused, and the message names branch and remedy; pushing it helps."""
        source = Source(repository=str(repository.bare), branch="live", state_dir=home / "s")
        with pytest.raises(SourceRefused, match=r"has no branch live; push live, or correct `branch`"):
            source.fetch()
        git(repository.work, "push", "-q", "origin", "main:live")
        assert source.fetch() == repository.head()

    def test_a_branch_that_vanishes_keeps_what_was_fetched(self, repository: GitRepository, source: Source) -> None:
        """The last state stays readable."""
        tip = source.fetch()
        git(repository.bare, "update-ref", "-d", "refs/heads/main")
        with pytest.raises(SourceRefused):
            source.fetch()
        assert source.tree(tip)["files/motd"].data == b"Hello\n"

    @pytest.mark.parametrize("what", ["tag", "tree"])
    def test_a_branch_that_names_no_commit(self, repository: GitRepository, source: Source, what: str) -> None:
        """Refused, and nothing is mended for it: the mirror is whole. Put right, it is followed again."""
        tip = source.fetch()
        git(repository.work, "-c", "user.name=a", "-c", "user.email=a@b", "tag", "-a", "-m", "x", "note")
        git(repository.work, "push", "-q", "origin", "note")
        other = git(repository.work, "rev-parse", {"tag": "note", "tree": "HEAD^{tree}"}[what])
        (repository.bare / "refs/heads/main").write_text(f"{other}\n")
        for _ in range(2):
            with pytest.raises(SourceRefused, match=f"{other}.*no commit"):
                source.fetch()
        assert source.take_notices() == ()
        (repository.bare / "refs/heads/main").write_text(f"{tip}\n")
        assert source.fetch() == tip

    def test_an_empty_repository(self, git_repo: MakeRepository, home: Path) -> None:
        """It says that it is empty."""
        source = Source(repository=str(git_repo().bare), branch="main", state_dir=home / "s")
        with pytest.raises(SourceRefused, match="is empty; push main"):
            source.fetch()

    def test_no_repository(self, home: Path) -> None:
        """A directory that is none, also when one lies above it; a path where nothing is."""
        git(home, "init", "-q", ".")
        (home / "plain").mkdir()
        with pytest.raises(Temporary, match="is no git repository"):
            Source(repository=str(home / "plain"), branch="main", state_dir=home / "s").fetch()
        with pytest.raises(Temporary, match="is not there; mount it"):
            Source(repository=str(home / "nothing"), branch="main", state_dir=home / "s").fetch()

    def test_a_lost_repository_comes_back(self, repository: GitRepository, source: Source, home: Path) -> None:
        """In between, the tree is still there."""
        tip = source.fetch()
        away = repository.bare.rename(home / "away")
        with pytest.raises(Temporary):
            source.fetch()
        assert source.tree(tip)["hosts/a.yaml"].data == b"profile: local\n"
        away.rename(repository.bare)
        assert source.fetch() == tip

    def test_a_shallow_clone_is_refused(self, repository: GitRepository, home: Path) -> None:
        """Its history ends in nothing, so nobody could say what descends from what."""
        subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repository.bare}", home / "shallow"], check=True)
        with pytest.raises(Temporary, match="--unshallow"):
            Source(repository=str(home / "shallow"), branch="main", state_dir=home / "s").fetch()

    def test_a_partial_clone_is_refused(self, repository: GitRepository, home: Path) -> None:
        """It lacks files, each look another one, and nobody but git itself could fetch them."""
        git(repository.bare, "config", "uploadpack.allowFilter", "true")
        partial = home / "partial"
        argv = ["git", "clone", "-q", "--bare", "--filter=blob:none", f"file://{repository.bare}", str(partial)]
        subprocess.run(argv, check=True)
        with pytest.raises(Temporary, match=r"partial clone.*make a full clone"):
            Source(repository=str(partial), branch="main", state_dir=home / "s").fetch()

    def test_a_full_disk_here_is_no_fault_of_the_repository(
        self, repository: GitRepository, source: Source, refuse_writes: None
    ) -> None:
        """It is said in the same words at each poll, so that it is told once."""
        said = []
        for _ in range(2):
            with pytest.raises(Temporary, match="make room on this host") as refused:
                source.fetch()
            said.append(str(refused.value))
        assert said[0] == said[1]

    def test_a_broken_repository_breaks_nothing_here(self, repository: GitRepository, source: Source) -> None:
        """An object cut short or missing there: Temporary, and the mirror stays as it was."""
        former = source.fetch()
        repository.commit({"files/motd": "New\n"})
        repository.push()
        blob = git(repository.work, "rev-parse", "HEAD:files/motd")
        path = repository.bare / "objects" / blob[:2] / blob[2:]
        path.chmod(0o600)
        os.truncate(path, path.stat().st_size - 4)
        with pytest.raises(Temporary, match=f"{repository.bare}.*git fsck"):
            source.fetch()
        path.unlink()
        with pytest.raises(Temporary, match=str(repository.bare)):
            source.fetch()
        assert source.tree(former)["files/motd"].data == b"Hello\n"
        assert source.take_notices() == ()


class TestChoose:
    """Only forward."""

    def test_forward(self, repository: GitRepository, source: Source) -> None:
        """c1 - accepted - c3 - *c4"""
        accepted = source.fetch()
        for _ in range(2):
            repository.commit({})
        repository.push()
        tip = source.fetch()
        assert source.choose(tip, accepted) == tip
        assert source.choose(tip, tip) == tip
        assert source.choose(tip, None) == tip

    def test_rewritten(self, repository: GitRepository, source: Source) -> None:
        r"""c1 - accepted
        \- *other"""
        accepted = source.fetch()
        repository.reset("HEAD~1")
        repository.commit({"hosts/a.yaml": "other\n"})
        repository.push("--force")
        tip = source.fetch()
        with pytest.raises(HistoryRewritten, match=f"prosodist accept {tip}") as refused:
            source.choose(tip, accepted)
        assert refused.value.revision == tip
        assert source.tree(accepted)["files/motd"].data == b"Hello\n"

    def test_replayed(self, repository: GitRepository, source: Source) -> None:
        """c1 - *c2 - accepted: an older commit with a known hole is no news."""
        repository.commit({})
        repository.push()
        accepted = source.fetch()
        repository.reset("HEAD~1")
        repository.push("--force")
        with pytest.raises(HistoryRewritten):
            source.choose(source.fetch(), accepted)

    def test_an_accepted_revision_that_nobody_knows(self, source: Source) -> None:
        """State from elsewhere: refused, not an error of the program."""
        with pytest.raises(HistoryRewritten):
            source.choose(source.fetch(), "12" * 20)


class TestRead:
    """What a commit holds."""

    def test_the_files(self, repository: GitRepository, source: Source) -> None:
        """Bytes, the executable bit, links as links; of a submodule that there is one."""
        head = repository.head()
        git(repository.work, "update-index", "--add", "--cacheinfo", f"160000,{head},sub")
        git(repository.work, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "sub")
        repository.push()
        tree = source.tree(source.fetch())
        assert sorted(tree) == ["files/link", "files/motd", "files/run", "hosts/a.yaml", "sub"]
        assert len(tree) == 5 and tree["sub"].submodule and not tree["files/motd"].submodule
        assert "files/motd" in tree and "files" not in tree
        assert (tree["files/run"].executable, tree["files/motd"].executable) == (True, False)
        assert (tree["files/link"].link, tree["files/link"].data) == (True, b"motd")

    def test_names_that_git_never_makes_are_refused(self, repository: GitRepository, source: Source) -> None:
        """A tree object can be made by hand; its names could lead out of a directory."""
        store = pygit2.Repository(str(repository.bare))
        inner = store.TreeBuilder()
        inner.insert("x", store.create_blob(b"x"), 0o100644)
        raw = b"40000 ..\0" + bytes.fromhex(str(inner.write()))
        who = pygit2.Signature("A", "a@b")
        odd = store.create_commit(None, who, who, "odd", store.odb.write(2, raw), [])
        git(repository.bare, "update-ref", "refs/heads/main", str(odd))
        with pytest.raises(SourceRefused, match=r"an entry named '\.\.'"):
            source.tree(source.fetch())

    def test_a_tree_bomb_is_refused(self, repository: GitRepository, source: Source) -> None:
        """Ten trees that name each other name 10^10 files."""
        store = pygit2.Repository(str(repository.bare))
        id_, mode = store.create_blob(b"x"), 0o100644
        for _ in range(10):
            builder = store.TreeBuilder()
            for name in "0123456789":
                builder.insert(name, id_, mode)
            id_, mode = builder.write(), 0o040000
        who = pygit2.Signature("A", "a@b")
        git(repository.bare, "update-ref", "refs/heads/main", str(store.create_commit(None, who, who, "b", id_, [])))
        with pytest.raises(SourceRefused, match="over 100000 files"):
            source.tree(source.fetch())

    def test_resolve(self, source: Source) -> None:
        """From the beginning of an id; what is unknown or no id is refused."""
        tip = source.fetch()
        assert source.resolve(tip[:9]) == source.resolve(tip) == tip
        for text in ("f" * 40, "HEAD", "main", "refs/prosodist/fetched", "--all", ""):
            with pytest.raises(SourceRefused, match="write the full id"):
                source.resolve(text)

    def test_describe_says_nothing_that_a_terminal_obeys(self, repository: GitRepository, source: Source) -> None:
        """A subject is a stranger's text."""
        repository.commit({}, "red \x1b[31malert\x07\n\nbody")
        repository.push()
        told = source.describe(source.fetch())
        assert told["subject"] == "red \N{REPLACEMENT CHARACTER}[31malert\N{REPLACEMENT CHARACTER}"
        assert told["author"] == "Ana <ana@example.test>"
        assert told["date"][:2] == "20" and "T" in told["date"]
        assert source.describe("f" * 40) == {}

    def test_a_directory_on_disk_reads_alike(self, repository: GitRepository, source: Source) -> None:
        """`validate DIR` sees what a push would bring, uncommitted changes too, and no .git."""
        pushed = source.tree(source.fetch())
        assert dict(directory_tree(repository.work)) == dict(pushed)
        git(repository.work, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository.bare), "sub")
        repository.commit({})
        repository.push()
        assert dict(directory_tree(repository.work)) == dict(source.tree(source.fetch())), "a submodule is not ours"
        (repository.work / "files/motd").write_text("Draft\n")
        os.mkfifo(repository.work / "pipe")
        (repository.work / "loop").symlink_to(".")
        tree = directory_tree(repository.work)
        assert tree["files/motd"].data == b"Draft\n"
        assert tree["loop"].link and tree["loop"].data == b"."
        assert "pipe" not in tree and not any(path.startswith(".git/") for path in tree)
        with pytest.raises(SourceRefused, match="is no directory"):
            directory_tree(repository.work / "files/motd")
