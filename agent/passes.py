"""A whole pass: enforce the commit that `agent.choice` names, go back when it is not good, record."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from agent import drifts, owing
from agent.choice import Choice, Read, Target
from agent.converge import Converged, PassFailed, converge, observe, recollect
from agent.ending import Interrupted
from agent.house import House
from agent.log import LOG, redact
from agent.look import CONTESTED_AFTER
from agent.outcome import Outcome, Result
from agent.source import Source
from agent.state import Anchor, StateUnusable
from agent.telling import Telling
from agent.trace import Proof
from reconcilers.apt import own
from reconcilers.apt.offers import UNREAD
from schemas.actions import CHECKS
from schemas.desired import HostSpec
from schemas.errors import AgentError, SourceRefused, SpecError, Stalled, Temporary
from schemas.plan import Change, Instant, PathChanges, Plan, Wait
from schemas.record import Record

STALLED = "stalled"
"""The record of an input with which neither forward nor back worked: hands off until another, or a person's word."""


class _Proved(Struct, frozen=True, kw_only=True):
    """While `proof` holds for this target, `plan` is what there is to do."""

    key: tuple[str, str, str]
    proof: Proof
    outcome: Outcome | None
    """Of the pass that ended so; None where nothing but a look was asked for, and a pass has still to act."""
    plan: Plan
    digest: str
    """Names what of the plan is held; empty when nothing is."""


