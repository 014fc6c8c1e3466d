"""The files of one revision, or of a directory, as a mapping from path to `Blob`; read only when asked for."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from schemas.errors import SourceRefused
from schemas.load import Blob

MOST_FILES = 100_000
"""A tree of a few kilobytes can name billions of files by naming one subtree over and over."""
LARGEST_OBJECT = 64 * 2**20
"""Bytes. A pack of three megabytes can hold a gigabyte of zeros, and libgit2 reads an object as a whole."""


class Entry(NamedTuple):
    """One file: what finds its bytes, and what it is. Of a submodule nothing more than its name is there."""

    key: str
    executable: bool
    link: bool
    submodule: bool = False

    @property
    def is_odd(self) -> bool:
        """Whether its bytes are none of a file."""
        return self.link or self.submodule


class Tree(Mapping[str, Blob]):
    """Paths (with /, relative to the root) to blobs. A link's bytes are its target, a submodule has none."""

    def __init__(self, entries: Mapping[str, Entry], read: Callable[[str], bytes]) -> None:
        self._entries = entries
        self.read = read
        """What gives the bytes of a file by its entry's key."""

    def __getitem__(self, path: str) -> Blob:
        """Raises KeyError when there is none, Temporary when it is there and cannot be read."""
        entry = self._entries[path]
        if entry.submodule:
            return Blob(data=b"", submodule=True)
        return Blob(data=self.read(entry.key), executable=entry.executable, link=entry.link)

    def entry(self, path: str) -> Entry:
        """What finds a file's bytes; in two commits of one repository the same when the file is. Raises KeyError."""
        return self._entries[path]

    def names(self) -> bytes:
        """A digest of all paths: equal where the same files are there, whatever is in them."""
        return hashlib.sha256("\0".join(sorted(self._entries)).encode(errors="surrogateescape")).digest()

    def __contains__(self, path: object) -> bool:
        return path in self._entries  # Mapping's own would read the file

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def directory_tree(path: Path) -> Tree:
    """A directory on disk as `prosodist validate DIR` reads it: uncommitted changes too, `.git` left out.

    Sockets, pipes, devices and what lies in a submodule are absent, as they would be in git. Raises SourceRefused when
    it is no directory.
    """
    if not path.is_dir():
        raise SourceRefused(f"{path}: is no directory", remedy="name the directory that holds hosts/, or go there")
    root = os.path.abspath(path)
    entries: dict[str, Entry] = {}
    for directory, subdirectories, names in os.walk(root):
        links = [name for name in subdirectories if os.path.islink(os.path.join(directory, name))]
        foreign = {name for name in subdirectories if os.path.lexists(os.path.join(directory, name, ".git"))}
        for name in foreign.difference(links):
            place = os.path.join(directory, name)
            entries[os.path.relpath(place, root)] = Entry(key=place, executable=False, link=False, submodule=True)
        subdirectories[:] = sorted({*subdirectories}.difference(foreign, links, {".git"}))
        for name in sorted((*names, *links)):
            place = os.path.join(directory, name)
            mode = os.lstat(place).st_mode
            if name != ".git" and (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                entries[os.path.relpath(place, root)] = Entry(
                    key=place, executable=stat.S_ISREG(mode) and bool(mode & 0o100), link=stat.S_ISLNK(mode)
                )
        if len(entries) > MOST_FILES:
            raise SourceRefused(f"{path}: holds over {MOST_FILES} files", remedy="name the directory that holds hosts/")
    return Tree(entries, _read_file)


def _read_file(place: str) -> bytes:
    if os.path.islink(place):
        return os.fsencode(os.readlink(place))
    with open(place, "rb") as file:
        return file.read()
