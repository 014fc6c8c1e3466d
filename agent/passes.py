"""A whole pass: fetch, choose a commit or refuse it, converge, go back when it is not good, record.

Which state is enforced: the branch's tip when it descends from the newest accepted revision, loads without a
mistake and was not rejected; else the newest accepted one; else the last good one. Loss of git, a bad commit and a
rewritten history all end in the same place: what was right before is kept and enforced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from agent import drifts
from agent.converge import Converged, House, Interrupted, PassFailed, converge, observe, recollect
from agent.events import LOG
from agent.outcome import Outcome, Result
from agent.source import Source
from agent.state import Anchor
from agent.telling import Telling
from agent.trace import Proof
from schemas.desired import HostSpec
from schemas.errors import AgentError, SourceRefused, SpecError, Stalled, Temporary
from schemas.load import Tree
from schemas.plan import Instant, PathChanges, Plan

STALLED = "stalled"
"""The record of an input with which neither forward nor back worked: hands off until another, or a person's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What this pass enforces."""

    spec: HostSpec
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proved:
    """While `proof` holds for this target, `outcome` is still the answer."""

    key: tuple[str, str, str]
    proof: Proof
    outcome: Outcome
    plan: Plan


class Passes:
    """Runs passes, one after the other, on one thread."""

    def __init__(
        self,
        house: House,
        source: Source,
        anchor: Anchor,
        read: Callable[[Tree], HostSpec],
    ) -> None:
        self._house, self._source, self._anchor, self._read = house, source, anchor, read
        self._specs: dict[str, HostSpec] = {}
        self._mistaken: tuple[str, SpecError] | None = None
        self._proved: _Proved | None = None
        self._telling = Telling(house.state, house.events, house.clock)
        self.target: Target | None = None
        self.refusal: AgentError | None = None
        """Why the branch's tip is not what is enforced."""
        self.watched: frozenset[str] = frozenset()
        """Managed and awaited paths."""
        self.wake_at: float | None = None
        """The earliest instant that something waits for (epoch seconds)."""

    # --- the pass ---

    def run(self, *, full: bool = False, retry: bool = False) -> Outcome:
        """One pass. `full` ignores the proof; `retry` is a person's word that ends a stall. Never raises AgentError."""
        started = self._house.clock()
        try:
            outcome = self._pass(full=full, retry=retry)
        except AgentError as error:
            outcome = Outcome(result=Result.FAILED, failures=(str(error),))
        except Exception as error:
            LOG.exception("pass.fault", reason=type(error).__name__)
            fault = f"the pass: a fault of the agent ({type(error).__name__}: {error}); its log has more"
            outcome = Outcome(result=Result.FAILED, failures=(fault,))
        finally:
            self._house.renderer.close()
        for notice in self._source.take_notices():
            self._house.events.tell("mirror.mended", level="warning", reason=notice)
        outcome = replace(outcome, seconds=self._house.clock() - started)
        self._telling.passed(outcome)
        return outcome

    def look(self) -> tuple[Plan, str | None, str]:
        """What a pass would do now: the plan of its first round, its revision, and what names it when it is held."""
        target = self._choose()
        if target is None:
            raise self.refusal or SourceRefused("the repository offers nothing that could be enforced")
        if (known := self._still_proved(target)) is not None:
            return known.plan, target.revision, ""
        try:
            memory = recollect(self._house.state)
            view, _ = observe(self._house, target.spec, memory, revision=target.revision)
        finally:
            self._house.renderer.close()
        return view.plan, target.revision, view.digest

    def forget_proof(self) -> None:
        """Something that no proof covers has changed (a confirmation, a suspension)."""
        self._proved = None

    def _pass(self, *, full: bool, retry: bool) -> Outcome:
        state = self._house.state
        if retry and (stalled := state.recall(STALLED)) is not None:
            state.unreject(stalled.value["digest"])
            state.forget(STALLED)
        target = self._choose()
        self.target = target
        self.wake_at = self.wake_at if self._proved else None
        if target is None:
            refusal = self.refusal or SourceRefused("the repository offers nothing that could be enforced")
            return self._refused(refusal)
        if full:
            self._proved = None
        elif (known := self._still_proved(target)) is not None:
            return self._with_refusal(known.outcome)
        suspension = state.suspension()
        if suspension is not None and not suspension.over(self._house.clock()):
            return self._suspended(target)
        stalled = state.recall(STALLED)
        if stalled and stalled.value["digest"] == target.spec.digest and not retry:
            return Outcome(result=Result.STALLED, revision=target.revision, failures=(stalled.value["reason"],))
        return self._with_refusal(self._converge(target))

    def _converge(self, target: Target) -> Outcome:
        try:
            converged = converge(self._house, target.spec, revision=target.revision)
        except SpecError as error:
            self._telling.refused(target.revision, error)
            return self._back(target, Result.INVALID, error)
        except PassFailed as failure:
            told = {"object": "prosody", "reason": str(failure.cause)}
            self._house.events.tell("health.failed", level="error", revision=target.revision, **told)
            return self._back(target, Result.ROLLED_BACK, failure)
        except Interrupted as error:
            return Outcome(result=Result.FAILED, revision=target.revision, failures=(str(error),))
        return self._record(target, converged)

    def _record(self, target: Target, converged: Converged) -> Outcome:
        """Mark what was reached, and what a later pass may take as proved."""
        state, plan = self._house.state, converged.view.plan
        well = not converged.failures
        state.mark(applied=target.revision)
        if state.recall(STALLED) is not None:
            state.forget(STALLED)
        holds_prosody = any(change.id.startswith("config:") for change in plan.held)
        if well and not holds_prosody and state.marks().good != target.revision:
            state.mark(good=target.revision)
            self._source.keep("good", target.revision)
        self._telling.held(target.revision, converged)
        self._watch(converged)
        result = Result.HELD if plan.held else Result.CHANGED if converged.made else Result.IN_SYNC
        outcome = Outcome(
            result=result if well else Result.FAILED,
            revision=target.revision,
            made=converged.made,
            reported=plan.reported,
            held=plan.held,
            waits=plan.waits,
            failures=converged.failures,
        )
        if converged.proof is not None:
            self._proved = _Proved(
                key=self._key(target),
                proof=converged.proof,
                outcome=replace(outcome, made=(), result=Result.HELD if plan.held else Result.IN_SYNC),
                plan=plan,
            )
        return outcome

    def _back(self, target: Target, result: Result, cause: AgentError) -> Outcome:
        """Converge to the last good state; when there is none, or that fails too, hands off."""
        made = cause.made if isinstance(cause, PassFailed) else ()
        mistakes = cause.mistakes if isinstance(cause, SpecError) else ()
        good = self._good_target()
        if good is None or good.spec.digest == target.spec.digest:
            if isinstance(cause, SpecError):
                return Outcome(result=result, revision=None, mistakes=mistakes)
            return self._stall(target, f"{cause}; there is no earlier good state to go back to", made)
        self._reject(target, cause)
        undoing = result is Result.ROLLED_BACK  # else nothing was written, and there is nothing to undo
        try:
            converged = converge(self._house, good.spec, revision=good.revision, undoing=undoing)
        except (AgentError, Interrupted) as error:
            return self._stall(target, f"{cause}; going back to {good.revision[:12]} failed too: {error}", made)
        self.target = good
        back = self._record(good, converged)
        if result is Result.ROLLED_BACK:
            told = {"object": "prosody", "reason": str(cause), "rejected": target.revision}
            self._house.events.tell("rolled_back", level="error", revision=good.revision, **told)
        failures = () if mistakes else (str(cause),)
        return replace(back, result=result, made=(*made, *back.made), mistakes=mistakes, failures=failures)

    def _reject(self, target: Target, cause: AgentError) -> None:
        """Not to be tried again. It is told already, so polls are silent."""
        reason = "ValidationFailed" if isinstance(cause, SpecError) else str(cause)
        self._house.state.reject(target.spec.digest, target.revision, reason)
        self._telling.note_refused(target.revision, cause)

    def _stall(self, target: Target, reason: str, made: tuple[object, ...]) -> Outcome:
        self._house.state.remember(STALLED, {"digest": target.spec.digest, "reason": reason}, self._house.clock())
        error = Stalled(f"{reason}; see the log, then `prosodist reconcile`")
        self._house.events.tell("stalled", level="error", revision=target.revision, reason=str(error))
        return Outcome(result=Result.STALLED, revision=target.revision, failures=(str(error),))

    def _suspended(self, target: Target) -> Outcome:
        """Drift is reported; nothing is changed."""
        memory = recollect(self._house.state)
        view, _ = observe(self._house, target.spec, memory, revision=target.revision)
        drifts.tell(
            self._house.state,
            self._house.events,
            view,
            revision=target.revision,
            at=self._house.clock(),
        )
        suspension = self._house.state.suspension()
        self.wake_at = suspension.until if suspension else None
        return Outcome(result=Result.SUSPENDED, revision=target.revision, reported=view.plan.changes)

    # --- which commit ---

    def _choose(self) -> Target | None:
        """The branch's tip if it may be taken, else what was accepted or good before."""
        self.refusal = None
        try:
            tip = self._source.fetch()
        except (Temporary, SourceRefused) as error:
            self._telling.unreachable(error)
            self.refusal = error
        else:
            self._telling.reachable()
            try:
                return self._accept(tip)
            except AgentError as error:
                self.refusal = error
                self._telling.refused(tip, error)
        return self._former_target()

    def _accept(self, tip: str) -> Target:
        state = self._house.state
        accepted = self.accepted()
        if tip != accepted:
            state.mark(attempted=tip)
        tip = self._source.choose(tip, accepted)
        spec = self._spec(tip)
        if tip != accepted or state.marks().accepted != tip:
            state.mark(accepted=tip)
            self._source.keep("accepted", tip)
            self._anchor.write(tip)
            self._house.events.tell("commit.accepted", revision=tip, **self._source.describe(tip))
        reason = state.rejected(spec.digest)
        if reason is not None:
            raise self._rejection(tip, reason)
        return Target(spec=spec, revision=tip)

    def _rejection(self, tip: str, reason: str) -> AgentError:
        """In the words of the pass that rejected it, when it was this very commit."""
        mistakes = self._telling.mistakes(tip)
        if mistakes:
            return SpecError(mistakes)
        return SourceRefused(f"commit {tip[:12]}: rejected before ({reason})", revision=tip)

    def accepted(self) -> str | None:
        """The newest accepted revision: the state's word, or the second copy's when the state is new."""
        return self._house.state.marks().accepted or self._anchor.read()

    def _former_target(self) -> Target | None:
        marks = self._house.state.marks()
        for revision in (self.accepted(), marks.good):
            if revision is None:
                continue
            try:
                spec = self._spec(revision)
            except AgentError:
                continue  # a mistake that only this version of the agent knows, or a mirror that lost it
            if self._house.state.rejected(spec.digest) is None:
                return Target(spec=spec, revision=revision)
        return None

    def _good_target(self) -> Target | None:
        good = self._house.state.marks().good
        return None if good is None else Target(spec=self._spec(good), revision=good)

    def _spec(self, revision: str) -> HostSpec:
        """Loaded once; only what may still be enforced stays in memory. Raises SpecError."""
        if self._mistaken is not None and self._mistaken[0] == revision:
            raise self._mistaken[1]  # a commit that takes ten seconds to be refused costs them once
        spec = self._specs.get(revision)
        if spec is None:
            try:
                spec = self._read(self._source.tree(revision))
            except SpecError as error:
                self._mistaken = revision, error
                raise
            marks = self._house.state.marks()
            kept = {revision, marks.good, marks.accepted}
            self._specs = {r: s for r, s in self._specs.items() if r in kept} | {revision: spec}
        return spec

    # --- proof ---

    def _key(self, target: Target) -> tuple[str, str, str]:
        suspension = self._house.state.suspension()
        return target.spec.digest, target.revision, repr(suspension)

    def _still_proved(self, target: Target) -> _Proved | None:
        known = self._proved
        if known is None or known.key != self._key(target):
            return None
        return known if known.proof.holds(self._house.host, self._house.clock()) else None

    # --- telling ---

    def _with_refusal(self, outcome: Outcome) -> Outcome:
        """The host is as the former state wants it; that the newest commit was refused is still the news."""
        match self.refusal:
            case None:
                return outcome
            case SpecError() as error:
                return replace(outcome, result=Result.INVALID, mistakes=error.mistakes)
            case SourceRefused() as error:
                return replace(outcome, result=Result.REFUSED, failures=(*outcome.failures, str(error)))
            case error:
                return replace(outcome, failures=(*outcome.failures, str(error)))

    def _refused(self, refusal: AgentError) -> Outcome:
        mistakes = refusal.mistakes if isinstance(refusal, SpecError) else ()
        result = Result.INVALID if mistakes else Result.REFUSED
        if isinstance(refusal, Temporary):
            result = Result.FAILED
        return Outcome(result=result, mistakes=mistakes, failures=() if mistakes else (str(refusal),))

    def _watch(self, converged: Converged) -> None:
        plan = converged.view.plan
        objects = {id_.partition(":")[2] for id_ in converged.view.by}
        awaited = {str(wait.until.path) for wait in plan.waits if isinstance(wait.until, PathChanges)}
        self.watched = frozenset(awaited | {name for name in objects if name.startswith("/")})
        instants = [wait.until.at for wait in plan.waits if isinstance(wait.until, Instant)]
        if converged.proof is not None and converged.proof.next_due is not None:
            instants.append(converged.proof.next_due)
        self.wake_at = min(instants, default=None)
