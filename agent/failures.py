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
    told = _told(state)
    if told.get(change.id) == words:
        return
    events.change("change.failed", change, revision=revision, level="error", error=words)
    state.remember(FAILING, {**told, change.id: words}, at)


def settle(state: State, failed: Mapping[str, str], *, at: float) -> None:
    """A pass came to rest, and this is all that fails still."""
    if (told := _told(state)) and set(told) - set(failed):
        state.remember(FAILING, {id_: words for id_, words in told.items() if id_ in failed}, at)


def _told(state: State) -> Mapping[str, str]:
    record = state.recall(FAILING)
    return {} if record is None else record.value
