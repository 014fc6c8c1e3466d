"""Prosody's logs under the profile `local`, where no logrotate looks: they fill no disk.

To open a log anew Prosody wants a signal, upon which it reads its configuration again too. So a log is emptied where
it lies: whoever writes there appends, and notices nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import PurePosixPath

from agent import atomic
from agent.atomic import Dress
from agent.fence import Fence, Place, failure, reach
from schemas.errors import AgentError

LARGEST = 16 * 2**20
"""Bytes, beyond which a log begins anew."""
KEPT = 8 * 2**20
"""Bytes of its end that lie beside it from then on, as `<name>.1`."""


class Logs:
    """The logs at these paths."""

    def __init__(self, paths: tuple[PurePosixPath, ...], fence: Fence) -> None:
        self._paths, self._fence = paths, fence
        self._told: dict[PurePosixPath, str] = {}

    def trim(self) -> Iterator[tuple[PurePosixPath, str]]:
        """Trim each that has grown too large. Gives those that could not be, with the reason, once for each reason."""
        for path in self._paths:
            reason = self._trim(path)
            if reason and self._told.get(path) != reason:
                yield path, reason
            self._told[path] = reason

    def _trim(self, path: PurePosixPath) -> str:
        try:
            if os.lstat(path).st_size > LARGEST:
                with reach(path, self._fence.real(path)) as place:
                    _begin_anew(place)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return str(failure(path, error))
        except AgentError as error:
            return str(error)
        return ""


def _begin_anew(place: Place) -> None:
    """Keep the end beside it, then empty it. What is written in between, within a millisecond, is lost."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    log = os.open(place.name, flags, dir_fd=place.directory)
    try:
        found = os.fstat(log)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            return  # no log of ours, and none that grows
        end = os.pread(log, KEPT, max(0, found.st_size - KEPT))
        beside = Place(path=place.path.with_name(f"{place.name}.1"), directory=place.directory, name=f"{place.name}.1")
        former = beside.lstat()
        dress = Dress(mode=stat.S_IMODE(found.st_mode), uid=found.st_uid, gid=found.st_gid)
        atomic.write(beside, end, dress, None if former is None else atomic.signature(former), _let_go)
        os.ftruncate(log, 0)
    finally:
        os.close(log)


def _let_go(*_: object) -> None:
    """An older log is no work of a person's."""
