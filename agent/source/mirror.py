"""The bare mirror in the state directory: our own refs, and every object that the host's state needs.

It can be lost at any time. When it is gone or does not read as it should, it is made anew from the bundle, which never
loses the accepted and the good revision, and the rest comes from the remote. The damaged one is kept aside as
`mirror.corrupt`, for a person to look at, until the next one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pygit2
from pygit2.enums import ConfigLevel, FileMode, RepositoryOpenFlag

from agent.bounded import TooDear
from agent.source.bundle import Bundle, BundleDamaged, is_sealed
from agent.source.tree import LARGEST_OBJECT, MOST_FILES, Entry
from schemas.errors import SourceRefused, Temporary

FETCHED, ACCEPTED, GOOD = "refs/prosodist/fetched", "refs/prosodist/accepted", "refs/prosodist/good"

GIT_TROUBLE = (pygit2.GitError, KeyError, ValueError, OSError)
"""What pygit2 raises for anything that libgit2 cannot do."""

_MOST_PACKS = 2 * 32
"""Each fetch brings a pack and its index; beyond this many files they are replaced by the bundle's two."""


class MirrorDamaged(Exception):
    """The mirror does not read as it should. The text says how."""


class Mirror:
    """`mirror.git` in one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "mirror.git"
        self.bundle = Bundle(state_dir)
        self._repository: pygit2.Repository | None = None
        self._packs: dict[str, tuple[int, int]] = {}
        self._proved: set[str] = set()
        self._unpackable: dict[str, str] | None = None

    def open(self) -> pygit2.Repository:
        """The repository, checked as far as is cheap. Raises MirrorDamaged; `rebuild` helps."""
        if self._repository is None:
            self._repository = self._open()
        self._check_packs()
        return self._repository

    def is_at(self, tip: str) -> bool:
        """Whether this is what was fetched last, and is here."""
        return tip == self.ref(FETCHED) and self.has(tip)

    def rebuild(self) -> str:
        """Make it anew from the bundle; what that brought, in words. Raises Temporary when the disk refuses."""
        self._let_go()
        fresh, aside = self.path.with_suffix(".new"), self.path.with_suffix(".corrupt")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            made = pygit2.init_repository(os.fspath(fresh), bare=True)
            # No redirect to another server (libgit2 still follows one on the same): it would be shown the token.
            made.config["http.followRedirects"] = "false"
            made.free()
            told = self._restore(fresh)
            if self.path.exists():
                shutil.rmtree(aside, ignore_errors=True)
                self.path.rename(aside)
            fresh.rename(self.path)
            self._repository = self._open(checking=False)
            for name, id_ in (self.bundle.refs() if told.startswith("restored") else {}).items():
                self._repository.references.create(name, pygit2.Oid(hex=id_), force=True)
        except (*GIT_TROUBLE, BundleDamaged, MirrorDamaged) as error:
            raise Temporary(f"{self.path}: the mirror cannot be made anew ({error}); look at the disk") from None
        return told

    def ref(self, name: str) -> str | None:
        """The full id that one of our own refs names."""
        with self._damage(name):
            reference = self._opened().references.get(name)
            return None if reference is None else str(reference.target)

    def set_ref(self, name: str, revision: str) -> None:
        """Name a commit that is here, so that it is never lost. Raises MirrorDamaged when it is not here."""
        with self._damage(f"commit {revision}"):
            repository = self._opened()
            repository.references.create(name, repository[revision].id, force=True)

    def verify(self) -> None:
        """Look harder than `open` does. Raises MirrorDamaged."""
        with self._damage("a ref of our own"):
            self._check_refs(self.open())

    def find(self, text: str) -> str | None:
        """The one commit whose id begins so."""
        repository = self.open()
        if not re.fullmatch("[0-9a-f]{4,40}", text):
            return None
        try:
            return str(repository[text].peel(pygit2.Commit).id)
        except GIT_TROUBLE:
            return None

    def describe(self, revision: str) -> dict[str, str]:
        """Author, date and subject of a commit, without what a terminal would obey; empty for one that is not here."""
        repository = self.open()
        try:
            commit = repository[revision].peel(pygit2.Commit)
        except GIT_TROUBLE:
            return {}
        zone = timezone(timedelta(minutes=commit.author.offset))
        lines = commit.message.strip().splitlines()
        return {
            "author": _printable(f"{commit.author.name} <{commit.author.email}>"),
            "date": datetime.fromtimestamp(commit.author.time, zone).isoformat(),
            "subject": _printable(lines[0] if lines else ""),
        }

    def has(self, revision: str) -> bool:
        """Whether this commit is here."""
        with self._damage(f"commit {revision}"):
            return pygit2.Oid(hex=revision) in self._opened()

    def descends(self, revision: str, former: str) -> bool:
        """Whether one commit is among the ancestors of the other. Raises MirrorDamaged."""
        repository = self.open()
        if not self.has(former):
            return False
        with self._damage(f"the history of {revision}"):
            return bool(repository.descendant_of(pygit2.Oid(hex=revision), pygit2.Oid(hex=former)))

    def entries(self, revision: str) -> dict[str, Entry]:
        """Every file of a commit. Raises MirrorDamaged, SourceRefused for a tree that git itself would not make.

        Each object is read once in the life of this process, and so its checksum proved: damage is found here, where
        it can be mended, and not in the middle of loading.
        """
        repository = self.open()
        found: dict[str, Entry] = {}
        with self._damage(f"commit {revision}"):
            waiting = [("", repository[revision].peel(pygit2.Tree))]
            while waiting:
                above, tree = waiting.pop()
                for item in tree:
                    name = item.raw_name or b""
                    _refuse_odd(revision, name)
                    path = above + os.fsdecode(name)
                    if item.filemode == FileMode.TREE:
                        waiting.append((f"{path}/", repository[item.id].peel(pygit2.Tree)))
                    elif item.filemode == FileMode.COMMIT:
                        found[path] = Entry(key=str(item.id), executable=False, link=False, submodule=True)
                    else:
                        self._refuse_large(repository, item, f"commit {revision[:12]}: {_printable(path)}")
                        found[path] = self._entry(repository, item)
                if len(found) + len(waiting) > MOST_FILES:
                    text = f"commit {revision[:12]}: holds over {MOST_FILES} files"
                    raise SourceRefused(text, revision=revision, remedy="take files out")
        return found

    def read(self, key: str) -> bytes:
        """The bytes of one blob. Raises MirrorDamaged."""
        with self._damage(f"object {key}"):
            return self.open()[pygit2.Oid(hex=key)].peel(pygit2.Blob).data

    def save(self, *, between: Callable[[], None] | None = None) -> bool:
        """Write the bundle when accepted or good have moved; whether it was written. Raises MirrorDamaged, Temporary.

        One of them that the mirror has lost is not lost to the bundle too. A history that took too much is not packed
        again until it moves.
        """
        repository = self.open()
        try:
            refs = {name: id_ for name in (FETCHED, ACCEPTED, GOOD) if (id_ := self.ref(name)) is not None}
            try:
                kept = self.bundle.refs()
            except BundleDamaged:
                kept = {}
            if lost := _lost(refs, kept):
                raise MirrorDamaged(f"{self.path}: it has lost {lost}")
            is_full = len(self._packs) > _MOST_PACKS
            if refs == self._unpackable or (
                not is_full and all(kept.get(name) == refs.get(name) for name in (ACCEPTED, GOOD))
            ):
                return False
            self.bundle.write(repository, refs, between=between)
            if is_full:
                self._put_in_one()
        except TooDear as error:
            self._unpackable = refs
            raise Temporary(f"{self.bundle.path}: to pack the history {error}; take large files out of it") from None
        except OSError as error:
            if error.errno is None:  # libgit2's, of the mirror; the system's own is of this host
                raise self._uncopied(error) from None
            raise Temporary(
                f"{self.bundle.path}: cannot be written ({error.strerror}); make room on this host"
            ) from None
        except (*GIT_TROUBLE, BundleDamaged) as error:
            raise self._uncopied(error) from None
        return True

    def sweep(self) -> None:
        """Remove what a fetch that was ended left half done: it may be as large as the repository."""
        for path in self.path.joinpath("objects", "pack").glob("*"):
            if path.suffix not in (".pack", ".idx"):
                with contextlib.suppress(OSError):
                    path.unlink()

    def note_packs(self) -> None:
        """Remember the packs and their sizes after a fetch. Raises MirrorDamaged."""
        with self._damage("the list of its packs"):
            self._packs = self._list_packs()

    # --- the parts ---

    def _uncopied(self, error: Exception) -> MirrorDamaged:
        return MirrorDamaged(f"{self.path}: it could not be copied to {self.bundle.path} ({error})")

    def _opened(self) -> pygit2.Repository:
        return self.open() if self._repository is None else self._repository

    def _open(self, *, checking: bool = True) -> pygit2.Repository:
        try:
            repository = pygit2.Repository(os.fspath(self.path), RepositoryOpenFlag.NO_SEARCH)
            self.sweep()
            self.note_packs()
            if checking:
                self._check_seals()
                self._check_refs(repository)
        except (*GIT_TROUBLE, BundleDamaged) as error:
            state = "cannot be used" if self.path.exists() else "is not there"
            raise MirrorDamaged(f"{self.path}: {state} ({error})") from None
        return repository

    def _check_refs(self, repository: pygit2.Repository) -> None:
        for name in repository.references:
            repository[repository.references[name].target].peel(pygit2.Tree)
        try:
            kept = self.bundle.refs()
        except BundleDamaged:
            return  # the mirror is whole, and the next `save` writes the bundle anew
        if lost := _lost(repository.references, kept):
            raise KeyError(f"it has lost {lost}")

    def _check_packs(self) -> None:
        """libgit2 maps packs into memory: reading one that was cut short would kill the process (SIGBUS)."""
        packs = f"{self.path}/objects/pack"  # no Path: this is asked often, of many
        for name, signature in self._packs.items():
            try:
                now = _sign(os.stat(f"{packs}/{name}"))
            except OSError:
                now = None
            if now != signature:
                raise MirrorDamaged(f"{self.path}: {name} was changed or is gone")

    def _list_packs(self) -> dict[str, tuple[int, int]]:
        with os.scandir(self.path / "objects" / "pack") as found:
            return {entry.name: _sign(entry.stat()) for entry in found if entry.name.endswith((".pack", ".idx"))}

    def _check_seals(self) -> None:
        """Once, when it is opened: a gigabyte a second, and libgit2 may read damaged data for ever."""
        for name in self._packs:
            if not is_sealed((self.path / "objects" / "pack" / name).read_bytes()):
                raise KeyError(f"the checksum of {name} is wrong")

    def _restore(self, fresh: Path) -> str:
        try:
            name = self.bundle.restore(fresh / "objects" / "pack")
        except BundleDamaged as error:
            return f"empty, because the bundle is damaged too: {error}"
        return f"restored from {self.bundle.path.name}" if name else "empty"

    def _put_in_one(self) -> None:
        """Replace the packs of all the fetches by the bundle's pack, which was just written."""
        packs = self.path / "objects" / "pack"
        name = self.bundle.restore(packs)
        self._let_go()
        for path in packs.iterdir():
            if path.stem != name:
                path.unlink()
        self._repository = self._open(checking=False)

    def _let_go(self) -> None:
        """Close every pack: libgit2 shares open packs by name, and a new one may bear the name of a broken one."""
        if self._repository is not None:
            self._repository.free()
        self._repository = None
        self._packs = {}
        self._proved.clear()

    def _entry(self, repository: pygit2.Repository, item: pygit2.Object) -> Entry:
        key = str(item.id)
        if key not in self._proved:
            repository.odb.read(item.id)
            self._proved.add(key)
        mode = item.filemode
        return Entry(key=key, executable=mode == FileMode.BLOB_EXECUTABLE, link=mode == FileMode.LINK)

    def _refuse_large(self, repository: pygit2.Repository, item: pygit2.Object, what: str) -> None:
        """Before it is read as a whole, which takes its size of memory, and more while it is unpacked."""
        if str(item.id) not in self._proved and repository.odb.read_header(item.id)[1] > LARGEST_OBJECT:
            text = f"{what} has over {LARGEST_OBJECT >> 20} MiB"
            raise SourceRefused(text, remedy="make it smaller, or keep it elsewhere")

    @contextlib.contextmanager
    def _damage(self, what: str) -> Iterator[None]:
        """What libgit2 cannot read of our own is damaged."""
        try:
            yield
        except GIT_TROUBLE as error:
            raise MirrorDamaged(f"{self.path}: {what} cannot be read ({error})") from None


