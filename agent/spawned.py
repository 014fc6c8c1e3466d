"""The children that plans spawned, each remembered under an id, so that a later agent finds it again."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from signal import Signals
from typing import Any

from agent import living, processes
from agent.fence import Fence, Place, failure, reach
from agent.users import user_name, user_number
from reconcilers.contract import Process
from schemas.actions import Signal, Spawn, Stop
from schemas.errors import ActionFailed, Temporary
from schemas.record import Record

_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Spawned:
    """Children and their records: pid, start time and the boot in which both mean something."""

    def __init__(
        self,
        *,
        fence: Fence,
        remember: Callable[[str, Mapping[str, Any]], None],
        recall: Callable[[str], Record | None],
        forget: Callable[[str], None],
    ) -> None:
        self._fence = fence
        self._remember = remember
        self._recall = recall
        self._forget = forget
        self._children = processes.Children()

    def reap(self) -> None:
        """Take leave of those that have ended."""
        self._children.reap()

    def spawn(self, action: Spawn) -> None:
        """Two Prosodies would take each other's socket, so one that lives already is adopted: an agent that
        was killed between start and record has left it.
        """
        user = action.user or user_name(os.geteuid())
        found = next((process for process in living.find(action.argv) if process.user == user), None)
        if found is None:
            log = None if action.log is None else self._open_log(action.log, action.user)
            try:
                pid, when = self._children.start(action.argv, user=action.user, log=log, umask=action.umask)
            except Temporary as error:
                raise ActionFailed(str(error)) from error
            finally:
                if log is not None:
                    os.close(log)
            found = Process(pid=pid, started=when, argv=action.argv, user=user, boot=living.boot())
        self._remember(action.id, found.identity)

    def foresee(self, action: Spawn) -> None:
        """Look whether its log could be opened. Raises Temporary: what it would follow is not to be begun."""
        if action.log is None:
            return
        try:
            with reach(action.log, self._fence.real(action.log)) as place:
                os.close(_open_plain(place))
        except FileNotFoundError:
            return  # it will be made
        except OSError as error:
            raise Temporary(str(failure(action.log, error))) from None
        except ActionFailed as error:
            raise Temporary(str(error)) from None

    def _open_log(self, path: PurePosixPath, user: str | None) -> int:
        """The log to append to, made 0640 for its user. Raises ActionFailed when something else than a file
        is there.
        """
        uid = user_number(user)
        self._fence.check(path)
        try:
            with reach(path, self._fence.real(path)) as place:
                try:
                    log = os.open(place.name, _APPENDING | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=place.directory)
                except FileExistsError:
                    log = _open_plain(place)
                else:
                    os.fchown(log, uid, -1)
                    os.fchmod(log, 0o640)
        except OSError as error:
            raise failure(path, error) from error
        os.set_blocking(log, True)
        return log

    def stop(self, action: Stop) -> None:
        """End it and forget it; somebody else with its number is let be."""
        if process := self._remembered(action.id):
            living.stop(*process, timeout=action.timeout)
        self.reap()
        self._forget(action.id)

    def signal(self, action: Signal) -> None:
        """Send it a signal. Raises ActionFailed when it does not live."""
        process = self._remembered(action.id)
        if process is None or not living.send(*process, Signals[f"SIG{action.name}"]):
            raise ActionFailed(f"{action.id}: it does not live, so no {action.name} was sent; start it first")

    def _remembered(self, id_: str) -> tuple[int, int] | None:
        """pid and start time of the living process that is remembered; None for nothing, or another by its number."""
        record = self._recall(id_)
        process = None if record is None else living.living(int(record.value["pid"]))
        if record is None or process is None or not process.is_recorded_in(record):
            return None
        return process.pid, process.started


def _open_plain(place: Place) -> int:
    """A log that is there. Raises ActionFailed when it is something else than a file, OSError as the kernel says."""
    log = os.open(place.name, _APPENDING, dir_fd=place.directory)
    found = os.fstat(log)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:  # a second name may be that of a file of root's
        os.close(log)
        raise ActionFailed(f"{place.path}: a log is wanted and this is no file with this one name; move it away")
    return log
