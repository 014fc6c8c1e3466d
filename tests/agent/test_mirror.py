"""The mirror mends itself, and the accepted and the good revision outlive it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import GitRepository

from agent.source import Source, mirror
from schemas.errors import HistoryRewritten, Temporary


def new_source(repository: GitRepository, home: Path) -> Source:
    """As an agent that has just started."""
    return Source(repository=str(repository.bare), branch="main", state_dir=home / "state")


def named(home: Path, name: str) -> str:
    """What the mirror's own ref names."""
    return (home / "state/mirror.git/refs/prosodist" / name).read_text().strip()


@pytest.fixture
def repository(git_repo: Callable[[], GitRepository], home: Path) -> GitRepository:
    """good - accepted - *tip, fetched, kept and saved."""
    made = git_repo()
    source = new_source(made, home)
    for name in ("good", "accepted", "tip"):
        made.commit({"hosts/a.yaml": f"# {name}\n", f"files/{name}": name * 100})
        revision = made.push()
        assert source.fetch() == revision
        if name != "tip":
            source.keep(name, revision)
    assert source.save()
    return made


def revisions(repository: GitRepository) -> dict[str, str]:
    """The three by name."""
    ids = subprocess.run(
        ["git", "-C", repository.work, "log", "--format=%H"], capture_output=True, text=True, check=True
    ).stdout.split()
    return dict(zip(("tip", "accepted", "good"), ids, strict=True))


