"""The reader's trace as proof: while everything that was asked would be answered the same, nothing need be
asked again.

A reconciler's answer depends on nothing but what it is given and what it asked its reader. So it is enough
to note, before each answer, what tells two states of the asked thing apart, and to compare that later: one
lstat for a file instead of reading, rendering and comparing it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from agent.proc import boot
from agent.signs import LENGTH, of_path, of_way, still_so
from reconcilers.contract import Completed, FileInfo, Process, Reader, Unit
from schemas.actions import DressTree
from schemas.record import Record

if TYPE_CHECKING:
    from agent.signs import Sign

Answer = TypeVar("Answer")

RIPE = 2.0
"""Seconds. Older kernels stamp in ticks, so a second change soon after the first may leave the same
signature.
"""


class Proof(Struct, frozen=True, kw_only=True):
    """What was seen. `holds` says whether it would be seen again.

    `ripe_at` (epoch seconds) is None for a proof that may be relied on. Otherwise something had changed
    less than two seconds before it was looked at: the proof never holds, and a new look from `ripe_at` on
    gives one that may.
    """

    paths: tuple[tuple[str, Sign], ...] = ()
    ways: tuple[tuple[str, Sign], ...] = ()
    """The directories on the way to `paths`, by device and inode: one that becomes a link shuts the way."""
    records: tuple[tuple[str, str | None], ...] = ()
    units: tuple[tuple[str, Unit], ...] = ()
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
            and all(_record(host.recall(id_)) == record for id_, record in self.records)
            and still_so(self, now)
            and host.units(tuple(name for name, _ in self.units)) == tuple(unit for _, unit in self.units)
        )


class Tracer:
    """A `Reader` that hands every question on to `host` and notes what the answer depends on, before it is
    given.
    """

    def __init__(self, host: Reader, *, clock: Callable[[], float] = time.time) -> None:
        self._host = host
        self._clock = clock
        self._paths: dict[str, Sign] = {}
        self._ways: dict[str, Sign] = {}
        self._records: dict[str, str | None] = {}
        self._units: dict[str, Unit] = {}
        self._living: dict[int, int | None] = {}
        self._was_due: float | None = None
        self._next_due: float | None = None
        self._ripe_at: float | None = None
        self._is_provable = True

    def proof(self) -> Proof | None:
        """What was noted so far; None when an answer was given that no signature vouches for."""
        if not self._is_provable:
            return None
        return Proof(
            paths=tuple(self._paths.items()),
            ways=tuple(self._ways.items()),
            records=tuple(self._records.items()),
            units=tuple(self._units.items()),
            living=tuple(self._living.items()),
            was_due=self._was_due,
            next_due=self._next_due,
            boot=boot(),
            ripe_at=self._ripe_at,
        )

    def read(self, path: PurePosixPath) -> bytes | None:
        """See `Reader`."""
        self.note(path)
        return self._answer(lambda: self._host.read(path))

    def stat(self, path: PurePosixPath) -> FileInfo | None:
        """See `Reader`."""
        self.note(path)
        return self._answer(lambda: self._host.stat(path))

    def listdir(self, path: PurePosixPath) -> tuple[str, ...] | None:
        """See `Reader`."""
        self.note(path)
        return self._answer(lambda: self._host.listdir(path))

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
            self.note(path)
        return self._answer(lambda: self._host.query(argv, user=user, depends=depends, stdin=stdin))

    def process(self, pid: int) -> Process | None:
        """See `Reader`."""
        found = self._host.process(pid)
        self._living.setdefault(pid, found.started if found else None)
        return found

    def find(self, argv: tuple[str, ...]) -> tuple[Process, ...]:
        """See `Reader`. No signature tells that no further process has come: the trace proves nothing any
        more.
        """
        self._is_provable = False
        return self._host.find(argv)

    def unit(self, name: str) -> Unit:
        """See `Reader`."""
        return self.units((name,))[0]

    def units(self, names: tuple[str, ...]) -> tuple[Unit, ...]:
        """See `Reader`. Of each is asked once in a look: each time it is a process."""
        if unknown := tuple(name for name in dict.fromkeys(names) if name not in self._units):
            self._units |= zip(unknown, self._answer(lambda: self._host.units(unknown)), strict=True)
        return tuple(self._units[name] for name in names)

    def astray(self, tree: DressTree) -> int:
        """See `Reader`. No path of it is noted: what changes there is found by the next full look."""
        return self._answer(lambda: self._host.astray(tree))

    def has_user(self, name: str) -> bool:
        """See `Reader`."""
        self.note(PurePosixPath("/etc/passwd"))
        return self._host.has_user(name)

    def has_group(self, name: str) -> bool:
        """See `Reader`."""
        self.note(PurePosixPath("/etc/group"))
        return self._host.has_group(name)

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

    def note(self, path: PurePosixPath) -> None:
        """Let the proof cover this path too. What was seen first counts: should it change before it is seen again, the
        proof fails at once.
        """
        text = str(path)
        if text in self._paths:
            return
        if text.startswith(("/proc/", "/sys/")):
            self._is_provable = False  # the kernel makes these up as they are read
        parent = path.parent
        while (way := str(parent)) not in self._ways:
            self._ways[way] = of_way(way)
            parent = parent.parent
        seen = self._paths[text] = of_path(text)
        now = self._clock()
        for changed in seen[4::LENGTH]:
            ripe = changed / 1e9 + RIPE
            if now < ripe < now + 2 * RIPE:  # one that lies further ahead was stamped by another clock
                self._ripe_at = max(self._ripe_at or 0.0, ripe)

    def _answer(self, ask: Callable[[], Answer]) -> Answer:
        """A question without an answer (Temporary) is asked again the next time."""
        try:
            return ask()
        except BaseException:
            self._is_provable = False
            raise


def _record(record: Record | None) -> str | None:
    """As a text, which keeps nothing of the record in memory."""
    return None if record is None else json.dumps([record.at, dict(record.value)], sort_keys=True)
