"""The files of the repository that make up one host: its own and those that it extends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from schemas.errors import Mark
from schemas.events import parse
from schemas.findings import Enough, Findings, nearest
from schemas.graph import linearize
from schemas.nodes import List, Map, Node, Scalar, describe
from schemas.notation import quoted
from schemas.shape import HOST
from schemas.spell import spell_out


class Blob(Struct, frozen=True):
    """A file of a commit. `link`: it is a symbolic link, and `data` its target. `submodule`: what is in it is not."""

    data: bytes
    executable: bool = False
    link: bool = False
    submodule: bool = False


Tree = Mapping[str, Blob]
"""Path → file of one commit. Blobs may be read as they are asked for; keys cost little."""


class Document(Struct, frozen=True, kw_only=True):
    """One file: as it is written (to tell of mistakes), and spelled out."""

    written: Map
    full: Map
    has_names: bool
    """Whether any text of it could hold a name in angle brackets; most have none, and are spared the search."""


class Library:
    """The files of one commit as documents: each is read once, however many hosts extend it."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._read: dict[str, tuple[Document | None, Findings]] = {}

    def read(self, file: str) -> tuple[Document | None, Findings]:
        """A file that is there, and what is wrong with its notation; None when nothing of it can be used."""
        if file not in self._read:
            findings = Findings()
            self._read[file] = self._parsed(file, findings), findings
        return self._read[file]

    def _parsed(self, file: str, findings: Findings) -> Document | None:
        blob = self.tree[file]
        if blob.link:
            findings.break_off(Mark(file), "the file is a symbolic link; put the file itself here")
            return None
        written = parse(file, blob.data, findings)
        if written is None:
            return None
        try:
            full = spell_out(written, HOST, findings)
        except Enough:
            findings.lose_the_rest()
            return None
        if not isinstance(full, Map):
            return None
        escapes = b"\\" in blob.data  # "\x3c" is a < too
        return Document(written=written, full=full, has_names=escapes or b"<" in blob.data)


class Documents:
    """The files behind one host, with all their mistakes."""

    def __init__(self, library: Library, findings: Findings) -> None:
        self._library = library
        self._findings = findings
        self._read: dict[str, Document] = {}
        self._said: dict[tuple[str, str], Mark] = {}  # who extends what, and where it says so

    def __getitem__(self, file: str) -> Document | None:
        return self._read.get(file)

    @property
    def names(self) -> frozenset[str]:
        """The files read."""
        return frozenset(self._read)

    def layers(self, file: str) -> list[Document]:
        """All documents behind this one and itself, the nearest last."""
        order = linearize([file], self._parents, self._on_cycle)
        return [self._read[name] for name in order if name in self._read]

    def _parents(self, file: str) -> Iterable[str]:
        document, findings = self._library.read(file)
        self._findings.include(findings)
        if document is None:
            return ()
        self._read[file] = document
        entry = document.full.entries.get("extends")
        return [] if entry is None else list(self._named(file, entry.value))

    def _named(self, file: str, extends: Node) -> Iterable[str]:
        for item in extends.items if isinstance(extends, List) else (extends,):
            name = item.value if isinstance(item, Scalar) else None
            if not isinstance(name, str) or not name:
                self._findings.add(item.mark, f"expected the path of a file, found {describe(item)}")
            elif PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                self._findings.add(
                    item.mark,
                    f"expected a path from the repository's root on and without .., found {quoted(name)}",
                )
            elif name not in self._library.tree:
                self._findings.break_off(
                    item.mark, f"there is no file {quoted(name)} in the repository; {near(name, self._library.tree)}"
                )
            else:
                self._said.setdefault((file, name), item.mark)
                yield name

    def _on_cycle(self, file: str, parent: str) -> None:
        self._findings.add(
            self._said[file, parent],
            f"{file} extends {parent}, which extends {file} in turn; take one of them out",
        )


def near(path: str, tree: Iterable[str], *, directories: bool = False) -> str:
    """What to write instead of a path that is not in the repository."""
    known = set(tree)
    if directories:
        known = {str(parent) for file in known for parent in PurePosixPath(file).parents if str(parent) != "."}
    name = PurePosixPath(path).name
    same_name = [other for other in known if PurePosixPath(other).name == name]
    close = nearest(path, same_name) or nearest(path, sorted(known)[:5000])
    return f"write {close}" if close else "add it, or take this out"
