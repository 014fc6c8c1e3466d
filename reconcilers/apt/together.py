"""One run of apt for all that a round installs, though each package is a change of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from reconcilers.apt.wanted import OWN
from schemas.actions import Action, Hold, Install, Pick, Remove
from schemas.plan import Change, Verdict


def together(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """The first change that installs something brings what the others install along; removals know of each other.

    To be asked when it is settled which changes are made: what waits for a person's word goes along with nobody.
    """
    verdicts = tuple(verdicts)
    sure = [verdict for verdict in verdicts if isinstance(verdict, Change)]
    joining = [change for change in sure if _joins(change)]
    along = tuple(pick for change in joining[1:] for pick in _picks(change))
    removed = tuple(a.package for change in sure for a in change.actions if isinstance(a, Remove))
    without = tuple(a.package for c in sure if c.wanted is not None for a in c.actions if isinstance(a, Remove))
    for verdict in verdicts:
        if isinstance(verdict, Change):
            own = along if joining and verdict is joining[0] else ()
            actions = tuple(_beside(action, own, removed, without) for action in verdict.actions)
            verdict = replace(verdict, actions=actions)
        yield verdict


def _joins(change: Change) -> bool:
    """Whether it may come with others. An upgrade of Prosody is judged by itself, and a hold is lifted before."""
    if change.id == OWN and change.live is not None:
        return False
    return bool(_picks(change)) and not any(isinstance(a, Hold) and not a.held for a in change.actions)


def _picks(change: Change) -> tuple[Pick, ...]:
    return tuple(pick for action in change.actions if isinstance(action, Install) for pick in action.packages)


def _beside(action: Action, along: tuple[Pick, ...], removed: tuple[str, ...], without: tuple[str, ...]) -> Action:
    if isinstance(action, Install):
        return replace(action, along=along, without=without)
    if isinstance(action, Remove):
        return replace(action, along=tuple(name for name in removed if name != action.package))
    return action
