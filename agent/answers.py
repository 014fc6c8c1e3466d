"""What is known, as JSON: told by the running agent, and read from the state where none runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from agent.failures import FAILING
from agent.outcome import Outcome, Result
from agent.passes import STALLED
from agent.settings import Settings
from agent.state.facts import Suspension
from agent.state.view import View
from agent.telling import REFUSED, UNMANAGED, UNREACHABLE, WAITING
from reconcilers import requires


def status(settings: Settings, state: View, last: Outcome | None) -> dict[str, Any]:
    """`prosodist status -o json`: revisions, and two axes with their reasons."""
    marks = state.marks()
    suspension = state.suspension()
    active = suspension is not None and not suspension.over(time.time())
    conditions = list(_conditions(state, last, suspension if active else None))
    trouble = {condition["type"] for condition in conditions if condition["status"] == "True"}
    waiting = state.recall(WAITING)
    waits = waiting is not None and bool(waiting.value["waits"])
    if marks.applied is None:
        sync = "Unknown"
    else:
        unlike = {"Refused", "Held", "Drifted", "Stalled", "Failing"}
        sync = "OutOfSync" if trouble & unlike or waits else "Synced"
    if active:
        health = "Suspended"
    elif trouble & {"Stalled", "Failing", "Unmet"}:
        health = "Degraded"
    elif last is None and marks.good is None:
        health = "Unknown"
    else:
        health = "Progressing" if trouble & {"Held"} or waits else "Healthy"
    return {
        "host": settings.host,
        "profile": settings.profile,
        "repository": str(settings.address),
        "branch": settings.branch,
        "attempted": marks.attempted,
        "accepted": marks.accepted,
        "applied": marks.applied,
        "good": marks.good,
        "pins": dict(state.pins()),
        "rejected": marks.rejected,
        "sync": sync,
        "health": health,
        "suspended": suspension_json(suspension) if active and suspension else None,
        "conditions": conditions,
        "unmanaged": strangers.value["found"] if (strangers := state.recall(UNMANAGED)) is not None else [],
        "last": None if last is None else last.to_json(),
    }


def _conditions(state: View, last: Outcome | None, suspension: Suspension | None) -> Iterator[dict[str, str]]:
    """Only what is so: abnormal ones with their reason and words, and Ready."""
    abnormal = []
    if suspension is not None:
        abnormal.append(("Suspended", "Suspended", suspension.reason))
    if (record := state.recall(UNREACHABLE)) is not None:
        abnormal.append(("SourceStale", "FetchFailed", record.value["reason"]))
    marks = state.marks()
    refused = state.recall(REFUSED)
    if (
        refused is not None
        and refused.value["revision"] == marks.attempted
        and refused.value["revision"] != marks.applied
    ):
        abnormal.append(("Refused", refused.value["reason"], refused.value["message"]))
    if (held := state.held()) is not None:
        abnormal.append(("Held", "ConfirmationNeeded", f"plan {held.digest[:12]} waits for `prosodist confirm`"))
    if drifted := state.open_drift():
        abnormal.append(("Drifted", "DriftFound", ", ".join(drift.id.partition(":")[2] for drift in drifted)))
    if (record := state.recall(STALLED)) is not None:
        abnormal.append(("Stalled", "Stalled", record.value["reason"]))
    if (waiting := state.recall(WAITING)) is not None and waiting.value["waits"]:
        unmet = [wait["why"] for wait in waiting.value["waits"] if wait["id"].startswith(f"{requires.KIND}:")]
        words = [wait["why"] for wait in waiting.value["waits"] if wait["why"] not in unmet]
        abnormal += [("Unmet", "RequirementUnmet", "; ".join(unmet))] if unmet else []
        abnormal += [("Waiting", "Progressing", "; ".join(words))] if words else []
    if (owed := state.owed()) is not None:
        abnormal.append(("ActivationOwed", "Interrupted", f"{owed}; the next pass makes it"))
    failing = last.failures if last is not None and last.result is Result.FAILED else _failing(state)
    if failing:
        abnormal.append(("Failing", "ApplyFailed", "; ".join(failing)))
    ready = not abnormal or {type_ for type_, _, _ in abnormal} <= {"SourceStale"}
    yield {
        "type": "Ready",
        "status": str(ready),
        "reason": "ReconciliationSucceeded" if ready else abnormal[0][1],
        "message": "" if ready else abnormal[0][2],
    }
    for type_, reason, message in abnormal:
        yield {"type": type_, "status": "True", "reason": reason, "message": message}


def _failing(state: View) -> tuple[str, ...]:
    """What an agent that has ended could not change."""
    record = state.recall(FAILING)
    return () if record is None else tuple(dict.fromkeys(record.value.values()))


def drift(state: View) -> dict[str, Any]:
    """`prosodist drift -o json`."""
    return {
        "drift": [
            {
                "object": found.id.partition(":")[2],
                "id": found.id,
                "class": found.drift,
                "why": found.why,
                "since": found.since,
                "corrected": found.corrected,
            }
            for found in state.open_drift()
        ]
    }


def history(state: View, limit: int) -> dict[str, Any]:
    """`prosodist history -o json`: the newest events, newest first."""
    return {
        "history": [
            {"seq": e.seq, "at": e.at, "event": e.kind, "revision": e.revision, **e.event} for e in state.history(limit)
        ]
    }


def suspension_json(suspension: Suspension) -> dict[str, Any]:
    """Who, why, since when and until when (epoch seconds)."""
    return {
        "reason": suspension.reason,
        "by": suspension.by,
        "since": suspension.since,
        "until": suspension.until,
    }
