"""Which directories inotify must watch so that no change at a wanted path is missed.

A file is watched through its directory, and that directory through its own: a directory that is moved away,
removed or replaced takes its watch with it. Where a directory is missing, the nearest one that exists is watched for
the next name on the way. Watches of directories are never recursive, but for a repository's refs.
"""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch

_MOST_DIRECTORIES = 256
"""Each costs a thread; beyond that the full look must do."""

_CAME_OR_WENT = frozenset({"created", "moved", "deleted"})
_WROTE = frozenset({"created", "moved", "modified"})


class Ref(Struct, frozen=True):
    """A ref of a watched repository was written."""


class Touched(Struct, frozen=True):
    """Something happened at a wanted path."""

    path: str


class Moved(Struct, frozen=True):
    """A directory on the way to a wanted path came, went or was replaced."""

    path: str


class _Depth(enum.IntEnum):
    """How much of a directory a watch tells."""

    WAY = 1  # what comes and goes: a busy /tmp or /var/log on the way would wake us for each byte written there
    FILES = 2
    TREE = 3


class _Names(Struct):
    """What counts in one watched directory."""

    wanted: set[str] = field(default_factory=set)
    on_the_way: set[str] = field(default_factory=set)
    git: bool = False
    refs: bool = False

    @property
    def depth(self) -> _Depth:
        """How much of the directory must be watched."""
        if self.refs:
            return _Depth.TREE
        return _Depth.FILES if self.wanted or self.git else _Depth.WAY


