"""What can go wrong with the state.

AgentError
├── AlreadyRunning    another agent holds the state directory
├── StateTooNew       a newer program wrote it
└── StateUnusable     it cannot be read or written; what was asked for was not done, not even in part
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import AgentError


class AlreadyRunning(AgentError):
    """A second agent on the same state directory. `pid` is the first one's, None while it has not said."""

    reason = "AlreadyRunning"

    def __init__(self, state_dir: Path, pid: int | None) -> None:
        who = "another agent" if pid is None else f"another agent (pid {pid})"
        super().__init__(f"{state_dir}: {who} is at work here; stop it first, or set another `state_dir`")
        self.pid = pid


class StateTooNew(AgentError):
    """The database was written by a newer program."""

    reason = "StateTooNew"


class StateUnusable(AgentError):
    """The database or its directory cannot be used now. The transaction in hand was undone."""

    reason = "StateUnusable"


REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "it cannot be written; check its owner and how its file system is mounted",
    sqlite3.SQLITE_IOERR: "the disk refused; check its free space and its health",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check its owner and that of its directory",
    sqlite3.SQLITE_PERM: "it cannot be opened; check its owner and that of its directory",
    sqlite3.SQLITE_BUSY: "another program has locked it; end that program",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restart the agent, which sets it aside and begins anew",
    sqlite3.SQLITE_NOTADB: "it is damaged; restart the agent, which sets it aside and begins anew",
}


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Let what the disk did to us leave as StateUnusable. A mistake of ours in SQL leaves as it is."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if (remedy := REMEDIES.get(primary_code(error))) is None:
            raise
        raise StateUnusable(f"{path}: {remedy} ({error})") from error
    except OSError as error:
        raise StateUnusable(f"{path}: {error.strerror}; make it usable for the user that the agent runs as") from error


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension (sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
