"""A disk of its own for a machine: one that can be full without this machine's being so."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def disk(place: Path, megabytes: int) -> Iterator[None]:
    """Mount an empty ext4 of this size at `place`, which is made; gone in the end."""
    image = place.with_suffix(".disk")
    with image.open("wb") as file:
        file.truncate(megabytes * 1024 * 1024)
    _say("mkfs.ext4", "-q", "-m", "0", str(image))
    place.mkdir()
    _say("mount", "-o", "loop", str(image), str(place))
    try:
        yield
    finally:
        _say("umount", "--lazy", str(place))
        image.unlink()


def fill(root: Path, *, but: int) -> Path:
    """Fill the disk below `root`, but for about that many bytes. To be removed to make room again."""
    filler = root / "filler"
    with filler.open("wb") as file:
        chunk = 1 << 26
        while chunk >= 4096:
            found = os.statvfs(root)
            try:
                if found.f_bavail * found.f_frsize - chunk < but:
                    raise OSError(errno.ENOSPC, "enough")
                os.posix_fallocate(file.fileno(), file.tell(), chunk)
                file.seek(chunk, os.SEEK_CUR)
            except OSError:
                chunk //= 4
    return filler


def _say(*argv: str) -> None:
    subprocess.run(argv, check=True, timeout=60)
