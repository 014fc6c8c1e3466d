"""Files that Prosody's configuration includes and that the same commit brings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from schemas.desired import HostSpec
from schemas.desired.values import find_secrets
from schemas.errors import Mark
from schemas.fragments import Fragment


class Brought(Struct, frozen=True, kw_only=True):
    """One such file. `text` None: it is rendered, or a secret. `lines`: its lines are lines of `origin`'s file, but for
    a block's, which begin wherever it stands.
    """

    path: PurePosixPath
    text: str | None
    origin: Mark | None
    lines: bool = False
    is_secret: bool = False
    """It holds one, so Lua's words about it are not told: they quote whatever stands where it stopped."""
    is_block: bool = False
    include: Mark | None = None
    """Where it is included."""

    def place(self, line: int) -> Mark | None:
        """Where its line `line` stands, as nearly as can be told."""
        has_lines = self.lines and not self.is_block
        return Mark(self.origin.file, line, 1) if has_lines and self.origin and line else self.origin


def brought(spec: HostSpec) -> Iterator[Brought]:
    """Every included file that `files` brings, in the order of the Include lines."""
    prosody = spec.host.prosody
    for place, pattern in enumerate(prosody.include if prosody else ()):
        include = spec.origin("prosody", "include", place)
        for file in _managed(spec):
            if is_included(file.path, pattern):
                yield replace(file, include=include)


def holds_secret(spec: HostSpec) -> bool:
    """Whether one of them does; a template of the whole may include whatever `files` brings."""
    prosody = spec.host.prosody
    files = _managed(spec) if prosody and prosody.template is not None else brought(spec)
    return any(file.is_secret for file in files)


def is_included(path: PurePosixPath, pattern: str) -> bool:
    """Whether an Include line with this path or pattern reads this file (util.paths: glob_to_pattern; no dot files)."""
    wanted = PurePosixPath(pattern)
    if not is_pattern(wanted):
        return path == wanted
    return path.parent == wanted.parent and path.name[:1] != "." and fnmatchcase(path.name, wanted.name)


def is_read(spec: HostSpec, name: str) -> bool:
    """Whether an Include line reads this path, or something below it."""
    prosody = spec.host.prosody
    path = PurePosixPath(name)
    return any(
        is_included(path, pattern) or path in PurePosixPath(pattern).parents
        for pattern in (prosody.include if prosody else ())
    )


def is_pattern(path: PurePosixPath) -> bool:
    """Whether an Include line takes this for more than one file."""
    return "*" in path.name or "?" in path.name


def in_plain_text(spec: HostSpec) -> tuple[Brought, ...]:
    """Those whose Lua git says: each is compiled by itself, so that all of them are told."""
    return tuple(file for file in brought(spec) if file.text is not None)


def fragments(spec: HostSpec) -> Iterator[Fragment]:
    """Their Lua, in the order of `in_plain_text`."""
    for file in in_plain_text(spec):
        first = file.place(1) if file.lines else None
        yield Fragment(text=file.text or "", is_expression=False, origin=file.origin, first=first)


def culprit(spec: HostSpec, words: str) -> tuple[Brought, int, str] | None:
    """The file in which Lua places a mistake, the line, and what it says besides; None when it is none of these.

    Lua writes `path:line: words`, and of a long path only its end.
    """
    found = re.match(r"(\.\.\.)?([^\n:]+):(\d+): (.*)", words, re.DOTALL)
    if found is None:
        return None
    cut, name, line, rest = found.groups()
    for file in brought(spec):
        if str(file.path) == name or (cut and str(file.path).endswith(name)):
            return file, int(line), rest
    return None


def not_loaded(spec: HostSpec, words: str) -> Mark | None:
    """Where the file is included of which Prosody says that it cannot be read."""
    found = re.match(r"Error loading included ([^\n:]+):", words)
    prosody = spec.host.prosody
    for place, pattern in enumerate(prosody.include if found and prosody else ()):
        if found and is_included(PurePosixPath(found[1]), pattern):
            return spec.origin("prosody", "include", place)
    return None


def _managed(spec: HostSpec) -> Iterator[Brought]:
    for text, entry in spec.host.files.items():
        path = PurePosixPath(text)
        if entry.source is not None:
            yield replace(_copied(path, spec, entry.source), is_block=entry.block)
        elif entry.tree is not None:
            prefix = entry.tree.rstrip("/") + "/"
            yield from (
                _copied(path / name.removeprefix(prefix), spec, name)
                for name in spec.sources
                if name.startswith(prefix)
            )
        elif entry.template is not None:
            is_secret = any(True for _ in find_secrets(entry.vars))
            yield Brought(path=path, text=None, origin=Mark(entry.template), is_secret=is_secret)
        elif entry.content is not None:
            said = entry.content if isinstance(entry.content, str) else None
            origin = spec.origin("files", text, "content")
            yield Brought(path=path, text=said, origin=origin, is_secret=said is None)


def _copied(path: PurePosixPath, spec: HostSpec, source: str) -> Brought:
    text = spec.sources[source].data.decode(errors="replace")
    return Brought(path=path, text=text, origin=Mark(source, 1, 1), lines=True)
