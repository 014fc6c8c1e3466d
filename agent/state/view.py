"""The reading half: what `status`, `drift`, `history` and `plan` need, beside a running agent or without."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from agent import keys
from agent.state import drift
from agent.state.database import Database
from agent.state.facts import Confirmation, Entry, HeldPlan, Suspension
from schemas.record import Marks, OpenDrift, Owned, Record

MARKS = ("attempted", "accepted", "applied", "good", "rejected")


class View:
    """What is remembered, to look at."""

    def __init__(self, database: Database, state_dir: Path) -> None:
        self._database = database
        self._state_dir = state_dir

    def marks(self) -> Marks:
        """Revisions by what became of them."""
        return Marks(**{mark: self._fact(mark) for mark in MARKS})

    def pins(self) -> Mapping[str, Any]:
        """What git left open when `good` was last reached: what was installed then, and its version."""
        return self._json_fact("pins") or {}

    def rejected(self, digest: str) -> str | None:
        """Why this input is not to be tried again; None when it may be."""
        row = self._database.row("SELECT reason FROM rejected WHERE digest = ?", digest)
        return None if row is None else row[0]

    def owned(self) -> dict[str, dict[str, Owned]]:
        """The inventory: reconciler → id → object."""
        inventory: dict[str, dict[str, Owned]] = {}
        for row in self._database.rows("SELECT id, reconciler, wish, digest, revision, made FROM owned"):
            owned = to_owned(row)
            inventory.setdefault(owned.reconciler, {})[owned.id] = owned
        return inventory

    def owed(self) -> str | None:
        """The activation that was decided on and not yet seen to be done."""
        return self._fact("owed")

    def recall(self, id_: str) -> Record | None:
        """What was remembered under this id."""
        row = self._database.row("SELECT value, at FROM record WHERE id = ?", id_)
        return None if row is None else Record(value=json.loads(row[0]), at=row[1])

    def open_drift(self) -> tuple[OpenDrift, ...]:
        """What differs by someone else's hand now, by id."""
        rows = self._database.rows(drift.SELECT + " WHERE open ORDER BY id")
        return tuple(map(drift.to_drift, rows))

    def corrected_drift(self) -> tuple[OpenDrift, ...]:
        """What was put right by us, open again or not, with how often and when."""
        rows = self._database.rows(drift.SELECT + " WHERE corrected > 0 ORDER BY id")
        return tuple(map(drift.to_drift, rows))

    def history(self, limit: int = 100) -> tuple[Entry, ...]:
        """The newest events, newest first."""
        rows = self._database.rows(
            "SELECT seq, at, kind, revision, event FROM history ORDER BY seq DESC LIMIT ?", limit
        )
        return tuple(
            Entry(seq=seq, at=at, kind=kind, revision=revision, event=json.loads(event))
            for seq, at, kind, revision, event in rows
        )

    def suspension(self) -> Suspension | None:
        """The suspension that was last asked for; ask it whether it is `over`."""
        value = self._json_fact("suspension")
        return None if value is None else Suspension(**value)

    def held(self) -> HeldPlan | None:
        """The plan that waits for a person's word."""
        value = self._json_fact("held")
        return None if value is None else HeldPlan(**value)

    def confirmed(self) -> Confirmation | None:
        """The plan that a person agreed to."""
        value = self._json_fact("confirmed")
        return None if value is None else Confirmation(**value)

    def digest_key(self) -> bytes | None:
        """The key of all digests here; None before an agent has run."""
        return keys.read_digest_key(self._state_dir / "digest.key")

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fact(self, name: str) -> str | None:
        row = self._database.row("SELECT value FROM fact WHERE name = ?", name)
        return None if row is None else row[0]

    def _json_fact(self, name: str) -> dict[str, Any] | None:
        value = self._fact(name)
        return None if value is None else dict(json.loads(value))


def to_owned(row: tuple[Any, ...]) -> Owned:
    """The columns of the inventory, in the order of its table."""
    id_, reconciler, wish, digest, revision, made = row
    return Owned(id=id_, reconciler=reconciler, wish=wish, digest=digest, revision=revision, made=bool(made))
