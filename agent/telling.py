"""What a pass has to tell, once: a refused commit, a repository that cannot be reached, a plan that is held.

What was told is a record, so that later polls are silent, those of the next agent too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from agent.converge import Converged
from agent.events import Events
from agent.log import LOG, redacted
from agent.outcome import Outcome, mistake_from_json, mistake_json, plan_json, unmanaged_json, wait_json
from agent.state import State
from schemas.errors import AgentError, Mistake, SpecError
from schemas.plan import DriftClass, Unmanaged, Wait

REFUSED, UNREACHABLE, WAITING, UNMANAGED = "told:refused", "told:unreachable", "told:waiting", "told:unmanaged"


class Telling:
    """Tells what is new."""

    def __init__(self, state: State, events: Events, clock: Callable[[], float]) -> None:
        self._state, self._events, self._clock = state, events, clock
        self._news: object = None

    def refused(self, revision: str, error: AgentError) -> None:
        """A commit was not taken: once for each commit."""
        told = self._state.recall(REFUSED)
        if told and told.value["revision"] == revision:
            return
        mistakes = error.mistakes if isinstance(error, SpecError) else ()
        self._events.tell(
            "commit.refused",
            level="error",
            revision=revision,
            reason=error.reason,
            mistakes=[str(mistake) for mistake in mistakes],
            message="" if mistakes else str(error),
        )
        self.note_refused(revision, error)

    def note_refused(self, revision: str, error: AgentError) -> None:
        """It was told, here or by the rollback that it led to."""
        mistakes = error.mistakes if isinstance(error, SpecError) else ()
        record = {
            "revision": revision,
            "reason": error.reason,
            "message": str(error),
            "mistakes": [mistake_json(mistake) for mistake in mistakes],
        }
        self._state.remember(REFUSED, redacted(record), self._clock())

    def mistakes(self, revision: str) -> tuple[Mistake, ...]:
        """Those that this commit was refused for, as they were told."""
        told = self._state.recall(REFUSED)
        if told is None or told.value["revision"] != revision:
            return ()
        return tuple(map(mistake_from_json, told.value["mistakes"]))

    def accepted(self, revision: str, description: Mapping[str, str]) -> None:
        """A commit was taken."""
        self._events.tell("commit.accepted", revision=revision, **description)

    def unanchored(self, reason: str) -> None:
        """The second copy of the accepted revision could not be written; an empty reason says that it could."""
        if reason:
            self._events.tell("anchor.unwritten", level="warning", reason=reason)

    def waiting(self, waits: tuple[Wait, ...]) -> None:
        """What a pass left waiting: for `status` where no agent runs."""
        told = self._state.recall(WAITING)
        waiting = [wait_json(wait) for wait in waits]
        if (told.value["waits"] if told else []) != waiting:
            self._state.remember(WAITING, {"waits": waiting}, self._clock())

    def unmanaged(self, revision: str, found: tuple[Unmanaged, ...]) -> None:
        """What never was in git: told when it appears, and when it is gone."""
        record = self._state.recall(UNMANAGED)
        told: list[dict[str, str]] = record.value["found"] if record else []
        now = [unmanaged_json(one) for one in found]
        if now == told:
            return
        word = {"class": DriftClass.UNMANAGED.value}
        for one in (one for one in now if one not in told):
            why = f"a {one['kind']}; it {one['why']}"
            self._events.tell("unmanaged.appeared", revision=revision, object=one["object"], reason=why, **word)
        for one in (one for one in told if one not in now):
            why = "it is gone, or is git's now"
            self._events.tell("unmanaged.cleared", revision=revision, object=one["object"], reason=why, **word)
        self._state.remember(UNMANAGED, {"found": now}, self._clock())

    def unreachable(self, error: AgentError) -> None:
        """The repository cannot be reached: told when that begins, and when the reason is another."""
        told = self._state.recall(UNREACHABLE)
        if told is None or told.value["reason"] != str(error):
            message = f"{error}; the last good state is kept and enforced"
            self._events.tell("source.unreachable", level="warning", reason=message)
            self._state.remember(UNREACHABLE, {"reason": str(error)}, self._clock())

    def reachable(self) -> None:
        """It can be reached again."""
        if self._state.recall(UNREACHABLE) is not None:
            self._state.forget(UNREACHABLE)
            self._events.tell("source.recovered")

    def held(self, revision: str, converged: Converged) -> None:
        """A plan waits for a person's word; kept so that `confirm` can name just this one."""
        view, held = converged.view, self._state.held()
        if not view.plan.held:
            if held is not None:
                self._state.clear_held()
            return
        if held is not None and held.digest == view.digest:
            return
        self._state.hold(view.digest, revision, plan_json(view.plan, revision=revision, digest=view.digest))
        for change in view.plan.held:
            words = f"{change.needs_word}; look with `prosodist plan`, then `prosodist confirm`"
            self._events.change("change.held", change, revision=revision, level="warning", needs=words)

    def passed(self, outcome: Outcome) -> None:
        """A pass ended: told when something was done or the news is new, not when a poll finds the same again."""
        news = (outcome.result, outcome.revision, outcome.failures, outcome.mistakes)
        same, self._news = news == self._news, news
        if same and not outcome.made and not outcome.activated:
            return
        LOG.log(
            logging.WARNING if outcome.failed else logging.INFO,
            "pass.failed" if outcome.failed else "pass.done",
            revision=outcome.revision,
            result=outcome.result.value,
            reason="; ".join(outcome.failures),
            changes=len(outcome.made),
            seconds=round(outcome.seconds, 3),
        )
