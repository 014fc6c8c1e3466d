"""Drift, told once when it appears, once when it changes, once when it clears; never once a pass."""

from __future__ import annotations

from agent.events import Events
from agent.look import CONTESTED_AFTER, CONTESTED_WITHIN, View
from agent.state import State
from schemas.plan import Change, DriftClass, Holds
from schemas.record import OpenDrift

_BY_SOMEONE = (DriftClass.CORRECTIVE, DriftClass.CONFLICT)


def tell(state: State, events: Events, view: View, *, revision: str, at: float) -> None:
    """Compare what this look found with what was told before."""
    plan = view.plan
    differing = {
        change.id: change
        for change in (*plan.changes, *plan.held, *plan.reported)
        if change.drift in _BY_SOMEONE or change in plan.reported
    }
    found = [OpenDrift(id=c.id, drift=c.drift.value, live=c.live, why=c.why, since=at) for c in differing.values()]
    if found:
        sightings = state.drift_seen(found)
        for seen in sightings.appeared:
            if seen.id in view.contested:
                continue
            events.change("drift.appeared", differing[seen.id], revision=revision, level="warning")
        for seen in sightings.changed:
            if seen.id in view.contested:
                continue  # told as contested: whoever writes it may write something new each time
            events.change("drift.changed", differing[seen.id], revision=revision, level="warning")
    waiting = {wait.id for wait in plan.waits}
    over = [drift.id for drift in state.open_drift() if drift.id not in differing and drift.id not in waiting]
    if not over:
        return
    holding = {v.id for v in plan.verdicts if isinstance(v, Holds)}
    for drift in state.drift_cleared(over):
        why = "is as git wants it" if drift.id in holding else "is no longer ours"
        events.tell(
            "drift.cleared",
            revision=revision,
            object=drift.id.partition(":")[2],
            reason=why,
            **{"class": drift.drift},
        )


def corrected(state: State, events: Events, change: Change, *, revision: str, at: float) -> None:
    """Count, so that an object which somebody else puts back each time is told as contested, once."""
    if change.drift is not DriftClass.CORRECTIVE:
        return
    for drift in state.drift_corrected([change.id], at=at, within=CONTESTED_WITHIN):
        if drift.corrected == CONTESTED_AFTER:
            events.change("drift.contested", change, revision=revision, level="warning")
