"""The asking end of the control socket. Light to import: `prosodist plan` takes 50 ms when an agent answers.

A request is one line of JSON, `{"verb": "reconcile", "full": false}`; the replies are lines too: any number
of `{"progress": "…"}`, then `{"answer": {…}}` or `{"error": {"reason": …, "message": …, "code": …}}`.
"""

from __future__ import annotations

import json
import os
import socket

TYPE_CHECKING = False  # typing's own would take a tenth of the time that a question may
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

LONGEST_ADDRESS = 107
"""Of a socket: sun_path holds 108 bytes, the last of them NUL: unix(7)."""

_CONNECT_SECONDS = 5.0
_INT = 4


class NoAgent(Exception):
    """Nobody listens at the control socket."""


class Refused(Exception):
    """The agent answered with a mistake. `reason` is CamelCase and stable, `code` the exit code."""

    def __init__(self, reason: str, message: str, code: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.code = code


_ENDED = Refused("Ended", "the agent: it ended before it answered; its log tells why", 1)


class NoPatience(Exception):
    """The agent lives, but did not answer within the time that was given."""


def ask(
    socket_path: str | os.PathLike[str],
    verb: str,
    arguments: Mapping[str, Any],
    on_progress: Callable[[str], None],
    *,
    patience: float | None = None,
) -> dict[str, Any]:
    """Ask the running agent and wait; `patience` bounds its silence, in seconds (None: for ever).

    Raises NoAgent when nobody listens, Refused with the agent's mistake, NoPatience.
    """
    with connect(socket_path) as connection:
        connection.settimeout(patience)
        try:
            _send(connection, {"verb": verb, **arguments})
            return _final(_lines(connection), on_progress)
        except TimeoutError as error:
            raise NoPatience(f"the agent: has not answered within {patience} s") from error
        except OSError as error:
            raise _ENDED from error


def running(socket_path: str | os.PathLike[str]) -> int | None:
    """The process id of the agent that listens there; None when none does. Asks the kernel, not the agent."""
    try:
        with connect(socket_path) as connection:
            return credentials(connection)[0]
    except NoAgent:
        return None


def credentials(connection: socket.socket) -> tuple[int, int]:
    """Process and user id of the other end, from the kernel: unix(7), SO_PEERCRED."""
    ucred = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 3 * _INT)
    pid, uid, _ = memoryview(ucred).cast("i")
    return pid, uid


def at_address(path: str | os.PathLike[str], act: Callable[[str], object]) -> None:
    """Bind or connect at `path`, however long it is: a long one is reached through its open directory."""
    path = os.fspath(path)
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        act(path)
        return
    directory, name = os.path.split(path)
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        act(f"/proc/self/fd/{descriptor}/{name}")
    finally:
        os.close(descriptor)


def connect(path: str | os.PathLike[str]) -> socket.socket:
    """A connection to the agent. Raises NoAgent, and Refused where one is there that cannot be reached."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_CONNECT_SECONDS)
        at_address(path, connection.connect)
        return connection
    except PermissionError as error:
        connection.close()
        raise Refused("Forbidden", f"{path}: only root and the agent's own user may ask the agent", 1) from error
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        connection.close()
        raise NoAgent(f"{path}: no agent listens there") from error
    except OSError as error:
        connection.close()
        raise Refused("Unreachable", f"{path}: the agent cannot be asked ({error}); try again", 1) from error


def _send(connection: socket.socket, request: Mapping[str, Any]) -> None:
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
    except BrokenPipeError:
        return  # whoever turns us away has said why


def _lines(connection: socket.socket) -> Iterator[dict[str, Any]]:
    with connection.makefile("rb") as stream:
        for line in stream:
            yield json.loads(line)


def _final(replies: Iterator[dict[str, Any]], on_progress: Callable[[str], None]) -> dict[str, Any]:
    for reply in replies:
        if "progress" in reply:
            on_progress(reply["progress"])
        elif "error" in reply:
            error = reply["error"]
            raise Refused(error["reason"], error["message"], error["code"])
        else:
            answer: dict[str, Any] = reply["answer"]
            return answer
    raise _ENDED
