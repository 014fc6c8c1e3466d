"""A repository on the same disk: where its refs are written.

Only names and lstat; nothing is read but the two small files by which a linked work tree names its repository.
"""

from __future__ import annotations

import os
from pathlib import Path


def find_git_directory(path: Path) -> Path | None:
    """Where the refs are: the repository itself when it is bare, its `.git`, or what a linked work tree names."""
    for candidate in (path / ".git", path):
        if candidate.is_file():
            candidate = _named_in(candidate, prefix="gitdir:")
        if (candidate / "commondir").is_file():
            candidate = _named_in(candidate / "commondir")
        if (candidate / "HEAD").exists() and (candidate / "objects").is_dir():
            return candidate
    return None


def _named_in(file: Path, *, prefix: str = "") -> Path:
    """The directory that a one-line file names, relative to where the file lies."""
    try:
        with file.open(encoding="utf-8", errors="surrogateescape") as opened:
            line = opened.readline(4096).removeprefix(prefix).strip()
    except OSError:
        line = ""
    return Path(os.path.normpath(file.parent / line))
