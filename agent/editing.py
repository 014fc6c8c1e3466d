"""A text in a person's editor that is never a file on a disk: an editor opens it by way of /proc.

An editor that writes a file beside it and renames that cannot be used: beside it there is no place. Those that keep
copies of their own (swap, backup, undo) are asked not to.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import sys
from pathlib import Path

from agent import durable
from agent.processes import attend
from schemas.errors import AgentError

_NAME = "prosodist/secret"
"""With a slash: an editor that takes the link's text for a path finds no directory to write a file into."""

_VIM = ("-n", "-i", "NONE", "-c", "silent! set nobackup nowritebackup noundofile noswapfile viminfo= viminfofile=NONE")
_KEEP_NOTHING = {
    "vi": _VIM,
    "vim": _VIM,
    "nvim": _VIM,
    "nano": ("--ignorercfiles",),
    "emacs": ("--eval", "(setq make-backup-files nil auto-save-default nil create-lockfiles nil)"),
    "ed": (),
    "ex": _VIM,
}
"""Editor → what keeps it from leaving copies of what it edits."""


class NotEdited(AgentError):
    """The editor could not be used. What was to be edited is as it was."""

    reason = "NotEdited"


def edited(name: str, text: bytes) -> bytes:
    """`text` as the person left it in their editor; `name` is what they know it by. Raises NotEdited, Temporary."""
    argv = _editor(name)
    memory = os.memfd_create(_NAME)
    try:
        with open(memory, "wb", closefd=False) as file:
            file.write(text)
        code = attend((*argv, f"/proc/{os.getpid()}/fd/{memory}"))
        if code != 0:
            raise NotEdited(
                f"{name}: {argv[0]} ended with status {code}, so nothing is changed; an editor must write the file "
                "in its place (vim, nano and emacs do), since the secret lies in memory and nothing can lie beside it"
            )
        return os.pread(memory, os.fstat(memory).st_size, 0)
    finally:
        os.close(memory)


def put_back(file: Path, data: bytes) -> None:
    """Write a file whole and at once; one that is there keeps its mode. Raises NotEdited."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o644
        durable.replace(file, data, mode=mode)
    except OSError as error:
        raise NotEdited(f"{file}: it cannot be written ({error.strerror}), so it is as it was") from error


def _editor(name: str) -> tuple[str, ...]:
    """The person's editor by its absolute path, and what keeps it quiet."""
    for said in (os.environ.get("VISUAL"), os.environ.get("EDITOR"), "editor", "vi", "nano"):
        if not said or not said.strip():
            continue
        try:
            word, *options = shlex.split(said)
        except ValueError:
            raise NotEdited(f"{name}: the editor {said!r} has an open quote; set EDITOR to a program") from None
        if program := shutil.which(word):
            return (program, *_quiet(program), *options)
        if said == os.environ.get("VISUAL") or said == os.environ.get("EDITOR"):
            raise NotEdited(f"{name}: there is no editor {word!r}; set EDITOR to one that is installed")
    raise NotEdited(f"{name}: no editor is installed; install one, and set EDITOR to it")


def _quiet(program: str) -> tuple[str, ...]:
    known = os.path.basename(os.path.realpath(program)).partition(".")[0]
    if known not in _KEEP_NOTHING:
        print(f"prosodist: {program}: see to it that it keeps no copies elsewhere", file=sys.stderr)  # noqa: T201
    return _KEEP_NOTHING.get(known, ())