class Arming:
    """The watches that are set, and those that ought to be. `deliver` is called by watchdog's threads."""

    def __init__(self, deliver: Callable[[Ref | Touched | Moved], None]) -> None:
        self._deliver = deliver
        self._observer: BaseObserver | None = None
        self._files: frozenset[str] = frozenset()
        self._unwatched: tuple[str, ...] = ()
        self._repositories: frozenset[str] = frozenset()
        self._armed: dict[str, tuple[ObservedWatch, _Depth]] = {}
        self._lock = threading.Lock()
        self._names: dict[str, _Names] = {}
        self._refs: tuple[str, ...] = ()

    def want_files(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Watch these absolute paths and no others; gives those that cannot be watched. The same again is free."""
        files = frozenset(paths)
        if files != self._files or self._unwatched:
            self._files = files
            self._arm()
        return self._unwatched

    def want_repositories(self, directories: Iterable[str]) -> None:
        """Watch the refs of these repositories and of no others."""
        self._repositories = frozenset(map(os.path.abspath, directories))
        self._arm()

    def rearm(self, changed: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """After a directory changed places: the repositories and the wanted files that this concerns."""
        for directory in [d for d in self._armed if _within(d, changed)]:
            self._disarm(directory)
        self._arm()
        repositories = [r for r in self._repositories if _within(r, changed) or _within(changed, r)]
        return tuple(sorted(repositories)), tuple(sorted(f for f in self._files if _within(f, changed)))

    def close(self) -> None:
        """Let all watches go."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
        self._armed.clear()

    def _arm(self) -> None:
        """Set and drop watches until they are as they ought to be.

        What appears below a directory before its watch is set is found by asking again afterwards.
        """
        refused: set[str] = set()
        while True:
            wanted = self._wanted_names()
            with self._lock:
                self._names = wanted
                self._refs = tuple(directory for directory, names in wanted.items() if names.refs)
            for directory, (_, depth) in tuple(self._armed.items()):
                if directory not in wanted or wanted[directory].depth is not depth:
                    self._disarm(directory)
            missing = set(wanted) - set(self._armed) - refused
            if not missing:
                break
            for directory in sorted(missing, key=lambda d: (-wanted[d].depth, d)):
                if not self._schedule(directory, wanted[directory].depth):
                    refused.add(directory)
        self._unwatched = tuple(sorted(path for path in self._files if os.path.dirname(path) in refused))

    def _wanted_names(self) -> dict[str, _Names]:
        wanted: dict[str, _Names] = {}
        for directory, names_in_it in _by_directory(self._files).items():
            _mark_way(wanted, directory)
            if os.path.isdir(directory):
                wanted.setdefault(directory, _Names()).wanted |= names_in_it
        for repository in self._repositories:
            git = _git_directory(repository)
            _mark_way(wanted, git)
            if os.path.isdir(git):
                names = wanted.setdefault(git, _Names())
                names.git = True
                names.on_the_way.add("refs")
            if os.path.isdir(refs := os.path.join(git, "refs")):
                wanted.setdefault(refs, _Names()).refs = True
        return wanted

    def _schedule(self, directory: str, depth: _Depth) -> bool:
        if len(self._armed) >= _MOST_DIRECTORIES:
            return False
        try:
            watch = self._running_observer().schedule(
                _handler(self._hear),
                os.path.join(directory, ""),  # the slash: through a link, as the path itself goes
                recursive=depth is _Depth.TREE,
                event_filter=_interesting(depth),
            )
        except OSError:  # removed meanwhile, no right to look, or the limits of inotify(7)
            return False
        self._armed[directory] = (watch, depth)
        return True

    def _disarm(self, directory: str) -> None:
        watch, _ = self._armed.pop(directory)
        if self._observer is not None:
            self._observer.unschedule(watch)

    def _running_observer(self) -> BaseObserver:
        if self._observer is None:
            from watchdog.observers.inotify import InotifyObserver

            _deliver_moves_at_once()
            self._observer = InotifyObserver()
            self._observer.start()
        return self._observer

    def _hear(self, kind: str, path: str) -> None:
        """One event at one path, on a thread of watchdog's."""
        directory, name = os.path.split(path)
        with self._lock:
            names = self._names.get(directory, _Names())
            itself = path in self._names
            in_refs = any(_within(path, refs) for refs in self._refs)
        is_ref = in_refs or (names.git and name == "packed-refs")
        if is_ref and kind in _WROTE and not name.endswith(".lock"):
            self._deliver(Ref())
        if kind in _CAME_OR_WENT and (itself or name in names.on_the_way):
            self._deliver(Moved(path))
        elif name in names.wanted:
            self._deliver(Touched(path))


def _handler(hear: Callable[[str, str], None]) -> FileSystemEventHandler:
    """watchdog's handler, reduced to what happened and where. A move is two events, at both ends."""
    from watchdog.events import FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        def dispatch(self, event: FileSystemEvent) -> None:
            for path in {event.src_path, event.dest_path} - {""}:
                hear(event.event_type, os.path.normpath(os.fsdecode(path)))

    return Handler()


def _interesting(depth: _Depth) -> list[type[FileSystemEvent]]:
    """What may mean a change. Opening, reading and closing would wake us for our own looks."""
    from watchdog import events

    names = [f"{what}{happens}Event" for what in ("File", "Dir") for happens in ("Created", "Moved", "Deleted")]
    if depth is not _Depth.WAY:
        names += ["FileModifiedEvent", "FileAttribEvent", "DirAttribEvent"]  # Attrib: since watchdog 7
    return [getattr(events, name) for name in names if hasattr(events, name)]


def _deliver_moves_at_once() -> None:
    """watchdog holds each `moved_from` back for 0.5 s, and all that follows it, to find the other half.

    We do not care for the other half, and git moves a file into place at every push.
    """
    try:
        from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

        InotifyMoveEventGrouper.delay = 0.0
    except ImportError:  # before watchdog 7
        from watchdog.observers import inotify_buffer  # type: ignore[attr-defined, unused-ignore]

        inotify_buffer.InotifyBuffer.delay = 0.0


def _by_directory(files: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in files:
        directory, name = os.path.split(path)
        found.setdefault(directory, set()).add(name)
    return found


def _mark_way(wanted: dict[str, _Names], directory: str) -> None:
    """Watch for `directory` to come, go or be replaced: in its parent, or in the nearest one that exists."""
    while directory != "/":
        parent, name = os.path.split(directory)
        if os.path.isdir(parent):
            wanted.setdefault(parent, _Names()).on_the_way.add(name)
            return
        directory = parent


def _git_directory(repository: str) -> str:
    from agent.source.local import find_git_directory

    return str(find_git_directory(Path(repository)) or repository)


def _within(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or below it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")
