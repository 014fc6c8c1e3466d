"""What wakes the agent: time, a push, a changed file, a signal, a command: all are reasons in one queue.

A reason is never the change itself: it says that looking may be worth while. Callbacks only enqueue; what they
put there is judged on the working thread, in `wait`, which blocks without a wakeup in between.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType

from msgspec import Struct

from agent.control import Request
from agent.paths import Arming, Moved, Ref, Touched

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)

_BURST_SECONDS = 0.01
"""Within this time the events of one edit (truncate, write, write, rename) are one reason."""


class Timer(Struct, frozen=True):
    """The interval is over."""


class Push(Struct, frozen=True):
    """A ref of a repository on this disk moved, or the repository was replaced."""


class PathChanged(Struct, frozen=True):
    """Something other than the agent changed, made or removed what lies at a managed or awaited path."""

    path: str


class Expiry(Struct, frozen=True):
    """An instant that something waits for has come."""


class SignalReceived(Struct, frozen=True):
    """SIGTERM and SIGINT: end. SIGHUP: read the settings again. SIGUSR1: reconcile now."""

    signal: signal.Signals

    @property
    def stops(self) -> bool:
        """Whether the agent is asked to end."""
        return self.signal in (signal.SIGTERM, signal.SIGINT)


Reason = Timer | Push | PathChanged | Expiry | SignalReceived | Request
_Item = Reason | Ref | Touched | Moved


class Watch:
    """Everything that may wake us. Used from the working thread; `deliver` from any."""

    def __init__(self, *, ours: Callable[[str], bool]) -> None:
        """`ours` says whether what lies at a path now is what the agent itself put there."""
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._ours = ours
        self._arming = Arming(self._queue.put)
        self._early: list[Reason] = []
        self.stopped_by: signal.Signals | None = None
        """The signal that asks the agent to end, as soon as it was taken."""
        self._wakeup: int | None = None

    def deliver(self, reason: Reason) -> None:
        """Wake the agent. Never blocks; may be called by a signal handler."""
        self._queue.put(reason)

    def hear_signals(self) -> None:
        """Turn SIGTERM, SIGINT, SIGHUP and SIGUSR1 into reasons. For the main thread, once.

        A handler in Python runs when the main thread next runs Python: late in the middle of a fetch, and a whole
        interval late when the signal comes just before `wait` blocks. The byte that the interpreter writes to its
        wakeup descriptor comes at once, and wakes a thread that does nothing else.
        """
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self._wakeup = write
        for number in _SIGNALS:
            signal.signal(number, _ignore)
        threading.Thread(target=self._hear, args=(read,), name="signals", daemon=True).start()

    def watch_repository(self, directories: Iterable[str]) -> None:
        """From now on these repositories on this disk are watched, bare or not, and no others.

        One that is not there yet, or goes and comes back, is found again when it appears.
        """
        self._arming.want_repositories(directories)

    def watch_files(self, paths: Iterable[str]) -> tuple[str, ...]:
        """From now on these absolute paths are watched, and no others; what stays the same is left alone.

        Call it before looking at them: what changes from then on is told. The answer names those that cannot be
        watched (too many directories, or no right to look): a full look finds what changes there.
        """
        return self._arming.want_files(paths)

    def wait(self, until: float, *, expiry: float | None = None) -> tuple[Reason, ...]:
        """Block until there is a reason, and give all there are. `until` and `expiry` are in epoch seconds.

        `Timer` when `until` has come, `Expiry` when `expiry` has. Infinity is allowed.
        """
        found = self._early
        self._early = []
        end = min(until, expiry) if expiry is not None else until
        while not found:
            first = self._take(end)
            if first is None:
                return (Timer(),) if end == until else (Expiry(),)
            found += self._judge(first)
            if found and all(isinstance(reason, PathChanged) for reason in found):
                found += self._rest_of_burst()
        found += self._take_all()
        return tuple(dict.fromkeys(found))

    def stopping(self) -> bool:
        """Whether SIGTERM or SIGINT has ever come: for between two steps of a pass. Loses no reason."""
        self._early += self._take_all()
        return self.stopped_by is not None

    def close(self) -> None:
        """Stop watching and hearing. Requests that nobody took are told so."""
        self._arming.close()
        if self._wakeup is not None:
            signal.set_wakeup_fd(-1)
            os.close(self._wakeup)
            self._wakeup = None
        for reason in self._early:
            self._queue.put(reason)
        self._early = []
        while not self._queue.empty():
            if isinstance(item := self._queue.get(), Request):
                item.abandon()

    def _take(self, end: float) -> _Item | None:
        """The next thing in the queue, or None at `end`."""
        try:
            if end == float("inf"):
                return self._queue.get()
            return self._queue.get(timeout=min(max(0.0, end - time.time()), 1e6))
        except queue.Empty:
            return None

    def _take_all(self) -> list[Reason]:
        """Whatever is in the queue now."""
        found: list[Reason] = []
        while True:
            try:
                found += self._judge(self._queue.get_nowait())
            except queue.Empty:
                return found

    def _rest_of_burst(self) -> list[Reason]:
        """What follows within the time of a burst; anything but a file event ends it."""
        found: list[Reason] = []
        end = time.monotonic() + _BURST_SECONDS
        while (left := end - time.monotonic()) > 0:
            try:
                more = self._judge(self._queue.get(timeout=left))
            except queue.Empty:
                break
            found += more
            if any(not isinstance(reason, PathChanged) for reason in more):
                break
        return found

    def _judge(self, item: _Item) -> list[Reason]:
        """What an item of the queue means: nothing, one reason or, when a directory was replaced, several."""
        if isinstance(item, Ref):
            return [Push()]
        if isinstance(item, Touched):
            return [] if self._ours(item.path) else [PathChanged(item.path)]
        if isinstance(item, Moved):
            repositories, paths = self._arming.rearm(item.path)
            changed = [PathChanged(path) for path in paths if not self._ours(path)]
            return [*([Push()] if repositories else []), *changed]
        if isinstance(item, SignalReceived) and item.stops:
            self.stopped_by = item.signal
        return [item]

    def _hear(self, read: int) -> None:
        """Each byte is a signal's number; the end is the end of the watch."""
        with open(read, "rb", buffering=0) as wakeup:
            while numbers := wakeup.read(64):
                for number in numbers:
                    if number in _SIGNALS:
                        self._queue.put(SignalReceived(signal.Signals(number)))


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """The interpreter writes to its wakeup descriptor only for signals that Python handles."""
