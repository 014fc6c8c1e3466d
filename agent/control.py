"""The answering end of the control socket.

Each connection has a thread that does the slow part: it reads the request, puts it where the working thread
takes its reasons to wake, and hands on what comes back. So the working thread never waits for a client: one
that dies, says nothing or does not read costs one of a few threads for some seconds, and the agent nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import stat
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct, field

from agent import ask
from agent.ending import Interrupted
from agent.log import LOG, redact
from schemas.errors import AgentError, SettingsError, SourceRefused

_CONNECTIONS = 16
_LONGEST_REQUEST = 64 * 1024
_LONGEST_ANSWER = 64 * 1024 * 1024
_READ_SECONDS = 5.0
_WRITE_SECONDS = 30.0
_MOST_PROGRESS = 1000
"""Lines that may wait for a slow client; more are dropped, the answer never is."""


class Engine(Protocol):
    """What answers the verbs, on the one working thread."""

    def answer(self, verb: str, arguments: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
        """The answer as a JSON object. `progress` takes a sentence for people. Raises AgentError."""


class Request(Struct, frozen=True, kw_only=True, eq=False):
    """One request, on its way to the working thread and back."""

    verb: str
    arguments: Mapping[str, Any]
    _replies: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue)

    def serve(self, engine: Engine) -> None:
        """Let the engine answer. What goes wrong becomes the answer; only the program's end passes."""
        try:
            self._replies.put({"answer": engine.answer(self.verb, self.arguments, self._progress)})
        except AgentError as error:
            self._fail(error.reason, str(error), exit_code(error))
        except Interrupted:
            self.abandon()
        except Exception as error:
            LOG.exception("request.failed", object=self.verb, reason=type(error).__name__)
            self._fail("Fault", f"{self.verb}: a fault of the agent ({type(error).__name__}); its log has more", 1)
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Tell the client that there will be no answer, because the agent ends."""
        self._fail("Stopping", "the agent: it is stopping; ask again when it runs", 1)

    def reply(self) -> dict[str, Any]:
        """Wait for the next reply; for the thread that holds the connection."""
        return self._replies.get()

    def _progress(self, text: str) -> None:
        if self._replies.qsize() < _MOST_PROGRESS:
            self._replies.put({"progress": text})

    def _fail(self, reason: str, message: str, code: int) -> None:
        self._replies.put(_error(reason, message, code))


class Server:
    """Listens, from its making until `close`. `deliver` must not block: it puts the request on a queue."""

    def __init__(self, path: str | os.PathLike[str], deliver: Callable[[Request], None]) -> None:
        """Raises SettingsError when another agent listens at `path`, or the socket cannot be made there."""
        self._path = os.fspath(path)
        self._deliver = deliver
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        self._lock = threading.Lock()
        self._pending: set[Request] = set()
        self._closed = False
        self._socket, self._inode = _listen(self._path)
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, remove the socket, and tell those who still wait."""
        with self._lock:
            self._closed = True
            pending = tuple(self._pending)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._thread.join()
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(self._path).st_ino == self._inode:
                os.unlink(self._path)
        for request in pending:
            request.abandon()
        for _ in range(_CONNECTIONS):  # their last words go out before the process ends, if anybody reads them
            self._free.acquire(timeout=1.0)

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                if self._closed:
                    return
                threading.Event().wait(0.1)  # out of descriptors: somebody else may give one back
                continue
            if not self._free.acquire(blocking=False):
                _turn_away(connection, "Busy", f"the agent: {_CONNECTIONS} others are asking; try again")
                continue
            try:
                threading.Thread(target=self._converse, args=(connection,), name="client", daemon=True).start()
            except RuntimeError:  # the host has no more threads to give
                self._free.release()
                _turn_away(connection, "Busy", "the agent: this host has no thread left; try again")

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection:
                _, uid = ask.credentials(connection)
                if uid not in (0, os.geteuid()):
                    LOG.warning("request.refused", reason=f"user {uid} is neither root nor the agent's own")
                    _turn_away(connection, "Forbidden", "only root and the agent's own user may ask the agent")
                    return
                request = _read_request(connection)
                if isinstance(request, Request):
                    self._relay(request, connection)
                else:
                    _turn_away(connection, "BadRequest", request)
        except OSError:
            return  # the client is gone or does not read
        finally:
            self._free.release()

    def _relay(self, request: Request, connection: socket.socket) -> None:
        with self._lock:
            if self._closed:
                request.abandon()
            self._pending.add(request)
        try:
            if not self._closed:
                self._deliver(request)
            while True:
                reply = request.reply()
                _send(connection, reply)
                if "progress" not in reply:
                    return
        finally:
            with self._lock:
                self._pending.discard(request)


