"""What a plan would write, laid out beside the candidate that names it, so that both are checked as they will be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from msgspec import Struct, field

from agent.host import LocalHost
from agent.splice import with_block
from reconcilers.contract import Reader, Site
from reconcilers.included import is_included, is_pattern
from reconcilers.luatext import quote
from schemas.actions import Link, MakeDir, RemoveFile, WriteBlock, WriteFile
from schemas.desired import HostSpec
from schemas.errors import ActionFailed, Temporary
from schemas.plan import Plan
from schemas.secret import Secret


class Overlay(Struct, kw_only=True):
    """A directory below the stage. `text` becomes the candidate that names what lies there and not the real paths."""

    host: LocalHost
    spec: HostSpec
    site: Site
    root: PurePosixPath
    text: bytes
    names: dict[str, str] = field(default_factory=dict)
    """Staged path → real path."""

    def lay_out(self, plan: Plan) -> PurePosixPath:
        """Write everything, the candidate last; its path."""
        self.host.perform(MakeDir(path=self.root, mode=0o750, group=_group(self.site)))
        moved = dict(touched(self.host, plan))
        for number, (path, write) in enumerate(moved.items()):
            staged = self.root / f"{number}{path.suffix}"  # two may have one name
            if path != self.site.paths.config and self._rename(str(path), staged) and write is not None:
                self._put(staged, write)
        for number, pattern in enumerate(_patterns(self.spec)):
            if any(is_included(path, pattern) for path in moved):
                self._lay_out_pattern(pattern, self.root / f"pattern{number}", moved)
        path = self.root / self.site.paths.config.name
        self.host.perform(WriteFile(path=path, content=Secret(self.text), mode=0o640, group=_group(self.site)))
        return path

    def real(self, words: str) -> str:
        """Words about what is staged, as words about the real files. Of a long path Lua tells only its end."""
        for staged in sorted(self.names, key=len, reverse=True):  # one may begin as another does
            words = words.replace(staged, self.names[staged])

        def whole(match: re.Match[str]) -> str:
            found = (path for staged, path in self.names.items() if staged.endswith(match[1]))
            return next(found, match[0])

        return re.sub(r"\.\.\.([^\s:]{20,})", whole, words)

    def _rename(self, path: str, staged: PurePosixPath) -> bool:
        """Name it by its staged path wherever the candidate names it; whether it does."""
        named = quote(path.encode()).encode()
        if named not in self.text:
            return False
        self.text = self.text.replace(named, quote(str(staged).encode()).encode())
        self.names[str(staged)] = path
        return True

    def _lay_out_pattern(
        self, pattern: str, directory: PurePosixPath, moved: dict[PurePosixPath, WriteFile | None]
    ) -> None:
        """Every file that an Include line with this pattern would read: the plan's, and links to those that stay."""
        wanted = PurePosixPath(pattern)
        if not self._rename(pattern, directory / wanted.name):
            return
        self.host.perform(MakeDir(path=directory, mode=0o750, group=_group(self.site)))
        for path, write in moved.items():
            if write is not None and is_included(path, pattern):
                self.names[str(directory / path.name)] = str(path)
                self._put(directory / path.name, write)
        for name in self.host.listdir(wanted.parent) or ():
            path = wanted.parent / name
            if path not in moved and is_included(path, pattern):
                self.names[str(directory / name)] = str(path)
                self.host.perform(Link(path=directory / name, target=str(path)))

    def _put(self, staged: PurePosixPath, write: WriteFile) -> None:
        """With a mode that lets Prosody read the copy where it could read the file."""
        hidden = write.content if isinstance(write.content, Secret) else Secret(write.content)
        mode = 0o640 if _may_read(write, self.site) else 0o600
        self.host.perform(WriteFile(path=staged, content=hidden, mode=mode, group=_group(self.site)))


def touched(reader: Reader, plan: Plan) -> Iterator[tuple[PurePosixPath, WriteFile | None]]:
    """Each file that the plan writes, or (None) takes away. Raises Temporary."""
    for change in plan.changes:
        for action in change.actions:
            if isinstance(action, WriteFile):
                yield action.path, action
            elif isinstance(action, WriteBlock):
                yield action.path, _spliced(reader, action)
            elif isinstance(action, RemoveFile):
                yield action.path, None


def _spliced(reader: Reader, action: WriteBlock) -> WriteFile | None:
    """The file around a block as it will be, so that what is judged is what Prosody will read."""
    try:
        found = reader.stat(action.path)
        text = with_block(action, None if found is None else reader.read(action.path))
    except ActionFailed as error:  # somebody has just edited the markers, and the next look tells
        raise Temporary(str(error)) from error
    if text is None:
        return None
    mode = action.mode if action.mode is not None else found.mode if found is not None else 0o644
    owner, group = (found.owner, found.group) if found is not None else (None, None)
    return WriteFile(
        path=action.path,
        content=Secret(text),
        mode=mode,
        owner=action.owner or owner,
        group=action.group or group,
    )


def concerns(reader: Reader, plan: Plan, spec: HostSpec, site: Site, text: bytes) -> bool:
    """Whether the plan writes the candidate, or touches a file that it names."""
    for path, _ in touched(reader, plan):
        if path == site.paths.config or quote(str(path).encode()).encode() in text:
            return True
        if any(is_included(path, pattern) for pattern in _patterns(spec)):
            return True
    return False


def _patterns(spec: HostSpec) -> tuple[str, ...]:
    prosody = spec.host.prosody
    return tuple(path for path in (prosody.include if prosody else ()) if is_pattern(PurePosixPath(path)))


def _group(site: Site) -> str | None:
    """Root stages for Prosody's group; any other agent is Prosody's user itself."""
    return site.group if site.user else None


def _may_read(write: WriteFile, site: Site) -> bool:
    """Whether Prosody's user could read what is written so. Root's own files are root's where nobody says otherwise."""
    if not site.user:
        return True
    if write.owner == site.owner:
        return bool(write.mode & 0o400)
    return bool(write.mode & (0o040 if write.group == site.group else 0o004))
