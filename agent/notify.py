"""The service manager is told how the agent is, where it asks to be: sd_notify(3).

Its watchdog is told that the loop turns: between two steps of a pass, and while nothing is to be done. What others
may make long is bounded, and says so beforehand (`patience`); a loop that is stuck says nothing, and is ended.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

NEVER = float("inf")


def notify(*lines: str) -> bool:
    """Send `READY=1`, `STATUS=…`, `STOPPING=1` and their like. False when nobody asked or nobody heard."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as connection:
            connection.sendto("\n".join(lines).encode(), place.replace("@", "\0", 1) if place[0] == "@" else place)
    except OSError:
        return False
    return True


def is_supervised() -> bool:
    """Whether a service manager hears us, and so starts what ends."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def say_reloading() -> None:
    """Followed by `READY=1`. With the instant that Type=notify-reload wants (systemd 253 and newer)."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


class Watchdog:
    """Proof of life at half the time after which systemd takes us for stuck. Does nothing where none was asked for."""

    def __init__(self) -> None:
        meant = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        said = os.environ.get("WATCHDOG_USEC", "") if meant else ""
        self._interval = int(said) / 1e6 if said.isdecimal() and int(said) else NEVER
        self._beaten = time.monotonic()

    def beat(self) -> None:
        """Say that the loop turns. Costs nothing while that was said lately."""
        if time.monotonic() - self._beaten >= self._interval / 4:
            self._beaten = time.monotonic()
            notify("WATCHDOG=1")

    def next_beat(self) -> float:
        """When one is due (epoch seconds)."""
        return time.time() + max(0.0, self._beaten + self._interval / 2 - time.monotonic())

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """For a single step that ends by itself within so long, and cannot beat meanwhile."""
        if seconds < self._interval / 2:  # also where nobody watches
            yield
            return
        notify(f"WATCHDOG_USEC={int((seconds + self._interval) * 1e6)}", "WATCHDOG=1")
        try:
            yield
        finally:
            self._beaten = time.monotonic()
            notify(f"WATCHDOG_USEC={int(self._interval * 1e6)}", "WATCHDOG=1")


WATCHDOG = Watchdog()
"""This process's own."""