def exit_code(error: AgentError) -> int:
    """sysexits.h for what a script may want to tell apart; else 1."""
    if isinstance(error, SettingsError):
        return 78
    return 77 if isinstance(error, SourceRefused) else 1


def _error(reason: str, message: str, code: int) -> dict[str, Any]:
    return {"error": {"reason": reason, "message": redact(message), "code": code}}


def _read_request(connection: socket.socket) -> Request | str:
    """The request, or what is wrong with it."""
    connection.settimeout(_READ_SECONDS)
    line = bytearray()
    while not line.endswith(b"\n"):
        part = connection.recv(4096)
        line += part
        if not part or len(line) > _LONGEST_REQUEST:
            return f"a request: one line of JSON, of at most {_LONGEST_REQUEST} bytes"
    connection.settimeout(_WRITE_SECONDS)
    try:
        arguments = json.loads(line)
        verb = arguments.pop("verb")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return 'a request: a JSON object with a "verb", as {"verb": "plan"}'
    return Request(verb=verb, arguments=arguments) if isinstance(verb, str) else "a request: its verb is a text"


def _turn_away(connection: socket.socket, reason: str, message: str) -> None:
    """Say why and close, without waiting. What was sent is read first: unread, it would cost the client our words."""
    with connection, contextlib.suppress(OSError):
        connection.settimeout(0)
        _send(connection, _error(reason, message, 1))
        connection.shutdown(socket.SHUT_RD)
        connection.recv(2 * _LONGEST_REQUEST)


def _send(connection: socket.socket, reply: Mapping[str, Any]) -> None:
    data = json.dumps(reply).encode() + b"\n"
    if len(data) > _LONGEST_ANSWER:
        data = json.dumps(_error("TooLarge", "the answer: too large to be told; look at the log", 1)).encode() + b"\n"
    connection.sendall(data)


def _listen(path: str) -> tuple[socket.socket, int]:
    """A listening socket that only its owner may open, and its inode."""
    _make_directory(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # Linux makes the socket with these rights: no moment in which it is open
        _remove_stale(path)
        ask.at_address(path, listener.bind)
        listener.listen(_CONNECTIONS)
        return listener, os.lstat(path).st_ino
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"control_socket: {path}: cannot be made ({error.strerror}); choose another path"
        ) from error
    except BaseException:
        listener.close()
        raise


def _make_directory(path: str) -> None:
    """A directory of our own is 0700; one that is there already must be safe from others."""
    directory = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(os.path.dirname(directory), mode=0o755, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)
        found = os.stat(directory)
    except OSError as error:
        raise SettingsError(
            f"control_socket: {directory}: cannot be made ({error.strerror}); choose another path"
        ) from error
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SettingsError(
            f"control_socket: {directory}: others may write there; choose one that only the agent may write"
        )


def _remove_stale(path: str) -> None:
    """Take away what a killed agent left; refuse to take a living one's place."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise SettingsError(f"control_socket: {path}: something that is no socket lies there; move it away")
    if (pid := ask.running(path)) is not None:
        raise SettingsError(f"control_socket: {path}: the agent with process id {pid} listens there; stop it first")
    os.unlink(path)
