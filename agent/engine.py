"""What the agent answers when it is asked: one method a verb, each on the working thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from agent import version
from agent.converge import House
from agent.events import LOG
from agent.outcome import Outcome, Result, mistake_json, plan_json
from agent.passes import HELD, REFUSED, STALLED, UNREACHABLE, Passes
from agent.settings import Settings
from agent.source import Source
from agent.state import Anchor, State
from agent.state.facts import Suspension
from schemas.errors import AgentError, SettingsError, SourceRefused


class Engine:
    """Answers verbs; see `agent.control` for how they arrive and `agent.cli` for how answers are shown."""

    def __init__(
        self,
        settings: Settings,
        house: House,
        source: Source,
        anchor: Anchor,
        passes: Passes,
        *,
        prosody_user: str | None,
    ) -> None:
        self._settings, self._house, self._anchor, self._passes = settings, house, anchor, passes
        self.source = source
        self.prosody_user = prosody_user
        """Who Prosody runs as, when that is not the agent's own user."""
        self.last: Outcome | None = None

    @property
    def passes(self) -> Passes:
        """For the loop, which runs them by itself."""
        return self._passes

    def answer(
        self, verb: str, arguments: Mapping[str, Any], progress: Callable[[str], None]
    ) -> dict[str, Any]:
        """The answer to one verb, as JSON. Raises AgentError."""
        match verb:
            case "reconcile":
                progress("reconciling")
                return self.reconcile(full=bool(arguments.get("full"))).to_json()
            case "plan":
                plan, revision, digest = self._passes.look()
                return plan_json(plan, revision=revision, digest=digest or None)
            case "status":
                return status(self._settings, self._house.state, self.last)
            case "drift":
                return drift(self._house.state)
            case "history":
                return history(self._house.state, int(arguments.get("limit", 20)))
            case "confirm":
                return self._confirm()
            case "accept":
                return self._accept(str(arguments["revision"]))
            case "suspend":
                return self._suspend(arguments)
            case "resume":
                return self._resume()
            case "version":
                return {"version": version.VERSION}
        raise SettingsError(f"{verb}: the running agent does not know this verb; restart it after an upgrade")

    def reconcile(self, *, full: bool = False) -> Outcome:
        """One pass at a person's word."""
        self.last = self._passes.run(full=full, retry=True)
        self.rest()
        return self.last

    def rest(self) -> None:
        """What may wait until a pass is over: let accepted and good outlive the mirror."""
        try:
            self.source.save()
        except AgentError as error:
            LOG.warning("source.unsaved", reason=str(error))

    def _confirm(self) -> dict[str, Any]:
        held = self._house.state.held()
        if held is None:
            self._passes.run()
            held = self._house.state.held()
        if held is None:
            raise AgentError("confirm: no plan is held; nothing waits for a person's word")
        self._house.state.confirm(held.digest, held.revision)
        self._house.events.tell("confirmed", revision=held.revision, object=held.digest[:12])
        self._passes.forget_proof()
        self.last = self._passes.run()
        self._house.state.clear_confirmed()
        return {"plan": dict(held.plan), "outcome": self.last.to_json()}

    def _accept(self, revision: str) -> dict[str, Any]:
        """Take a commit that forward-only would refuse: it becomes the newest accepted one."""
        tip = self.source.fetch()
        full = self.source.resolve(revision)
        if full != tip:
            raise SourceRefused(
                f"{revision}: the branch's tip is {tip}",
                revision=full,
                remedy=f"accept that: prosodist accept {tip}",
            )
        self._house.state.mark(accepted=full)
        self._anchor.write(full)
        self._house.state.forget(REFUSED)
        self._passes.forget_proof()
        self._house.events.tell("commit.accepted", revision=full, reason="accepted by hand")
        self.last = self._passes.run()
        return {"accepted": full, "outcome": self.last.to_json()}

    def _suspend(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        now = self._house.clock()
        seconds = arguments.get("seconds")
        suspension = Suspension(
            reason=str(arguments["reason"]),
            by=str(arguments.get("by", "?")),
            since=now,
            until=None if seconds is None else now + float(seconds),
        )
        self._house.state.suspend(suspension)
        self._house.events.tell(
            "suspended", level="warning", reason=suspension.reason, until=suspension.until
        )
        self._passes.forget_proof()
        return {"suspended": suspension_json(suspension)}

    def _resume(self) -> dict[str, Any]:
        if self._house.state.suspension() is None:
            return {"resumed": False}
        self._house.state.resume()
        self._house.events.tell("resumed")
        self._passes.forget_proof()
        return {"resumed": True}


def status(settings: Settings, state: Any, last: Outcome | None) -> dict[str, Any]:  # noqa: ANN401: State or View
    """`prosodist status -o json`: revisions, and two axes with their reasons."""
    marks = state.marks()
    suspension = state.suspension()
    active = suspension is not None and not suspension.over(time.time())
    conditions = list(_conditions(state, last, suspension if active else None))
    trouble = {condition["type"] for condition in conditions if condition["status"] == "True"}
    waits = last is not None and bool(last.waits)
    if marks.applied is None:
        sync = "Unknown"
    else:
        sync = "OutOfSync" if trouble & {"Refused", "Held", "Drifted", "Stalled"} or waits else "Synced"
    if active:
        health = "Suspended"
    elif trouble & {"Stalled", "Failing"}:
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
        "rejected": marks.rejected,
        "sync": sync,
        "health": health,
        "suspended": suspension_json(suspension) if active and suspension else None,
        "conditions": conditions,
        "last": None if last is None else last.to_json(),
    }


def _conditions(state: Any, last: Outcome | None, suspension: Suspension | None) -> Any:  # noqa: ANN401
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
        and refused.value["revision"] in (marks.attempted, marks.rejected)
        and (refused.value["revision"] != marks.applied)
    ):
        abnormal.append(("Refused", refused.value["reason"], refused.value["message"]))
    if (held := state.held()) is not None:
        abnormal.append(
            ("Held", "ConfirmationNeeded", f"plan {held.digest[:12]} waits for `prosodist confirm`")
        )
    if drifted := state.open_drift():
        abnormal.append(("Drifted", "DriftFound", ", ".join(drift.id.partition(":")[2] for drift in drifted)))
    if (record := state.recall(STALLED)) is not None:
        abnormal.append(("Stalled", "Stalled", record.value["reason"]))
    if last is not None and last.result is Result.FAILED:
        abnormal.append(("Failing", "ApplyFailed", "; ".join(last.failures)))
    ready = not abnormal or {type_ for type_, _, _ in abnormal} <= {"SourceStale"}
    yield {
        "type": "Ready",
        "status": str(ready),
        "reason": "ReconciliationSucceeded" if ready else abnormal[0][1],
        "message": "" if ready else abnormal[0][2],
    }
    for type_, reason, message in abnormal:
        yield {"type": type_, "status": "True", "reason": reason, "message": message}


def drift(state: Any) -> dict[str, Any]:  # noqa: ANN401
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


def history(state: Any, limit: int) -> dict[str, Any]:  # noqa: ANN401
    """`prosodist history -o json`: the newest events, newest first."""
    return {
        "history": [
            {"seq": e.seq, "at": e.at, "event": e.kind, "revision": e.revision, **e.event}
            for e in state.history(limit)
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


__all__ = ["HELD", "Engine", "State", "drift", "history", "mistake_json", "status", "suspension_json"]
