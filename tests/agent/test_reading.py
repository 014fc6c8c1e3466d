"""A commit is read again only as far as it differs: what comes of it is the same as if all of it were read anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pyrage import encrypt
from pyrage.x25519 import Identity

from agent import bounded
from agent.reading import Reader, Renderer, beforehand
from agent.source import Source
from schemas.desired import HostSpec
from schemas.errors import SpecError
from schemas.load import Facts
from tests.repositories import GitRepository

HOST = """\
profile: local
extends: [shared/common.yaml]
files:
  <home>/page: {template: templates/page.j2}
  <home>/copied: {source: files/copied}
  <home>/tree: {tree: files/tree}
  <home>/own: {source: shared/common.yaml}
  <home>/secret: {content: {age: secrets/sealed.age}}
"""
FILES: dict[str, str | bytes | None] = {
    "hosts/a.test.yaml": HOST,
    "shared/common.yaml": "vars: {size: large}\n",
    "templates/page.j2": "a {{ size }} page\n",
    "files/copied": "one\n",
    "files/tree/leaf": "leaf\n",
    "README": "read me\n",
    "secrets/sealed.age": encrypt(b"one", [Identity.generate().to_public()]),
}


class Commits:
    """Commits of one repository, read one after the other by one reader."""

    def __init__(self, place: Path) -> None:
        self.repository = GitRepository(place)
        self._source = Source(repository=str(self.repository.bare), branch="main", state_dir=place / "state")
        self._reader = new_reader()

    def push(self, files: dict[str, str | bytes | None]) -> HostSpec:
        """What the reader makes of a commit. Raises SpecError."""
        self.repository.commit(files)
        self.repository.push()
        return self.read(self._reader)

    def anew(self) -> HostSpec:
        """What a reader makes of it that has seen none before."""
        return self.read(new_reader())

    def read(self, reader: Reader) -> HostSpec:
        """What this reader makes of the last commit."""
        return reader.read(self._source.tree(self._source.fetch()))


def new_reader() -> Reader:
    """As the agent on this host has it."""
    return Reader(name="a.test", facts=Facts(fqdn="a.test", home="/home/a", user="a", profile="local"))


@pytest.fixture
def commits(tmp_path: Path) -> Commits:
    """The first commit, read."""
    made = Commits(tmp_path)
    made.push(FILES)
    return made


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each child that is forked from now on."""
    made: list[int] = []
    fork: Callable[[], int] = os.fork

    def noted() -> int:
        made.append(1)
        return fork()

    monkeypatch.setattr(bounded.os, "fork", noted)
    return made


@pytest.mark.parametrize(
    ("files", "loads"),
    [
        pytest.param({"files/copied": "two\n"}, 0, id="a copied file"),
        pytest.param({"files/tree/leaf": "another leaf\n"}, 0, id="a file of a tree"),
        pytest.param({"README": "read me twice\n"}, 0, id="a file that nobody names"),
        pytest.param({"hosts/a.test.yaml": HOST + "drift: detect\n"}, 1, id="the host"),
        pytest.param({"shared/common.yaml": "vars: {size: small}\n"}, 1, id="a file that it extends and copies"),
        pytest.param({"templates/page.j2": "one {{ size }} page\n"}, 1, id="a template"),
        pytest.param({"files/tree/branch/leaf": "new\n"}, 1, id="one file more in a tree"),
        pytest.param({"files/tree/leaf": None, "files/tree/other": "leaf\n"}, 1, id="another name in a tree"),
    ],
)
def test_a_commit_says_what_it_says_to_a_new_reader(
    commits: Commits, forks: list[int], files: dict[str, str | bytes | None], loads: int
) -> None:
    """And one that changes no document and no template is not loaded."""
    again = commits.push(files)
    assert len(forks) == loads
    assert again == commits.anew()


