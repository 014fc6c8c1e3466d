"""Whether the program that runs is still the one that is installed.

A package cannot restart us while we are in the middle of something, and may not at all while it is our own apt that
upgrades it. So it leaves a mark, once all its files lie there; we see that, and end when the pass in hand is over.
"""

from __future__ import annotations

import os
import sys

from agent import notify

MARK = os.path.join(sys.prefix, "configured")
"""Written by deploy/deb/postinst. There is none where the program was not installed from that package."""
REPLACED = 3
"""The exit status of an agent that makes room for a newer one; deploy/systemd/prosodist.service knows it."""


def _look() -> tuple[int, int] | None:
    try:
        found = os.lstat(MARK)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


_BEGUN_AS = _look()


def is_replaced() -> bool:
    """Whether another was installed since, and somebody is there who starts it. One that was removed is no other."""
    return notify.is_supervised() and (found := _look()) is not None and found != _BEGUN_AS
