"""The service manager is told how the agent is, where it asks to be: sd_notify(3)."""

from __future__ import annotations

import os
import socket


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
