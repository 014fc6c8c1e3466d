"""What the state tells, as types. Times are epoch seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from schemas.record import OpenDrift


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A person's word that nothing may be changed. `until` None: until taken back. `by` is a user's name."""

    reason: str
    by: str
    since: float
    until: float | None = None

    def over(self, at: float) -> bool:
        """Whether it has run out by itself."""
        return self.until is not None and at >= self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPlan:
    """A plan that waits for `prosodist confirm`: what names it, its commit, and itself as JSON."""

    digest: str
    revision: str
    plan: Mapping[str, Any]


class Confirmation(NamedTuple):
    """The plan that a person agreed to, and the commit that it ends with."""

    digest: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event of the history. `seq` counts from 1 and is given when the entry is appended."""

    at: float
    kind: str
    revision: str | None
    event: Mapping[str, Any]
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """Of the drift that a pass saw, what is worth an event; the rest is known already."""

    appeared: tuple[OpenDrift, ...] = ()
    changed: tuple[OpenDrift, ...] = ()
