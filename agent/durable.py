"""Bytes that are on the disk when the call returns, and whole under their name or not there at all.

For the agent's own files (keys, the anchor, kept copies). All else is the business of `agent.host`.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def make_private_dir(path: Path) -> None:
    """Make a directory with mode 0700, and what is missing above it. One that is there keeps its mode."""
    if not path.is_dir():
        os.makedirs(path, mode=0o700, exist_ok=True)
        sync_dir(path.parent)


def create(path: Path, data: bytes, *, mode: int) -> None:
    """Write a new file. Raises FileExistsError when the name is taken, else what the disk says."""
    temporary = _write_temporary(path, data, mode)
    try:
        os.link(temporary, path)  # link(2) never replaces, and the name appears with all of its bytes
    finally:
        os.unlink(temporary)
    sync_dir(path.parent)


def replace(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file, new or in the place of another. Raises OSError, and the other is still there."""
    temporary = _write_temporary(path, data, mode)
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    sync_dir(path.parent)


def sync_dir(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_temporary(path: Path, data: bytes, mode: int) -> Path:
    """A synced sibling. It is never readable by more users than the finished file, not for an instant."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except OSError:
        os.unlink(temporary)
        raise
    return temporary
