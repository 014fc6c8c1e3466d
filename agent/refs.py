"""A branch's tip, read from git's own files (gitrepository-layout(5)) without a library.

What it gives is only compared: where anything is less plain than usual there is no answer, and libgit2 has to tell.
Light to import: see agent/ask.py.
"""

from __future__ import annotations

import os

_HEX = frozenset("0123456789abcdef")


def read_tip(git_directory: str, branch: str) -> str | None:
    """The full id at refs/heads/`branch`; None where there is none, or it takes libgit2 to tell (reftables)."""
    name = f"refs/heads/{branch}"
    try:
        with open(os.path.join(git_directory, name), encoding="ascii") as file:
            return _id(file.read(128).rstrip("\n"))
    except FileNotFoundError:
        return _read_packed(git_directory, name)
    except (OSError, UnicodeDecodeError):
        return None


def _read_packed(git_directory: str, name: str) -> str | None:
    try:
        with open(os.path.join(git_directory, "packed-refs"), encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                found, _, ref = line.rstrip("\n").partition(" ")
                if ref == name:
                    return _id(found)
    except OSError:
        pass
    return None


def _id(text: str) -> str | None:
    return text if len(text) in (40, 64) and _HEX.issuperset(text) else None
