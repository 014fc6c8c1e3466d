"""A change that fails again and again is told when it begins and when its words change, not once a pass."""

from __future__ import annotations

from collections.abc import Mapping

from agent.events import Events
from agent.state import State
from schemas.plan import Change

FAILING = "told:failing"
"""The record of what was told: id → words."""


def tell(state: State, events: Events, change: Change, words: str, *, revision: str, at: float) -> None:
    """One change failed."""
    if not is_news(state, change.id, words):
        return
    events.change("change.failed", change, revision=revision, level="error", error=words)
    state.remember(FAILING, {**_told(state), change.id: words}, at)


def is_news(state: State, id_: str, words: str) -> bool:
    """Whether these words were not told before, of the same trouble."""
    return _told(state).get(id_) != words


def settle(state: State, failed: Mapping[str, str], *, at: float) -> None:
    """A pass came to rest, and this is all that fails still."""
    if _told(state) != failed:
        state.remember(FAILING, dict(failed), at)


def _told(state: State) -> Mapping[str, str]:
    record = state.recall(FAILING)
    return {} if record is None else record.value
