"""What lies at a path, and what of it counts."""

from __future__ import annotations

from pathlib import PurePosixPath

from msgspec import Struct

from reconcilers.contract import FileInfo, Reader, Site


class Seen(Struct, frozen=True, kw_only=True):
    """What lies at a path."""

    info: FileInfo
    content: bytes | None = None
    names: tuple[str, ...] = ()
    """What is in a directory that is gone from git."""


class Dress(Struct, frozen=True, kw_only=True):
    """Whose a thing is; None leaves a new one to the agent's own user or group."""

    owner: str | None = None
    group: str | None = None


def look(reader: Reader, path: PurePosixPath) -> Seen | None:
    """What lies there, a file with its content. Raises Temporary when it cannot be looked at."""
    info = reader.stat(path)
    if info is None:
        return None
    return Seen(info=info, content=reader.read(path) if info.kind == "file" else None)


def digest(site: Site, kind: str, mode: int, owner: str, group: str, body: bytes) -> str:
    """Of all that counts; a link has neither mode nor owner."""
    head = f"{kind}\0{mode:o}\0{owner}\0{group}\0" if kind != "link" else f"{kind}\0"
    return site.digest(head.encode() + body)


def live(seen: Seen | None, site: Site) -> str | None:
    """The digest of what lies there; None for nothing."""
    if seen is None:
        return None
    info = seen.info
    body = seen.content if seen.content is not None else (info.target or "").encode()
    return digest(site, info.kind, info.mode, info.owner, info.group, body)
