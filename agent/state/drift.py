"""Drift between passes: what is news, and how often the same thing had to be put right.

A row stays, closed, after its drift was corrected, so that one that returns is known again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from agent.state.facts import Sightings
from schemas.record import OpenDrift

SELECT = "SELECT id, drift, live, why, since, corrected, last_corrected, open FROM drift"


def see(db: sqlite3.Connection, found: Iterable[OpenDrift]) -> Sightings:
    """Note what differs now, and tell what of it is news."""
    appeared, changed = [], []
    for seen in found:
        row = db.execute(SELECT + " WHERE id = ?", (seen.id,)).fetchone()
        known, is_open = (None, False) if row is None else (to_drift(row), bool(row[-1]))
        now = seen if known is None else _continue(known, seen, since=known.since if is_open else seen.since)
        if is_open and now == known:
            continue
        db.execute(
            "INSERT OR REPLACE INTO drift VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
            (now.id, now.drift, now.live, now.why, now.since, now.corrected, now.last_corrected),
        )
        if known is None or not is_open:
            appeared.append(now)
        elif (now.drift, now.live) != (known.drift, known.live):
            changed.append(now)  # other words for the same difference are no news
    return Sightings(appeared=tuple(appeared), changed=tuple(changed))


def count_corrections(db: sqlite3.Connection, ids: Iterable[str], *, at: float, within: float) -> tuple[OpenDrift, ...]:
    """One more for each, or the first if the last is over `within` seconds ago. Drop what closed before."""
    counted = []
    for id_ in ids:
        db.execute(
            "UPDATE drift SET corrected = iif(last_corrected < ?, 1, corrected + 1), last_corrected = ? WHERE id = ?",
            (at - within, at, id_),
        )
        row = db.execute(SELECT + " WHERE id = ?", (id_,)).fetchone()
        if row is not None:
            counted.append(to_drift(row))
    db.execute("DELETE FROM drift WHERE NOT open AND last_corrected < ?", (at - within,))
    return tuple(counted)


def clear(db: sqlite3.Connection, ids: Iterable[str]) -> tuple[OpenDrift, ...]:
    """Close these, and tell which were open."""
    cleared = []
    for id_ in ids:
        row = db.execute(SELECT + " WHERE id = ? AND open", (id_,)).fetchone()
        if row is not None:
            cleared.append(to_drift(row))
            db.execute("UPDATE drift SET open = 0 WHERE id = ?", (id_,))
            db.execute("DELETE FROM drift WHERE id = ? AND corrected = 0", (id_,))
    return tuple(cleared)


def to_drift(row: tuple[Any, ...]) -> OpenDrift:
    """A row of `SELECT`."""
    id_, drift, live, why, since, corrected, last_corrected, _ = row
    return OpenDrift(
        id=id_,
        drift=drift,
        live=live,
        why=why,
        since=since,
        corrected=corrected,
        last_corrected=last_corrected,
    )


def _continue(known: OpenDrift, seen: OpenDrift, *, since: float) -> OpenDrift:
    return replace(seen, since=since, corrected=known.corrected, last_corrected=known.last_corrected)
