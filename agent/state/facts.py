"""What the state tells, as types. Times are epoch seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from schemas.record import OpenDrift


class Suspension(Struct, frozen=True, kw_only=True):
    """A person's word that nothing may be changed. `until` None: until taken back. `by` is a user's name."""

    reason: str
    by: str
    since: float
    until: float | None = None

    def over(self, at: float) -> bool:
        """Whether it has run out by itself."""
        return self.until is not None and at >= self.until


class HeldPlan(Struct, frozen=True, kw_only=True):
    """A plan that waits for `prosodist confirm`: what names it, its commit, and itself as JSON."""

    digest: str
    revision: str
    plan: Mapping[str, Any]


class Confirmation(NamedTuple):
    """The plan that a person agreed to, and the commit that it ends with."""

    digest: str
    revision: str


class Entry(Struct, frozen=True, kw_only=True):
    """One event of the history. `seq` counts from 1 and is given when the entry is appended."""

    at: float
    kind: str
    revision: str | None
    event: Mapping[str, Any]
    seq: int = 0


class Sightings(Struct, frozen=True, kw_only=True):
    """Of the drift that a pass saw, what is worth an event; the rest is known already."""

    appeared: tuple[OpenDrift, ...] = ()
    changed: tuple[OpenDrift, ...] = ()
