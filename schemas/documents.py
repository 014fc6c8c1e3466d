"""The files of the repository that make up one host: its own and those that it extends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from schemas.errors import Mark
from schemas.findings import Findings, nearest
from schemas.graph import linearize
from schemas.nodes import List, Map, Node, Scalar, describe, parse
from schemas.notation import quoted
from schemas.shape import HOST
from schemas.spell import spell_out


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit. `link`: it is a symbolic link, and `data` its target."""

    data: bytes
    executable: bool = False
    link: bool = False


Tree = Mapping[str, Blob]
"""Path → file of one commit. Blobs may be read as they are asked for; keys cost little."""


@dataclass(frozen=True, slots=True)
class Document:
    """One file: as it is written (to tell of mistakes), and spelled out."""

    written: Map
    full: Map


class Documents:
    """Reads files on the way, each once, with all their mistakes."""

    def __init__(self, tree: Tree, findings: Findings) -> None:
        self._tree = tree
        self._findings = findings
        self._read: dict[str, Document] = {}
        self._said: dict[tuple[str, str], Mark] = {}  # who extends what, and where it says so

    def __getitem__(self, file: str) -> Document | None:
        return self._read.get(file)

    def layers(self, file: str) -> list[Map]:
        """All documents behind this one and itself, the nearest last."""
        order = linearize([file], self._parents, self._on_cycle)
        return [self._read[name].full for name in order if name in self._read]

    def _parents(self, file: str) -> Iterable[str]:
        blob = self._tree[file]
        written = None
        if blob.link:
            self._findings.break_off(Mark(file), "the file is a symbolic link; put the file itself here")
        else:
            written = parse(file, blob.data, self._findings)
        if written is None:
            return ()
        full = spell_out(written, HOST)
        if not isinstance(full, Map):
            return ()
        self._read[file] = Document(written, full)
        entry = full.entries.get("extends")
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
            elif name not in self._tree:
                self._findings.break_off(
                    item.mark, f"there is no file {quoted(name)} in the repository; {near(name, self._tree)}"
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
