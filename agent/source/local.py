"""A repository on the same disk: where its branch is written, to be watched. Only names and lstat; nothing is read
but the two small files by which a linked work tree names its repository."""

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


def list_watch_paths(path: Path, branch: str) -> tuple[Path, ...]:
    """The directories whose events say that the branch may have moved; those that exist. Not to be watched deeply."""
    git = find_git_directory(path)
    if git is None:
        return ()
    found, place = [git], git
    for name in ("refs", "heads", *branch.split("/")[:-1]):
        place = place / name
        if not place.is_dir():
            break  # its appearance is an event of the last one that is there
        found.append(place)
    return tuple(found)


def list_ref_paths(path: Path, branch: str) -> tuple[Path, ...]:
    """The files whose lstat proves, while it stays the same, that the branch has not moved; absent ones too."""
    git = find_git_directory(path)
    if git is None:
        return (path,)
    return (git / "refs" / "heads" / branch, git / "packed-refs", git / "HEAD")


def _named_in(file: Path, *, prefix: str = "") -> Path:
    """The directory that a one-line file names, relative to where the file lies."""
    try:
        with file.open(encoding="utf-8", errors="surrogateescape") as opened:
            line = opened.readline(4096).removeprefix(prefix).strip()
    except OSError:
        line = ""
    return Path(os.path.normpath(file.parent / line))
