"""Which directories inotify must watch so that no change at a wanted path is missed.

A file is watched through its directory, and that directory through its own: a directory that is moved away,
removed or replaced takes its watch with it. Where a directory is missing, the nearest one that exists is watched for
the next name on the way. Watches of directories are never recursive, but for a repository's refs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch

_MOST_DIRECTORIES = 256
"""Each costs a thread; beyond that the full look must do."""

_CAME_OR_WENT = frozenset({"created", "moved", "deleted"})
_WROTE = frozenset({"created", "moved", "modified"})


@dataclass(frozen=True, slots=True)
class Ref:
    """A ref of a watched repository was written."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Something happened at a wanted path."""

    path: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A directory on the way to a wanted path came, went or was replaced."""

    path: str


@dataclass(slots=True)
class _Names:
    """What counts in one watched directory."""

    wanted: set[str] = field(default_factory=set)
    on_the_way: set[str] = field(default_factory=set)
    git: bool = False
    refs: bool = False


class Arming:
    """The watches that are set, and those that ought to be. `deliver` is called by watchdog's threads."""

    def __init__(self, deliver: Callable[[Ref | Touched | Moved], None]) -> None:
        self._deliver = deliver
        self._observer: BaseObserver | None = None
        self._files: frozenset[str] = frozenset()
        self._repositories: frozenset[str] = frozenset()
        self._armed: dict[str, ObservedWatch] = {}
        self._lock = threading.Lock()
        self._names: dict[str, _Names] = {}
        self._refs: tuple[str, ...] = ()

    def want_files(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Watch these absolute paths and no others; gives those that cannot be watched."""
        self._files = frozenset(map(os.path.normpath, paths))
        return self._arm()

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

    def _arm(self) -> tuple[str, ...]:
        """Set and drop watches until they are as they ought to be; gives the files that no watch covers.

        What appears below a directory before its watch is set is found by asking again afterwards.
        """
        refused: set[str] = set()
        while True:
            wanted = self._wanted_names()
            with self._lock:
                self._names = wanted
                self._refs = tuple(directory for directory, names in wanted.items() if names.refs)
            for directory in set(self._armed) - set(wanted):
                self._disarm(directory)
            missing = set(wanted) - set(self._armed) - refused
            if not missing:
                return tuple(sorted(path for path in self._files if os.path.dirname(path) in refused))
            for directory in sorted(missing, key=lambda d: (not wanted[d].refs, d)):
                if not self._schedule(directory, recursive=wanted[directory].refs):
                    refused.add(directory)

    def _wanted_names(self) -> dict[str, _Names]:
        wanted: dict[str, _Names] = {}
        for path in self._files:
            directory, name = os.path.split(path)
            _mark_way(wanted, directory)
            if os.path.isdir(directory):
                wanted.setdefault(directory, _Names()).wanted.add(name)
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

    def _schedule(self, directory: str, *, recursive: bool) -> bool:
        if len(self._armed) >= _MOST_DIRECTORIES:
            return False
        try:
            self._armed[directory] = self._running_observer().schedule(
                _handler(self._hear),
                os.path.join(directory, ""),  # the slash: through a link, as the path itself goes
                recursive=recursive,
                event_filter=_interesting(),
            )
        except OSError:  # removed meanwhile, no right to look, or the limits of inotify(7)
            return False
        return True

    def _disarm(self, directory: str) -> None:
        watch = self._armed.pop(directory)
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


def _interesting() -> list[type[FileSystemEvent]]:
    """What may mean a change. Opening, reading and closing would wake us for our own looks."""
    from watchdog import events

    what_happens = ("Created", "Modified", "Moved", "Deleted", "Attrib")  # Attrib: since watchdog 7
    names = [f"File{what}Event" for what in what_happens]
    names += [f"Dir{what}Event" for what in what_happens if what != "Modified"]
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
