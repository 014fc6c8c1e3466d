"""One SQLite file: how it is made, opened, found damaged, looked at by others, and written in transactions.

WAL with synchronous=FULL: a commit is on the disk when it returns, and readers never wait for the writer
(sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from agent.durable import sync_dir
from agent.state import schema
from agent.state.errors import StateTooNew, StateUnusable, in_words, primary_code

BUSY_SECONDS = 5.0
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
MOVING = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)
"""What a reader may meet for an instant while a writer makes or removes the log."""


class Database:
    """A connection that any thread may use; a transaction keeps the others out until it ends."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._turn = threading.RLock()

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Every row of a query, as tuples."""
        with self._turn, in_words(self._path):
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        return next(iter(self.rows(sql, *values)), None)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it, durably, or nothing. One that changes no row writes no byte."""
        with self._turn, in_words(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    with suppress(sqlite3.OperationalError):  # SQLite has already undone it after some errors
                        self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._connection.close()


def make_database(path: Path) -> None:
    """Make an empty database. It gets its name when it is whole: a file without tables is a damaged one."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(temporary, isolation_level=None)) as new:
        new.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        new.execute(f"PRAGMA user_version = {schema.VERSION}")
        new.executescript(schema.TABLES)
    os.rename(temporary, path)
    sync_dir(path.parent)


def open_database(path: Path) -> Database | None:
    """Open for writing; None when what lies there is damaged or not of ours. Raises StateTooNew."""
    connection = _connect(f"{path.as_uri()}?mode=rw")
    try:
        if not (_is_ours(connection, path) and _is_whole(connection)):
            connection.close()
            return None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("SELECT 1 FROM fact")  # makes the log, by which a looker sees an agent at work
    except sqlite3.DatabaseError as error:
        connection.close()
        if primary_code(error) in DAMAGED:
            return None
        raise
    except StateTooNew:
        connection.close()
        raise
    return Database(connection, path)


def set_aside(path: Path) -> Path | None:
    """Give a database another name, and its log: a stray one would be replayed into the next database."""
    parts = [part for part in _parts(path) if part.exists()]
    if not parts:
        return None
    number = 1
    while any(part.exists() for part in _parts(_aside(path, number))):
        number += 1
    for part, aside in zip(_parts(path), _parts(_aside(path, number)), strict=True):
        if part in parts:
            os.rename(part, aside)
    sync_dir(path.parent)
    return _aside(path, number)


def peek_database(path: Path) -> Database | None:
    """Open for reading beside a writer, creating nothing. None where there is none. Raises StateUnusable."""
    with in_words(path):
        deadline = time.monotonic() + BUSY_SECONDS
        while path.exists():
            try:
                connection = _peek_live(path) if _parts(path)[1].exists() else _peek_at_rest(path)
                if connection is not None:
                    return _checked(connection, path)
            except sqlite3.OperationalError as error:
                if primary_code(error) not in MOVING or time.monotonic() > deadline:
                    raise
            time.sleep(0.002)  # a writer that begins or ends moves the log under our feet
        return None


def _checked(connection: sqlite3.Connection, path: Path) -> Database:
    try:
        if not _is_ours(connection, path):
            raise StateUnusable(f"{path}: this is no database of prosodist; start the agent, which sets it aside")
    except BaseException:
        connection.close()
        raise
    return Database(connection, path)


def _peek_live(path: Path) -> sqlite3.Connection:
    """A copy in memory of the file and its log: what moves later moves no more under a reader.

    The log's index is read as it is, or built in memory after a kill.
    """
    index = "&readonly_shm=1" if _parts(path)[2].exists() else ""
    copy = _connect(":memory:")
    with closing(_connect(f"{path.as_uri()}?mode=ro{index}")) as live:
        live.backup(copy)
    return copy


def _peek_at_rest(path: Path) -> sqlite3.Connection | None:
    """A copy in memory: even a reader would leave a log behind. None when the file changed while we read."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    after = path.stat()
    if _parts(path)[1].exists() or (before.st_mtime_ns, before.st_ino) != (after.st_mtime_ns, after.st_ino):
        return None
    data[18:20] = b"\x01\x01"  # "no WAL" (sqlite.org/fileformat.html, 1.3.3): memory has no place for a log
    connection = _connect(":memory:")
    connection.deserialize(bytes(data))
    return connection


def _connect(name: str) -> sqlite3.Connection:
    return sqlite3.connect(name, uri=True, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False)


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == schema.APPLICATION_ID and version > schema.VERSION:
        raise StateTooNew(
            f"{path}: a newer prosodist wrote this (version {version}, this one knows {schema.VERSION}); "
            "install the newer program again, or set another `state_dir`"
        )
    return bool(application == schema.APPLICATION_ID and version == schema.VERSION)


def _is_whole(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))


def _parts(path: Path) -> tuple[Path, Path, Path]:
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.damaged-{number}")
