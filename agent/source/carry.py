"""Copy what is new from a repository on the same disk, as one pack: a third of the time that git's protocol takes.

Only packs are ever written to the mirror. A pack proves itself as a whole, and libgit2 (1.9) reads a loose object that
was cut short for ever: such a one, left by a crash where people push to, is refused here before libgit2 sees it.
"""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

import pygit2
from pygit2.enums import FileMode

from agent.source.tree import LARGEST_OBJECT
from schemas.errors import SourceRefused

_CHUNK = 2**20
LARGEST_CARRIED = 256 * 2**20
"""Bytes. What lies in the history alone nobody reads, and packing it takes three times its size of memory."""
_HEADER = 32
"""A loose object begins with its kind and size, some bytes that do not count."""


class TooLarge(SourceRefused):
    """A file somewhere in the history has more bytes than may be packed here."""


def carry(
    source: pygit2.Repository, mirror: pygit2.Repository, tip: pygit2.Oid, *, largest: int = LARGEST_OBJECT
) -> None:
    """Copy what the tip reaches and the mirror lacks, all or nothing.

    Raises TooLarge for a file of over `largest` bytes, SourceRefused for a tip that is no commit, OSError and what
    pygit2 raises.
    """
    if tip in mirror and not isinstance(mirror[tip], pygit2.Commit):
        raise no_commit(str(tip))
    objects = os.path.join(_common_directory(source), "objects")
    seen: set[pygit2.Oid] = set()
    waiting, blobs = [tip], set[pygit2.Oid]()
    while waiting:
        id_ = waiting.pop()
        if id_ in seen or id_ in mirror:
            continue  # the mirror has nothing without all that it names
        seen.add(id_)
        _refuse_unfit(source, objects, id_, LARGEST_OBJECT)
        match source[id_]:
            case pygit2.Commit() as commit:
                waiting += [*commit.parent_ids, commit.tree_id]
            case pygit2.Tree() as tree if id_ != tip:
                for entry in tree:
                    if entry.filemode == FileMode.TREE:
                        waiting.append(entry.id)
                    elif entry.filemode != FileMode.COMMIT:
                        blobs.add(entry.id)
            case _:
                raise no_commit(str(tip))
    builder = pygit2.PackBuilder(source)
    for id_ in seen:
        builder.add(id_)
    for id_ in blobs:
        if id_ not in mirror:
            _refuse_unfit(source, objects, id_, largest)
            builder.add(id_)
    if len(builder):
        builder.write(os.path.join(mirror.path, "objects", "pack"))


def no_commit(tip: str) -> SourceRefused:
    """A branch may name anything, though git itself lets it name nothing but commits."""
    return SourceRefused(f"object {tip}: the branch names it, and it is no commit", remedy="push a commit")


def _common_directory(repository: pygit2.Repository) -> str:
    """A linked work tree has its objects elsewhere."""
    try:
        with open(os.path.join(repository.path, "commondir"), encoding="utf-8", errors="surrogateescape") as file:
            return os.path.join(repository.path, file.read().strip())
    except FileNotFoundError:
        return repository.path


def _refuse_unfit(source: pygit2.Repository, objects: str, id_: pygit2.Oid, largest: int) -> None:
    """Before libgit2 reads it as a whole: what was cut short, and what is too large for the memory."""
    text = str(id_)
    try:
        with open(os.path.join(objects, text[:2], text[2:]), "rb") as file:
            _inflate(file, text, largest)
    except FileNotFoundError:
        _, size = source.odb.read_header(id_)  # in a pack, which proves itself
        if size > largest:
            raise _too_large(text, largest) from None
    except zlib.error:
        raise OSError(f"object {text} is damaged; run git fsck there") from None


def _inflate(file: BinaryIO, text: str, largest: int) -> None:
    """Raises zlib.error when it is torn, TooLarge as soon as it is too large; a megabyte at a time."""
    stream, size, rest = zlib.decompressobj(), 0, b""
    while not stream.eof:
        rest = rest or file.read(_CHUNK)
        unpacked = stream.decompress(rest, _CHUNK)
        if not (rest or unpacked or stream.eof):
            raise zlib.error("it ends too early")
        size, rest = size + len(unpacked), stream.unconsumed_tail
        if size > largest + _HEADER:
            raise _too_large(text, largest)


def _too_large(text: str, largest: int) -> TooLarge:
    return TooLarge(
        f"object {text}: has over {largest >> 20} MiB",
        remedy=f"take it out of the history (git log --find-object={text} names its commits)",
    )
