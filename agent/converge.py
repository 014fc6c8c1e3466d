"""Rounds of observe, plan, check, apply, activate, look again, until a look finds nothing that may be done.

An empty plan is not "done": an activation may be owed from a pass that was cut short. What runs is the baseline,
not the file on disk. Nothing is done twice: the same deed wanted again is `NotConverging`, or `Contested` when
what we wrote no longer lies there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from agent import drifts, health, stage
from agent.events import Events
from agent.host import LocalHost
from agent.look import Memory, View, look, settled
from agent.reading import Renderer
from agent.state import State
from agent.trace import Proof, Tracer
from reconcilers import RECONCILERS, activation, loading
from reconcilers.contract import Reader, Site
from schemas.desired import HostSpec
from schemas.errors import ActionFailed, AgentError, Contested, NotConverging, Stale, Temporary, Unhealthy
from schemas.plan import Action, Change, Holds, Keep, Link, NextRound, Plan, RemoveFile, Signature, Spawn, WriteFile
from schemas.record import Owned

ROUNDS = 20
STALE_ROUNDS = 3
"""How often one object may move under our hands before it is left to the next pass."""
PROSODY = "prosody"
"""The service whose trouble makes a commit unwell; any other object that fails is told and tried again."""


class Interrupted(AgentError):
    """The agent is asked to end; every step so far is whole."""

    reason = "Interrupted"


class PassFailed(AgentError):
    """Prosody's configuration, code or service could not be brought to what this input wants."""

    reason = "ApplyFailed"

    def __init__(self, cause: AgentError, made: tuple[Change, ...]) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.made = made


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What a pass works with."""

    host: LocalHost
    state: State
    events: Events
    site: Callable[[Reader], Site]
    """Looks the site up through a reader, so that the proof of an idle pass covers it."""
    renderer: Renderer
    clock: Callable[[], float] = time.time
    stopping: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True, kw_only=True)
class Converged:
    """Where a pass came to rest: the last look, what was made on the way, what failed and is tried again."""

    view: View
    made: tuple[Change, ...]
    failures: tuple[str, ...]
    proof: Proof | None


@dataclass(slots=True)
class _Pass:
    """What one pass remembers from round to round."""

    made: list[Change] = field(default_factory=list)
    deeds: dict[str, list[tuple[Action, ...]]] = field(default_factory=dict)
    """Id → what was done to it."""
    failed: dict[str, str] = field(default_factory=dict)
    stale: Counter[str] = field(default_factory=Counter)


def observe(house: House, spec: HostSpec, memory: Memory, *, revision: str) -> tuple[View, Proof | None]:
    """Look only."""
    tracer = Tracer(house.host)
    site = house.site(tracer)
    view = look(tracer, spec, site, memory, revision=revision)
    return view, tracer.proof()


def recollect(state: State, *, undoing: bool = False) -> Memory:
    """What a look needs of the state."""
    confirmed = state.confirmed()
    return Memory(
        owned=state.owned(),
        fights={drift.id: drift for drift in state.corrected_drift()},
        confirmed=confirmed.digest if confirmed else None,
        undoing=undoing,
    )


def converge(house: House, spec: HostSpec, *, revision: str, undoing: bool = False) -> Converged:
    """Bring the host to `spec`.

    Raises SpecError when the candidate configuration is refused (nothing was written), Temporary when it cannot be
    judged now, PassFailed after something that Prosody needs was begun and went wrong, Interrupted.
    """
    memory = _Pass()
    for _ in range(ROUNDS):
        tracer = Tracer(house.host)
        site = house.site(tracer)
        view = look(tracer, spec, site, recollect(house.state, undoing=undoing), revision=revision)
        view = _without(view, memory.failed)
        _settle(house, view, revision)
        drifts.tell(house.state, house.events, view, revision=revision, at=house.clock())
        ripe = _postponing(view)
        if settled(ripe):
            made, failures = tuple(memory.made), tuple(memory.failed.values())
            return Converged(view=view, made=made, failures=failures, proof=None if failures else tracer.proof())
        _round(house, spec, site, ripe, memory, revision)
    raise PassFailed(NotConverging(f"the host: {ROUNDS} rounds did not suffice; see the log"), tuple(memory.made))


def _round(house: House, spec: HostSpec, site: Site, view: View, memory: _Pass, revision: str) -> None:
    plan = view.plan
    if problems := list(plan.problems()):
        raise AgentError("the plan is unfit: " + "; ".join(problems))
    if _give_up_repetitions(house, plan, memory, revision):
        return
    stage.check(house.host, spec, site, plan)
    _write_ahead(house, view, revision)
    activations = [plan.activation] if plan.activation else []
    try:
        for owed in activations:
            _perform(house, owed.before)
        applied = [_apply(house, change, memory, revision) for change in plan.changes]
        if not all(done or PROSODY not in change.touches for done, change in zip(applied, plan.changes, strict=True)):
            return  # something moved under our hands, and what lies there now is nothing to make live
        for owed in activations:
            _perform(house, owed.after)
            house.events.tell(
                "activation.made",
                revision=revision,
                object=owed.service,
                reason=owed.reason,
                disruption=owed.disruption.name,
            )
        _prove(house, spec, plan)
    except (ActionFailed, Unhealthy, NotConverging) as error:
        raise PassFailed(error, tuple(memory.made)) from error
    house.state.clear_owed()


def _apply(house: House, change: Change, memory: _Pass, revision: str) -> bool:
    """One change; whether it was made. What Prosody does not need may fail without failing the pass."""
    if house.stopping():
        raise Interrupted("the pass: ended between two steps; the next one finishes it")
    critical = PROSODY in change.touches
    try:
        _perform(house, change.actions)
    except Stale as error:
        memory.stale[change.id] += 1
        if memory.stale[change.id] > STALE_ROUNDS:
            _give_up(house, change, error, memory, revision)
        return False  # the next round sees it as it is now
    except (ActionFailed, Temporary) as error:
        if critical:
            raise ActionFailed(str(error)) from error
        _give_up(house, change, error, memory, revision)
        return False
    memory.deeds.setdefault(change.id, []).append(_deed(change))
    memory.made.append(change)
    if change.wanted is None:
        house.state.disown([change.id])
    origin = str(change.origin) if change.origin else None
    house.events.change("change.made", change, revision=revision, origin=origin)
    drifts.corrected(house.state, house.events, change, revision=revision, at=house.clock())
    return True


def _perform(house: House, actions: tuple[Action, ...]) -> None:
    for action in actions:
        house.host.perform(action)


def _prove(house: House, spec: HostSpec, plan: Plan) -> None:
    """After Prosody was started, restarted or reloaded: is it well, and what has it loaded?

    Of a process that was only found again nobody knows what it loaded: it may be older than what lies on the disk.
    """
    started = any(isinstance(action, Spawn) for change in plan.changes for action in change.actions)
    if plan.activation is None and not started:
        return
    reader = house.host
    site = house.site(reader)
    process = health.prove(reader, spec, site)
    if process is None or (text := reader.read(site.paths.config)) is None:
        return
    loaded = loading.loaded(reader, spec, site, text)
    house.state.remember(activation.RUNNING, activation.running_record(process, loaded), house.clock())


def _give_up_repetitions(house: House, plan: Plan, memory: _Pass, revision: str) -> bool:
    """Leave alone for this pass what is wanted again right after it was made; whether there was any.

    When what we wrote still lies there, Prosody's own objects fail the commit. When it does not, somebody else
    writes too, for which the commit cannot be blamed.
    """
    repeated = [change for change in plan.changes if _deed(change) in memory.deeds.get(change.id, ())]
    for change in repeated:
        error: AgentError = NotConverging(f"{change.object}: still {change.why} after it was {change.kind.value}")
        if change.object.startswith("/") and not house.host.ours(PurePosixPath(change.object)):
            error = Contested(f"{change.object}: somebody else writes it too; find out who, and stop one of us")
        elif PROSODY in change.touches:
            raise PassFailed(error, tuple(memory.made))
        _give_up(house, change, error, memory, revision)
    return bool(repeated)


def _give_up(house: House, change: Change, error: AgentError, memory: _Pass, revision: str) -> None:
    """What Prosody does not need may fail without failing the pass; the next one tries again."""
    memory.failed[change.id] = str(error) if str(error).startswith(change.object) else f"{change.object}: {error}"
    house.events.change("change.failed", change, revision=revision, level="error", error=str(error))


def _deed(change: Change) -> tuple[Action, ...]:
    """A change without what the plan happened to see: what would be done again."""
    nowhere = Signature(0, 0, 0, 0, 0)
    actions = []
    for action in change.actions:
        if isinstance(action, Keep):
            continue
        actions.append(replace(action, was=nowhere) if isinstance(action, WriteFile | Link | RemoveFile) else action)
    return tuple(actions)


def _without(view: View, failed: dict[str, str]) -> View:
    """What failed in this pass is tried in the next one; what may not be written is not made live either."""
    if not failed:
        return view
    theirs = any(id_.startswith("config:") for id_ in failed)
    kept = tuple(v for v in view.plan.verdicts if not (isinstance(v, Change) and v.id in failed))
    activation = None if theirs else view.plan.activation
    return replace(view, plan=replace(view.plan, verdicts=kept, activation=activation))


def _postponing(view: View) -> View:
    """Leave for a later round what may not come in this one.

    What loses data comes when nothing else is left. And while a reconciler waits for an earlier step of this pass,
    those after it in the order wait with it: a candidate configuration that is not known yet may still be refused,
    and then nothing else of its commit may have been written.
    """
    plan = view.plan
    waiting = [view.by[wait.id] for wait in plan.waits if isinstance(wait.until, NextRound)]
    order = [bound.name for bound in RECONCILERS]
    last = min(map(order.index, waiting), default=len(order))
    gentle = [change for change in plan.changes if not change.loses_data]

    def now(change: Change) -> bool:
        return order.index(view.by[change.id]) <= last and (not change.loses_data or not gentle)

    kept = tuple(v for v in plan.verdicts if not isinstance(v, Change) or now(v))
    return replace(view, plan=replace(plan, verdicts=kept))


def _write_ahead(house: House, view: View, revision: str) -> None:
    """What is about to be ours and which activation will be owed, before the first byte is written."""
    known = house.state.owned()
    begun = []
    for change in view.plan.changes:
        if change.wanted is None:
            continue
        reconciler = view.by[change.id]
        ours = known.get(reconciler, {}).get(change.id)
        begun.append(
            Owned(
                id=change.id,
                reconciler=reconciler,
                wish=change.wanted,
                digest=ours.digest if ours else "",
                revision=revision,
                made=ours.made if ours else change.live is None,
            )
        )
    owed = view.plan.activation
    house.state.begin_round(begun, owes=f"{owed.service}: {owed.disruption.name}" if owed else None)


def _settle(house: House, view: View, revision: str) -> None:
    """Take into the inventory what was seen to hold, and let go of what is no more. Writes only what is new."""
    known = house.state.owned()
    news = []
    for verdict in view.plan.verdicts:
        ours = known.get(view.by[verdict.id], {}).get(verdict.id)
        if isinstance(verdict, Holds):
            if ours and (ours.wish, ours.digest) == (verdict.wanted, verdict.live):
                continue
            news.append(
                Owned(
                    id=verdict.id,
                    reconciler=view.by[verdict.id],
                    wish=verdict.wanted,
                    digest=verdict.live,
                    revision=revision,
                    made=ours.made if ours else False,
                )
            )
    house.state.settle_round(news, gone=view.released, owes=house.state.owed())