def truncate_objects(place: Path) -> None:
    """What a full disk or a crash leaves behind."""
    for path in [*place.glob("objects/??/*"), *place.glob("objects/pack/*")]:
        path.chmod(0o600)
        os.truncate(path, path.stat().st_size // 2)


def scramble_objects(place: Path) -> None:
    """Same sizes, other bytes."""
    for path in [*place.glob("objects/??/*"), *place.glob("objects/pack/*")]:
        path.chmod(0o600)
        data = bytearray(path.read_bytes())
        data[len(data) // 3 :: 7] = bytes(len(data[len(data) // 3 :: 7]))
        path.write_bytes(data)


def empty_refs(place: Path) -> None:
    """Files without content."""
    for path in place.glob("refs/prosodist/*"):
        path.write_bytes(b"")


def drop_refs(place: Path) -> None:
    """Someone tidied up."""
    shutil.rmtree(place / "refs/prosodist")


def drop_head(place: Path) -> None:
    """Nobody takes it for a repository any more."""
    (place / "HEAD").unlink()


DAMAGES = [shutil.rmtree, truncate_objects, scramble_objects, empty_refs, drop_refs, drop_head]


@pytest.mark.parametrize("is_running", [False, True], ids=["while-down", "while-running"])
@pytest.mark.parametrize("remote", ["there", "rewritten", "gone"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_kept_is_lost(
    repository: GitRepository, home: Path, damage: Callable[[Path], None], remote: str, is_running: bool
) -> None:
    """Whatever happens to the mirror, and whatever the remote then offers, both revisions can be read.

    good - accepted - *tip; or rewritten: good - *other
    """
    source, ids = new_source(repository, home), revisions(repository)
    if is_running:
        source.tree(source.fetch())
    damage(home / "state/mirror.git")
    if remote == "gone":
        shutil.rmtree(repository.bare)
    elif remote == "rewritten":
        repository.reset(ids["good"])
        repository.commit({"hosts/a.yaml": "# other\n"})
        repository.push("--force")
    if not is_running:
        source = new_source(repository, home)
        source.open()
    if remote == "gone":
        with pytest.raises(Temporary):
            source.fetch()
    else:
        tip = source.fetch()
        assert tip == repository.head()
        if remote == "rewritten":
            with pytest.raises(HistoryRewritten):
                source.choose(tip, ids["accepted"])
        else:
            assert source.choose(tip, ids["accepted"]) == tip
    assert not source.save(), "the bundle has both"
    for name in ("accepted", "good"):
        assert source.tree(ids[name])[f"files/{name}"].data == name.encode() * 100
        assert named(home, name) == ids[name]
    if damage is not drop_head or not is_running:  # once it is open, nobody looks at HEAD
        assert "the mirror was made anew, restored from kept.bundle" in source.take_notices()[0]
    assert source.take_notices() == ()


def test_a_damaged_bundle_is_no_harm_while_the_remote_is_there(repository: GitRepository, home: Path) -> None:
    """Both are gone; git offers the same history once more."""
    ids = revisions(repository)
    (home / "state/kept.bundle").write_bytes(b"\0" * 100)
    shutil.rmtree(home / "state/mirror.git")
    source = new_source(repository, home)
    source.open()
    assert "the bundle is damaged too" in source.take_notices()[0]
    assert source.fetch() == ids["tip"]
    assert source.tree(ids["good"])["files/good"].data == b"good" * 100
    source.keep("good", ids["good"])
    assert source.save()
    shutil.rmtree(home / "state/mirror.git")
    new_source(repository, home).open()
    assert named(home, "good") == ids["good"]


@pytest.mark.parametrize("cut", ["pack", "index"])
def test_a_bundle_cut_short_is_not_put_back(repository: GitRepository, home: Path, cut: str) -> None:
    """Its checksum says so; what is then missing comes from the remote."""
    (path,) = (home / "state").glob("kept.bundle" if cut == "pack" else "kept-*.idx")
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size - 1)
    shutil.rmtree(home / "state/mirror.git")
    source = new_source(repository, home)
    assert source.fetch() == repository.head()
    assert "the bundle is damaged too" in source.take_notices()[0]


def test_git_itself_reads_the_bundle(repository: GitRepository, home: Path) -> None:
    """A person needs no agent to get at what was good."""
    bundle, ids = home / "state/kept.bundle", revisions(repository)
    subprocess.run(["git", "-C", repository.work, "bundle", "verify", "-q", bundle], check=True)
    subprocess.run(["git", "clone", "-q", bundle, home / "out"], check=True, capture_output=True)
    assert (home / "out/hosts/a.yaml").read_text() == "# accepted\n"
    heads = subprocess.run(["git", "bundle", "list-heads", bundle], capture_output=True, text=True, check=True)
    assert f"{ids['good']} refs/prosodist/good" in heads.stdout.splitlines()
    assert bundle.stat().st_mode & 0o777 == 0o600


def test_saving_what_is_saved_writes_nothing(repository: GitRepository, home: Path) -> None:
    """A pass without news touches no file."""
    source, bundle = new_source(repository, home), home / "state/kept.bundle"
    source.fetch()
    before = bundle.stat()
    assert not source.save()
    assert bundle.stat() == before
    source.keep("good", revisions(repository)["accepted"])
    assert source.save()


def test_many_fetches_do_not_pile_up(repository: GitRepository, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they brought becomes one pack, and everything is still there."""
    monkeypatch.setattr(mirror, "_MOST_PACKS", 8)
    source = new_source(repository, home)
    for number in range(10):
        repository.commit({"hosts/a.yaml": f"# {number}\n"})
        tip = repository.push()
        source.fetch()
    source.keep("accepted", tip)
    assert source.save()
    objects = home / "state/mirror.git/objects"
    assert len(list(objects.glob("pack/*.pack"))) == 1
    assert not list(objects.glob("??"))  # libgit2 reads a loose object that was cut short for ever
    assert source.tree(tip)["hosts/a.yaml"].data == b"# 9\n"
    assert source.fetch() == tip
    subprocess.run(["git", "-C", objects.parent, "fsck", "--strict"], check=True, capture_output=True)


def test_a_commit_that_nobody_has_moves_nothing(repository: GitRepository, home: Path) -> None:
    """The mirror is whole, so it is not made anew at every question."""
    source = new_source(repository, home)
    source.fetch()
    with pytest.raises(Temporary, match="is neither in the mirror nor in"):
        source.tree("12" * 20)
    assert source.take_notices() == ()
    assert not (home / "state/mirror.corrupt").exists()


def test_a_forked_reader_mends_nothing(repository: GitRepository, home: Path) -> None:
    """It has limits, and its parent would not know; it says that the agent will."""
    source = new_source(repository, home)
    tree = source.tree(source.fetch())
    truncate_objects(home / "state/mirror.git")
    child = os.fork()
    if child == 0:
        try:
            tree["files/tip"]
        except Temporary as error:
            os._exit(7 if "in its next pass" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert not (home / "state/mirror.corrupt").exists()
    assert source.tree(source.fetch())["files/tip"].data == b"tip" * 100