class Passes:
    """Runs passes, one after the other, on one thread."""

    def __init__(
        self,
        house: House,
        source: Source,
        anchor: Anchor,
        read: Read,
    ) -> None:
        self._house, self._source = house, source
        self._telling = Telling(house.state, house.events, house.clock)
        self._choice = Choice(house.state, source, anchor, read, self._telling)
        self._proved: _Proved | None = None
        self.watched: frozenset[str] = frozenset()
        """Managed and awaited paths, and what a configuration opens: certificates, includes."""
        self.wake_at: float | None = None
        """The earliest instant that something waits for (epoch seconds)."""

    # --- the pass ---

    @property
    def refusal(self) -> AgentError | None:
        """Why the newest commit is not what was looked at last."""
        return self._choice.refusal

    def run(self, *, full: bool = False, retry: bool = False) -> Outcome:
        """One pass. `full` ignores the proof; `retry` is a person's word that ends a stall, and every contest.

        Never raises AgentError.
        """
        started = self._house.clock()
        if self.wake_at is not None and self.wake_at <= started:
            self.wake_at = None  # it has come; a pass that fails must not be woken by it for ever
        try:
            outcome = self._pass(full=full, retry=retry)
        except (AgentError, Interrupted) as error:
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
        target = self._choice.look()
        if target is None:
            raise self._choice.refusal or _nothing_offered()
        if (known := self._still_proved(target)) is not None:
            return known.plan, target.revision, known.digest
        try:
            memory = recollect(self._house.state, undoing=self._undoing())
            view, proof = observe(self._house, self._spec(target), memory, revision=target.revision)
        finally:
            self._house.renderer.close()
        if proof is not None and memory.undoing is None:
            key = self._key(target)
            self._proved = _Proved(key=key, proof=proof, outcome=None, plan=view.plan, digest=view.digest)
        return view.plan, target.revision, view.digest

    def proved(self, tip: str) -> tuple[Plan, str, Proof] | None:
        """What the last pass was left with, or a later look found: the plan, what names it when it is held, the proof.

        None where nothing is proved, or not of this revision as the branch's tip.
        """
        if self._proved is None or self._proved.key[1] != tip:
            return None
        target = self._choice.look()
        if target is None or self._choice.refusal is not None or (known := self._still_proved(target)) is None:
            return None
        return known.plan, known.digest, known.proof

    def forget_proof(self) -> None:
        """Something that no proof covers has changed (a confirmation, a suspension)."""
        self._proved = None

    def _pass(self, *, full: bool, retry: bool) -> Outcome:
        state = self._house.state
        if retry:
            for record in (STALLED, CHECKS, UNREAD):
                state.forget(record)
            owing.forgive(state, self._house.clock())
            if state.drift_forgiven(CONTESTED_AFTER):
                self.forget_proof()  # it knows that these are left alone
        if full:
            self._house.host.look_anew()
        target = self._choice.retry() if retry else self._choice.choose(anew=full)
        if target is None:
            return self._refused(self._choice.refusal or _nothing_offered())
        known = None if full else self._still_proved(target)
        if known is not None and known.outcome is not None:
            return self._with_refusal(known.outcome)
        self._proved = self.wake_at = None
        suspension = state.suspension()
        if suspension is not None and not suspension.over(self._house.clock()):
            return self._suspended(target)
        stalled = state.recall(STALLED)
        if stalled and _is_left_alone(target, stalled):
            return Outcome(result=Result.STALLED, revision=target.revision, failures=(stalled.value["reason"],))
        return self._with_refusal(self._converge(target))

    def _converge(self, target: Target) -> Outcome:
        try:
            converged = converge(self._house, self._spec(target), revision=target.revision, undoing=self._undoing())
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
        if well and not _kept_from_prosody(plan):
            self._note_good(target)
        self._telling.held(target.revision, converged)
        self._telling.waiting(plan.waits)
        self._telling.unmanaged(target.revision, plan.unmanaged)
        self._watch(converged)
        changed = converged.made or converged.activated
        result = Result.HELD if plan.held else Result.CHANGED if changed else Result.IN_SYNC
        outcome = Outcome(
            result=result if well else Result.FAILED,
            revision=target.revision,
            made=converged.made,
            activated=converged.activated,
            reported=plan.reported,
            held=plan.held,
            waits=plan.waits,
            failures=converged.failures,
        )
        if converged.proof is not None:
            self._proved = _Proved(
                key=self._key(target),
                proof=converged.proof,
                outcome=replace(outcome, made=(), activated=(), result=_at_rest(outcome, plan)),
                plan=plan,
                digest=converged.view.digest,
            )
        return outcome

    def _note_good(self, target: Target) -> None:
        """This revision works, with what the host has of that which git leaves open."""
        state, host = self._house.state, self._house.host
        version = own.installed(host, target.spec, self._house.site(host))
        pins = {"prosody": version} if version is not None else {}
        if (state.marks().good, state.pins()) != (target.revision, pins):
            state.mark(good=target.revision, pins=pins)
            self._source.keep("good", target.revision)

    def _back(self, target: Target, result: Result, cause: AgentError) -> Outcome:
        """Converge to the last good state; when there is none, or that fails too, hands off."""
        made = cause.made if isinstance(cause, PassFailed) else ()
        mistakes = cause.mistakes if isinstance(cause, SpecError) else ()
        good = self._choice.good()
        if good is None or good.spec.digest == target.spec.digest:
            if isinstance(cause, SpecError):
                return Outcome(result=result, revision=None, mistakes=mistakes)
            reason = f"{cause}; there is no earlier good state to go back to"
            return self._stall(target, reason, made, hands_off=target)
        self._reject(target, cause)
        way = f"{cause}; going back to {good.revision[:12]}"
        try:
            converged = converge(self._house, self._spec(good), revision=good.revision, undoing=target.revision)
        except (Interrupted, Temporary, StateUnusable):
            raise  # the next pass finishes it
        except AgentError as error:
            return self._stall(target, f"{way} failed too: {error}", made, hands_off=good)
        if result is Result.ROLLED_BACK and (kept := _kept_from_prosody(converged.view.plan)):
            return self._stall(target, f"{way} is not possible: {kept}", made, hands_off=good)
        back = self._record(good, converged)
        if result is Result.ROLLED_BACK:
            told = {"object": "prosody", "reason": str(cause), "rejected": target.revision}
            self._house.events.tell("rolled_back", level="error", revision=good.revision, **told)
        failures = () if mistakes else (str(cause),)
        return replace(back, result=result, made=(*made, *back.made), mistakes=mistakes, failures=failures)

    def _reject(self, target: Target, cause: AgentError) -> None:
        """Not to be tried again. It is told already, so polls are silent."""
        reason = "ValidationFailed" if isinstance(cause, SpecError) else redact(str(cause))  # in Prosody's own words
        self._house.state.reject(target.spec.digest, target.revision, reason)
        self._telling.note_refused(target.revision, cause)

    def _stall(self, target: Target, reason: str, made: tuple[Change, ...], *, hands_off: Target) -> Outcome:
        """`hands_off` is the input that later passes would try, and leave alone."""
        record = {"digest": hands_off.spec.digest, "reason": redact(reason)}
        if hands_off is not target:
            record["revision"] = hands_off.revision  # a commit that goes back to it in git is a person's word
        self._house.state.remember(STALLED, record, self._house.clock())
        error = Stalled(f"{reason}; see the log, then `prosodist reconcile`")
        self._house.events.tell("stalled", level="error", revision=target.revision, reason=str(error))
        return Outcome(result=Result.STALLED, revision=target.revision, made=made, failures=(str(error),))

    def _spec(self, target: Target) -> HostSpec:
        """What it wants; of a state that was gone back to, with the version of Prosody that it was good with."""
        marks = self._house.state.marks()
        if marks.good != target.revision or marks.accepted is None or marks.accepted != marks.rejected:
            return target.spec
        return own.pinned(target.spec, self._house.state.pins().get("prosody"))

    def _undoing(self) -> str | None:
        """The rejected commit, while an older state is enforced: a way back that was cut short goes on."""
        return self._house.state.marks().rejected if self._choice.refusal is not None else None

    def _suspended(self, target: Target) -> Outcome:
        """Drift is reported; nothing is changed."""
        memory = recollect(self._house.state)
        view, _ = observe(self._house, self._spec(target), memory, revision=target.revision)
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
        match self._choice.refusal:
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
        # what packages bring is left to the polls: an upgrade is not to be looked at in its middle
        opened = (
            {name for name, _ in converged.proof.paths if not name.startswith("/usr/")} if converged.proof else set()
        )
        self.watched = frozenset(awaited | opened | {name for name in objects if name.startswith("/")})
        instants = [wait.until.at for wait in plan.waits if isinstance(wait.until, Instant)]
        if converged.proof is not None and converged.proof.next_due is not None:
            instants.append(converged.proof.next_due)
        self.wake_at = min(instants, default=None)


def _nothing_offered() -> AgentError:
    return SourceRefused("the repository offers nothing that could be enforced")


def _is_left_alone(target: Target, stalled: Record) -> bool:
    value = stalled.value
    return bool(value["digest"] == target.spec.digest and value.get("revision", target.revision) == target.revision)


def _at_rest(outcome: Outcome, plan: Plan) -> Result:
    """What the same pass comes to when nothing has moved: what a service refused stays a failure."""
    if outcome.failures:
        return outcome.result
    return Result.HELD if plan.held else Result.IN_SYNC


def _kept_from_prosody(plan: Plan) -> str:
    """Why Prosody is not what this commit makes of it: its configuration or service waits; empty when neither does."""
    stuck: tuple[Wait | Change, ...] = (*plan.waits, *plan.held)
    for verdict in stuck:
        if verdict.id.startswith(("config:", "service:")):
            why = verdict.why if isinstance(verdict, Wait) else verdict.needs_word
            return f"{verdict.id.partition(':')[2]}: {why}"
    return ""
