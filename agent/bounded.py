"""What others can make long or large, within limits of time and memory: in a child, forked for it and thrown away.

A commit is written by people: a template may loop, a document may grow in memory. A server may accept and then say
nothing. What is done for either happens in a `Worker`; a fork has everything imported already and costs a few
milliseconds, where a fresh interpreter would cost hundreds.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import pickle
import resource
import select
import signal
import struct
import time
import warnings
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from schemas.errors import AgentError

SECONDS = 10.0
"""For all calls of one worker together, by the clock on the wall."""
MEGABYTES = 256
"""Beyond what the agent had when it forked."""

_POLITE = 5
"""How much nicer a child is that makes ready beside its parent: the parent is who is waited for (nice(2))."""
_LOOK_UP = 0.1
"""Seconds between two calls of `between`."""

_HEADER = struct.Struct("!Q")
_PR_SET_PDEATHSIG = 1

T = TypeVar("T")
Lend = Callable[[Any], Any]
"""What a parent gives for what its child asks for."""


class _Said(Enum):
    """What follows it in a child's message: an answer, an error, or what the child asks for."""

    DONE = "done"
    FAILED = "failed"
    ASKED = "asked"


class TooDear(AgentError):
    """A call took more time or memory than a commit may cost."""

    reason = "LimitExceeded"


def apart(
    function: Callable[[], T],
    *,
    seconds: float = SECONDS,
    megabytes: int = MEGABYTES,
    between: Callable[[], None] | None = None,
) -> T:
    """What a function gives that needs much, or a heavy library, from a worker of its own: the agent never has it.

    Raises what the function and `between` raise, and TooDear over a limit.
    """
    with Worker(function, seconds=seconds, megabytes=megabytes, between=between) as worker:
        answer: T = worker.call(_apart)
    return answer


def _apart(function: Callable[[], T]) -> T:
    return function()


class Worker:
    """One forked child. `context` (say, a git tree) is inherited by the fork and handed to every function first.

    `between` is called now and then while an answer is waited for, and may raise to end the waiting. `prepare` is what
    the child does of itself before it is called, while its parent does something else: limits count from its end.
    """

    def __init__(
        self,
        context: object = None,
        *,
        seconds: float = SECONDS,
        megabytes: int = MEGABYTES,
        between: Callable[[], None] | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._seconds, self._megabytes, self._left = seconds, megabytes, seconds
        self._between, self._is_ready = between, prepare is None
        parent = os.getpid()
        here, there = os.pipe(), os.pipe()
        try:
            with _no_fork_warning():
                self._pid = os.fork()
        except OSError:
            for end in (*here, *there):
                os.close(end)
            raise
        if self._pid == 0:
            for end in (here[0], there[1]):  # the parent's: who holds them himself never sees a pipe end
                os.close(end)
            limits = partial(_limit, seconds, megabytes)
            _serve(there[0], here[1], context, parent=parent, prepare=prepare, limit=limits)
        os.close(there[0])
        os.close(here[1])
        self._answers, self._calls = here[0], there[1]
        reap()

    def call(self, function: Callable[..., T], *arguments: Any, lend: Lend | None = None) -> T:  # noqa: ANN401
        """`function(context, *arguments)` in the child. Raises what it raises, and TooDear over a limit.

        `lend` gives what the child asks for by `borrow` meanwhile.
        """
        if self._pid == 0:
            raise TooDear(f"nothing more is done for this commit: it was ended over {self._seconds:.0f} s before")
        started = time.monotonic()
        try:
            if not self._is_ready:
                self._hear(started + self._seconds)
                self._is_ready, started = True, time.monotonic()
            _send(self._calls, pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL))
            said, value = self._hear(started + self._left)
            while said is _Said.ASKED:
                assert lend is not None, "a child borrows of the parent that lends"
                _send(self._calls, pickle.dumps(lend(value), pickle.HIGHEST_PROTOCOL))
                said, value = self._hear(started + self._left)
        except (TimeoutError, EOFError, BrokenPipeError):
            timed_out = time.monotonic() - started >= self._left - 0.1
            self.close()
            limit = f"{self._seconds:.0f} s" if timed_out else f"{self._megabytes} MB or {self._seconds:.0f} s of CPU"
            raise TooDear(f"took more than {limit}") from None
        self._left -= time.monotonic() - started
        if said is _Said.FAILED:
            raise value
        result: T = value
        return result

    def _hear(self, deadline: float) -> tuple[_Said, Any]:
        """What the child says next. Raises EOFError when it ended, TimeoutError, and what `between` raises."""
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        while self._between is not None and time.monotonic() < deadline and not poll.poll(_LOOK_UP * 1000):
            self._between()
        said: tuple[_Said, Any] = pickle.loads(_receive(self._answers, deadline=deadline))  # noqa: S301
        return said

    def close(self) -> None:
        """End the child, whatever it is doing. The kernel takes some milliseconds for its memory: see `reap`."""
        if self._pid == 0:
            return
        os.close(self._calls)
        os.close(self._answers)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        _ended.add(self._pid)
        self._pid = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