def _lost(own: Iterable[str], kept: Mapping[str, str]) -> str:
    """Which of the refs that matter the bundle knows and the mirror does not."""
    here = set(own)
    return " and ".join(name for name in (ACCEPTED, GOOD) if name in kept and name not in here)


def _sign(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns


def _refuse_odd(revision: str, name: bytes) -> None:
    if name in (b"", b".", b"..") or b"/" in name or name.lower() == b".git":
        text = f"commit {revision[:12]}: holds an entry named {os.fsdecode(name)!a}, which git never makes"
        raise SourceRefused(text, revision=revision, remedy="find out who made it")


def isolate() -> None:
    """Let libgit2 obey no configuration but the mirror's own, and look at repositories whoever owns them.

    The owner check protects people who run git in a stranger's directory, whose configuration names programs to
    run. libgit2 runs none of those (no hooks, no filters, no helpers), and we only read objects, which prove
    themselves; what they say is judged as any push is. A repository on the same disk usually belongs to a git user.
    """
    pygit2.option(pygit2.enums.Option.SET_OWNER_VALIDATION, False)
    for level in (ConfigLevel.PROGRAMDATA, ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL):
        pygit2.settings.search_path[level] = ""


def _printable(text: str) -> str:
    """What somebody else wrote, on one line of at most 200 signs."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)[:200]
