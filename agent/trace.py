"""The reader's trace as proof: while everything that was asked would be answered the same, nothing need be
asked again.

A reconciler's answer depends on nothing but what it is given and what it asked its reader. So it is enough
to note, before each answer, what tells two states of the asked thing apart, and to compare that later: one
lstat for a file instead of reading, rendering and comparing it.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from agent.living import boot, started
from reconcilers.contract import Completed, FileInfo, Process, Reader
from schemas.record import Record

Answer = TypeVar("Answer")

RIPE = 2.0
"""Seconds. Older kernels stamp in ticks, so a second change soon after the first may leave the same
signature.
"""

_Numbers = tuple[int, ...]
"""lstat, and for a link what stat says as well; a failure is its errno alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was seen. `holds` says whether it would be seen again.

    `ripe_at` (epoch seconds) is None for a proof that may be relied on. Otherwise something had changed
    less than two seconds before it was looked at: the proof never holds, and a new look from `ripe_at` on
    gives one that may.
    """

    paths: tuple[tuple[str, _Numbers], ...] = ()
    ways: tuple[tuple[str, _Numbers], ...] = ()
    """The directories on the way to `paths`, by device and inode: one that becomes a link shuts the way."""
    records: tuple[tuple[str, str | None], ...] = ()
    living: tuple[tuple[int, int | None], ...] = ()
    was_due: float | None = None
    """The latest instant that had come."""
    next_due: float | None = None
    """The earliest instant that had not."""
    boot: str = ""
    ripe_at: float | None = None

    def holds(self, host: Reader, now: float) -> bool:
        """Whether every question of the trace would be answered as it was. Costs an lstat for each path."""
        return (
            self.ripe_at is None
            and self.boot == boot()
            and (self.was_due is None or now >= self.was_due)
            and (self.next_due is None or now < self.next_due)
            and all(started(pid) == when for pid, when in self.living)
            and all(_record(host.recall(id_)) == record for id_, record in self.records)
            and all(_way(path) == seen for path, seen in self.ways)
            and all(_numbers(path) == seen for path, seen in self.paths)
        )

    def to_bytes(self) -> bytes:
        """For the state."""
        return json.dumps([getattr(self, name) for name in _FIELDS], separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> Proof:
        """The inverse of `to_bytes`. Raises ValueError for what is none."""
        values = json.loads(text)
        if not isinstance(values, list) or len(values) != len(_FIELDS):
            raise ValueError("this is no proof")
        given = dict(zip(_FIELDS, values, strict=True))
        for name in ("paths", "ways"):
            given[name] = tuple((path, tuple(seen)) for path, seen in given[name])
        for name in ("records", "living"):
            given[name] = tuple((key, value) for key, value in given[name])
        return cls(**given)


_FIELDS = ("paths", "ways", "records", "living", "was_due", "next_due", "boot", "ripe_at")


class Tracer:
    """A `Reader` that hands every question on to `host` and notes what the answer depends on, before it is
    given.
    """

    def __init__(self, host: Reader, *, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._clock = clock
        self._paths: dict[str, _Numbers] = {}
        self._ways: dict[str, _Numbers] = {}
        self._records: dict[str, str | None] = {}
        self._living: dict[int, int | None] = {}
        self._was_due: float | None = None
        self._next_due: float | None = None
        self._ripe_at: float | None = None
        self._unprovable = ""

    @property
    def unprovable(self) -> str:
        """Why this trace can prove nothing; empty when it can."""
        return self._unprovable

    def proof(self) -> Proof | None:
        """What was noted so far; None when an answer was given that no signature vouches for."""
        if self._unprovable:
            return None
        return Proof(
            paths=tuple(self._paths.items()),
            ways=tuple(self._ways.items()),
            records=tuple(self._records.items()),
            living=tuple(self._living.items()),
            was_due=self._was_due,
            next_due=self._next_due,
            boot=boot(),
            ripe_at=self._ripe_at,
        )

    def read(self, path: PurePosixPath) -> bytes | None:
        """See `Reader`."""
        self._note(path)
        return self._answer(path, lambda: self._host.read(path))

    def stat(self, path: PurePosixPath) -> FileInfo | None:
        """See `Reader`."""
        self._note(path)
        return self._answer(path, lambda: self._host.stat(path))

    def listdir(self, path: PurePosixPath) -> tuple[str, ...] | None:
        """See `Reader`."""
        self._note(path)
        return self._answer(path, lambda: self._host.listdir(path))

    def query(
        self,
        argv: tuple[str, ...],
        *,
        user: str | None,
        depends: tuple[PurePosixPath, ...],
        stdin: bytes = b"",
    ) -> Completed:
        """See `Reader`. The program itself is one of the paths that decide its answer."""
        for path in (PurePosixPath(argv[0]), *depends):
            self._note(path)
        return self._answer(argv[0], lambda: self._host.query(argv, user=user, depends=depends, stdin=stdin))

    def process(self, pid: int) -> Process | None:
        """See `Reader`."""
        found = self._host.process(pid)
        self._living.setdefault(pid, found.started if found else None)
        return found

    def find(self, argv: tuple[str, ...]) -> tuple[Process, ...]:
        """See `Reader`. No signature tells that no further process has come: the trace proves nothing any
        more.
        """
        self._unprovable = f"all processes were searched for {argv[0]}"
        return self._host.find(argv)

    def recall(self, id_: str) -> Record | None:
        """See `Reader`."""
        found = self._host.recall(id_)
        self._records.setdefault(id_, _record(found))
        return found

    def due(self, instant: float) -> bool:
        """See `Reader`."""
        if due := self._host.due(instant):
            self._was_due = instant if self._was_due is None else max(self._was_due, instant)
        else:
            self._next_due = instant if self._next_due is None else min(self._next_due, instant)
        return due

    def _note(self, path: PurePosixPath) -> None:
        """What was seen first counts: should it change before it is seen again, the proof fails at once."""
        text = str(path)
        if text in self._paths:
            return
        if text.startswith(("/proc/", "/sys/")):
            self._unprovable = f"{text} has no signature"
        parent = path.parent
        while (way := str(parent)) not in self._ways:
            self._ways[way] = _way(way)
            parent = parent.parent
        seen = self._paths[text] = _numbers(text)
        now = self._clock()
        for changed in seen[4::_LENGTH]:
            ripe = changed / 1e9 + RIPE
            if now < ripe < now + 2 * RIPE:  # one that lies further ahead was stamped by another clock
                self._ripe_at = max(self._ripe_at or 0.0, ripe)

    def _answer(self, what: object, ask: Callable[[], Answer]) -> Answer:
        """A question without an answer (Temporary) is asked again the next time."""
        try:
            return ask()
        except BaseException:
            self._unprovable = f"{what} gave no answer"
            raise


_LENGTH = 5


def _numbers(path: str) -> _Numbers:
    """Five numbers of lstat; of a link also five of stat; a failure is its errno."""
    try:
        seen = os.lstat(path)
    except OSError as error:
        return (error.errno or 0,)
    own = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    if not stat.S_ISLNK(seen.st_mode):
        return own
    try:
        seen = os.stat(path)
    except OSError as error:
        return (*own, error.errno or 0)
    return (*own, seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def _way(path: str) -> _Numbers:
    """Which directory this is; a link to one is another."""
    try:
        seen = os.lstat(path)
    except OSError as error:
        return (error.errno or 0,)
    return (seen.st_dev, seen.st_ino)


def _record(record: Record | None) -> str | None:
    """As it comes back from JSON, so that a stored proof compares equal."""
    return None if record is None else json.dumps([record.at, dict(record.value)], sort_keys=True)