_ended: set[int] = set()
"""Children that were told to end, and have not been waited for."""


def reap(*, wait: bool = False) -> None:
    """Take leave of the children that have ended; with `wait`, of all that were told to end."""
    for pid in tuple(_ended):
        with contextlib.suppress(ChildProcessError):  # forked since: it is the parent's
            if not os.waitpid(pid, 0 if wait else os.WNOHANG)[0]:
                continue
        _ended.discard(pid)


@contextlib.contextmanager
def _no_fork_warning() -> Iterator[None]:
    """Newer Pythons warn of a fork beside threads: the child uses none of the locks that those threads hold."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _serve(
    calls: int,
    answers: int,
    context: object,
    *,
    parent: int,
    prepare: Callable[[], None] | None,
    limit: Callable[[], None],
) -> None:
    """The child: answer until the pipe closes. Never returns into the agent's own code."""
    global _ends
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before that
            os._exit(1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)  # Ctrl-C is for the parent; to die of it would look like a limit
        gc.disable()  # the child lives for moments, and a collection would copy every page it shares
        if prepare is not None:
            os.nice(_POLITE)
            with contextlib.suppress(Exception):  # what could not be prepared fails when it is needed, and is told then
                prepare()
            _send(answers, pickle.dumps((_Said.DONE, None)))
        limit()
        _ends = calls, answers
        while True:
            function, arguments = pickle.loads(_receive(calls))  # noqa: S301
            _send(answers, _answer(function, context, arguments))
    except BaseException:  # noqa: S110
        pass  # the parent is gone, or the limit was met while saying so: it sees the pipe end
    finally:
        os._exit(0)


def _limit(seconds: float, megabytes: int) -> None:
    """From now on this process may use so much more."""
    data = _data_size() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (data, data))
    cpu = int(time.process_time() + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))


_ends: tuple[int, int] | None = None
"""In a child: where calls come from, and where answers go."""


def borrow(what: object) -> Any:  # noqa: ANN401
    """In a child: what its parent gives for this, by `lend` of the call that is being answered."""
    assert _ends is not None, "only a child borrows"
    calls, answers = _ends
    _send(answers, pickle.dumps((_Said.ASKED, what), pickle.HIGHEST_PROTOCOL))
    return pickle.loads(_receive(calls))  # noqa: S301


def _answer(function: Callable[..., object], context: object, arguments: tuple[object, ...]) -> bytes:
    try:
        return pickle.dumps((_Said.DONE, function(context, *arguments)), pickle.HIGHEST_PROTOCOL)
    except (MemoryError, RecursionError):
        os._exit(1)
    except Exception as error:  # carried over to the caller
        if "out of memory" in str(error).lower():  # libgit2 says it in words
            os._exit(1)
        return pickle.dumps((_Said.FAILED, error), pickle.HIGHEST_PROTOCOL)


def _data_size() -> int:
    """Bytes of private writable memory that this process has now (VmData of proc(5))."""
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"VmData:"):
                return int(line.split()[1]) * 1024
    return 0


def _send(fd: int, message: bytes) -> None:
    view = memoryview(_HEADER.pack(len(message)) + message)
    while view:
        view = view[os.write(fd, view) :]


def _receive(fd: int, *, deadline: float | None = None) -> bytes:
    (length,) = _HEADER.unpack(_exactly(fd, _HEADER.size, deadline))
    return _exactly(fd, length, deadline)


def _exactly(fd: int, length: int, deadline: float | None) -> bytes:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    chunks = bytearray()
    while len(chunks) < length:
        if deadline is not None and not poll.poll(max(0.0, (deadline - time.monotonic()) * 1000)):
            raise TimeoutError
        chunk = os.read(fd, min(length - len(chunks), 1 << 20))
        if not chunk:
            raise EOFError
        chunks += chunk
    return bytes(chunks)
