"""What is remembered between passes. Nothing else writes to the database; each call is one transaction.

A call that would change nothing writes nothing: every statement compares before it writes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agent import durable, keys, testimony
from agent.state import drift
from agent.state.database import make_database, open_database, peek_database, set_aside
from agent.state.errors import in_words
from agent.state.facts import Entry, Sightings, Suspension
from agent.state.lock import drop_lock, take_lock
from agent.state.view import View
from schemas.record import OpenDrift, Owned

HISTORY_LENGTH = 10_000


class State(View):
    """The state of the one agent that holds its directory."""

    fresh = False
    """There was no database at all."""
    lost = False
    """What was remembered, or the key of its digests, was gone or damaged, and a new one was begun."""
    aside: Path | None = None
    """Where the damaged database lies now."""
    _lock: int | None = None

    @classmethod
    def open(cls, state_dir: Path) -> State:
        """Take the directory (made 0700 when absent) for this process.

        Raises AlreadyRunning, StateTooNew, StateUnusable, SettingsError.
        """
        path = state_dir / "state.sqlite"
        with in_words(path):
            durable.make_private_dir(state_dir)
            lock = take_lock(state_dir)
            try:
                (state_dir / testimony.NAME).unlink(missing_ok=True)  # from now on what it tells may become wrong
                return cls._open_locked(path.absolute(), lock)
            except BaseException:
                drop_lock(lock)
                raise

    @classmethod
    def _open_locked(cls, path: Path, lock: int) -> State:
        had_key = (path.parent / "digest.key").exists()
        keys.ensure_digest_key(path.parent / "digest.key")
        database = open_database(path) if path.exists() else None
        aside = None
        if begun := database is None:
            aside = set_aside(path)
            make_database(path)
            database = open_database(path)
            assert database is not None
        state = cls(database, path.parent)
        state._lock, state.aside = lock, aside
        state.fresh = begun and aside is None
        state.lost = aside is not None or not (begun or had_key)
        return state

    @staticmethod
    def peek(state_dir: Path) -> View | None:
        """Look without the lock, with or without an agent at work. Creates nothing; None: no state."""
        database = peek_database((state_dir / "state.sqlite").absolute())
        return None if database is None else View(database, state_dir)

    def close(self) -> None:
        """Let go of the database, then of the directory."""
        super().close()
        if self._lock is not None:
            drop_lock(self._lock)
            self._lock = None

    def digest_key(self) -> bytes:
        """32 random bytes, drawn once for this state directory."""
        return keys.ensure_digest_key(self._state_dir / "digest.key")

    # --- revisions -----------------------------------------------------------------------------------------

    def mark(
        self,
        *,
        attempted: str | None = None,
        accepted: str | None = None,
        applied: str | None = None,
        good: str | None = None,
        rejected: str | None = None,
        pins: Mapping[str, Any] | None = None,
    ) -> None:
        """Note what became of a revision; what is not given stays. `pins` are those of `good`."""
        revisions = {
            "attempted": attempted,
            "accepted": accepted,
            "applied": applied,
            "good": good,
            "rejected": rejected,
        }
        with self._database.transaction() as db:
            for name, revision in revisions.items():
                if revision is not None:
                    _put(db, name, revision)
            if pins is not None:
                _put(db, "pins", _json(pins))

    def reject(self, digest: str, revision: str, reason: str) -> None:
        """Remember not to try this input again, and the revision that it came from."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO rejected (digest, revision, reason) VALUES (?, ?, ?)"
                " ON CONFLICT (digest) DO UPDATE"
                " SET (revision, reason) = (excluded.revision, excluded.reason)"
                " WHERE (revision, reason) IS NOT (excluded.revision, excluded.reason)",
                (digest, revision, reason),
            )
            _put(db, "rejected", revision)

    def unreject(self, digest: str | None = None) -> None:
        """Let this input be tried again; None: every one."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM rejected WHERE ? IN (digest, '')", (digest or "",))
            newest = db.execute("SELECT revision FROM rejected ORDER BY seq DESC LIMIT 1").fetchone()
            _put(db, "rejected", None if newest is None else newest[0])

    # --- inventory, and the round that changes it ----------------------------------------------------------

    def disown(self, ids: Iterable[str]) -> None:
        """Strike these off the inventory."""
        with self._database.transaction() as db:
            _disown(db, ids)

    def begin_round(self, owned: Iterable[Owned], *, owes: str | None) -> None:
        """Write ahead what is about to be owned, and which activation will be owed (None: no other)."""
        with self._database.transaction() as db:
            _own(db, owned)
            if owes is not None:
                _put(db, "owed", owes)

    def settle_round(self, owned: Iterable[Owned], *, gone: Iterable[str] = (), owes: str | None) -> None:
        """Note how the round ended: what is ours, what is gone, what is still owed (None: nothing)."""
        with self._database.transaction() as db:
            _own(db, owned)
            _disown(db, gone)
            _put(db, "owed", owes)

    def clear_owed(self) -> None:
        """The activation was seen to be done."""
        self._set("owed", None)

    # --- records -------------------------------------------------------------------------------------------

    def remember(self, id_: str, value: Mapping[str, Any], at: float) -> None:
        """Keep a record, stamped with `at`."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO record VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET (value, at) ="
                " (excluded.value, excluded.at) WHERE (value, at) IS NOT (excluded.value, excluded.at)",
                (id_, _json(value), at),
            )

    def forget(self, id_: str) -> None:
        """Drop a record."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM record WHERE id = ?", (id_,))

    # --- drift ---------------------------------------------------------------------------------------------

    def drift_seen(self, found: Iterable[OpenDrift]) -> Sightings:
        """Note what a pass saw; `since` is its instant. Tells what is new or has become something else.

        What comes back after it was corrected has appeared anew, and remembers how often it was corrected.
        """
        with self._database.transaction() as db:
            return drift.see(db, found)

    def drift_corrected(self, ids: Iterable[str], *, at: float, within: float) -> tuple[OpenDrift, ...]:
        """Count a correction of each. The count begins anew when the last is over `within` seconds ago."""
        with self._database.transaction() as db:
            return drift.count_corrections(db, ids, at=at, within=within)

    def drift_forgiven(self, count: int) -> bool:
        """Count anew for what was corrected at least so often. Whether there was any."""
        if all(known.corrected < count for known in self.corrected_drift()):
            return False
        with self._database.transaction() as db:
            db.execute("UPDATE drift SET corrected = 0 WHERE corrected >= ?", (count,))
        return True

    def drift_cleared(self, ids: Iterable[str]) -> tuple[OpenDrift, ...]:
        """These differ no longer. Tells which of them did until now."""
        with self._database.transaction() as db:
            return drift.clear(db, ids)

    # --- history -------------------------------------------------------------------------------------------

    def append(self, *entries: Entry) -> None:
        """Add events to the history, which keeps the newest 10,000."""
        rows = [(entry.at, entry.kind, entry.revision, _json(entry.event)) for entry in entries]
        if not rows:
            return
        with self._database.transaction() as db:
            db.executemany("INSERT INTO history (at, kind, revision, event) VALUES (?, ?, ?, ?)", rows)
            db.execute("DELETE FROM history WHERE seq <= (SELECT max(seq) FROM history) - ?", (HISTORY_LENGTH,))

    # --- a person's word -----------------------------------------------------------------------------------

    def suspend(self, suspension: Suspension) -> None:
        """Hands off, until it is over or taken back."""
        value = {name: getattr(suspension, name) for name in ("reason", "by", "since", "until")}
        self._set("suspension", _json(value))

    def resume(self) -> None:
        """Take a suspension back."""
        self._set("suspension", None)

    def hold(self, digest: str, revision: str, plan: Mapping[str, Any]) -> None:
        """Show this plan to whoever asks what waits for `prosodist confirm`."""
        self._set("held", _json({"digest": digest, "revision": revision, "plan": plan}))

    def clear_held(self) -> None:
        """Nothing waits for a person's word."""
        self._set("held", None)

    def confirm(self, digest: str, revision: str) -> None:
        """A person agrees to the plan of this digest, while this is the commit."""
        self._set("confirmed", _json({"digest": digest, "revision": revision}))

    def clear_confirmed(self) -> None:
        """The word was used, or its commit is past."""
        self._set("confirmed", None)

    def _set(self, name: str, value: str | None) -> None:
        with self._database.transaction() as db:
            _put(db, name, value)


def _put(db: sqlite3.Connection, name: str, value: str | None) -> None:
    if value is None:
        db.execute("DELETE FROM fact WHERE name = ?", (name,))
        return
    db.execute(
        "INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        " WHERE value IS NOT excluded.value",
        (name, value),
    )


def _own(db: sqlite3.Connection, owned: Iterable[Owned]) -> None:
    db.executemany(
        "INSERT INTO owned (id, reconciler, wish, digest, revision, made) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET (reconciler, wish, digest, revision, made)"
        " = (excluded.reconciler, excluded.wish, excluded.digest, excluded.revision, excluded.made)"
        " WHERE (reconciler, wish, digest, revision, made)"
        " IS NOT (excluded.reconciler, excluded.wish, excluded.digest, excluded.revision, excluded.made)",
        [(each.id, each.reconciler, each.wish, each.digest, each.revision, each.made) for each in owned],
    )


def _disown(db: sqlite3.Connection, ids: Iterable[str]) -> None:
    db.executemany("DELETE FROM owned WHERE id = ?", [(id_,) for id_ in ids])


def _json(value: Mapping[str, Any]) -> str:
    """Equal values as equal texts. A Secret is no JSON and raises TypeError: none gets in here."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