def test_a_worker_that_was_there_beforehand_reads_the_same(commits: Commits, forks: list[int]) -> None:
    """It was forked before there was a tree, and borrows the files. It reads one commit, and then others do."""
    with beforehand() as workers:
        commits.repository.commit({"templates/page.j2": "another {{ size }} page\n"})
        commits.repository.push()
        reader, renderer = new_reader(), Renderer(workers.renderer)
        reader.beforehand = workers.reader
        forks.clear()
        spec = commits.read(reader)
        assert renderer.render("a.j2", b"{{ a }}", {"a": 1}) == b"1"
        assert forks == []
        assert spec == commits.anew()
        assert commits.push({"templates/page.j2": "one {{ size }} page\n"}) == commits.anew() == commits.read(reader)
        renderer.close()


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"templates/page.j2": "a {{ width }} page {{ height }}\n"}, id="in a template"),
        pytest.param({"hosts/a.test.yaml": HOST + "colour: red\n"}, id="in the document"),
        pytest.param(
            {"hosts/a.test.yaml": HOST + "colour: red\n", "templates/page.j2": "a {{ width }} page\n"}, id="in both"
        ),
        pytest.param({"templates/page.j2": "{% for a in range(10**9) %}{% endfor %}\n"}, id="one that never ends"),
        pytest.param({"files/tree/leaf": None, "files/tree/branch/leaf": "leaf\n", "files/copied": None}, id="a gap"),
    ],
)
def test_a_worker_that_was_there_beforehand_tells_the_same_mistakes(
    commits: Commits, files: dict[str, str | bytes | None]
) -> None:
    """All of them, at the same places, within the same limits."""
    commits.repository.commit(files)
    commits.repository.push()
    with pytest.raises(SpecError) as told:
        commits.anew()
    with beforehand() as workers, pytest.raises(SpecError) as again:
        reader = new_reader()
        reader.beforehand = workers.reader
        commits.read(reader)
    assert again.value.mistakes == told.value.mistakes


def test_a_copied_file_becomes_executable(commits: Commits) -> None:
    """Its bytes are the same; what is made of it is not."""
    before = commits.anew()
    commits.repository.work.joinpath("files/copied").chmod(0o755)
    after = commits.push({})
    assert after == commits.anew()
    assert after.digest != before.digest
    assert after.sources["files/copied"].executable


def test_a_secret_that_is_no_longer_encrypted_is_seen(commits: Commits) -> None:
    """It is not only copied."""
    with pytest.raises(SpecError, match="is no age file"):
        commits.push({"secrets/sealed.age": "one\n"})


def test_a_copied_file_becomes_a_link(commits: Commits) -> None:
    """That is the mistake it is in any commit."""
    copied = commits.repository.work / "files/copied"
    copied.unlink()
    copied.symlink_to("../README")
    with pytest.raises(SpecError, match="symbolic link"):
        commits.push({})


def test_after_a_mistake_the_next_commit_is_read_by_the_last_good_one(commits: Commits, forks: list[int]) -> None:
    """A refused commit is not what later ones are compared to."""
    with pytest.raises(SpecError):
        commits.push({"hosts/a.test.yaml": HOST + "colour: red\n", "files/copied": "two\n"})
    forks.clear()
    again = commits.push({"hosts/a.test.yaml": HOST})
    assert forks == []
    assert again == commits.anew()
    assert again.sources["files/copied"].data == b"two\n"


def test_a_template_is_tried_again_when_a_variable_is_another(commits: Commits) -> None:
    """One that passed its trial passes no other by that."""
    with pytest.raises(SpecError, match="size"):
        commits.push({"shared/common.yaml": "vars: {width: small}\n"})


def test_a_text_is_rendered_once() -> None:
    """Two looks of a pass ask the same; other variables are another question."""
    renderer = Renderer()
    try:
        assert renderer.render("a.j2", b"{{ a }}", {"a": 1}) == b"1"
        renderer.close()
        assert renderer.render("a.j2", b"{{ a }}", {"a": 1}) == b"1"
        assert renderer._worker is None, "it was not asked again"
        assert renderer.render("a.j2", b"{{ a }}", {"a": 2}) == b"2"
    finally:
        renderer.close()
        bounded.reap(wait=True)


def test_options_are_checked_against_the_prosody_that_is_there_now(tmp_path: Path) -> None:
    """An option of 13.0 is right while the host has 13.0; the same commit is told of it once the host has 0.12."""
    installed = "13.0.1"
    reader = Reader(name="a.test", facts=new_reader().facts, prosody=lambda: installed)
    repository = GitRepository(tmp_path)
    repository.commit({"hosts/a.test.yaml": "profile: local\nprosody: {sqlite_tune: fast, virtual_hosts: [a.test]}\n"})
    repository.push()
    source = Source(repository=str(repository.bare), branch="main", state_dir=tmp_path / "state")
    tree = source.tree(source.fetch())
    reader.read(tree)
    installed = "0.12.3"
    with pytest.raises(SpecError, match=r"sqlite_tune: Prosody 0\.12 has no such option, 13\.0 has"):
        reader.read(tree)
    again = Reader(name="a.test", facts=new_reader().facts, prosody=lambda: installed)
    again.read(tree, accepted=True)  # or an upgrade of Prosody would leave an agent that starts with nothing to enforce
    repository.commit({"README": "more"})
    repository.push()
    with pytest.raises(SpecError, match="sqlite_tune"):
        again.read(source.tree(source.fetch()))
