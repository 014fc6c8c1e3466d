"""Rounds of observe, plan, check, apply, activate, look again, until a look finds nothing that may be done.

An empty plan is not "done": an activation may be owed from a pass that was cut short. What runs is the baseline,
not the file on disk. Nothing is done twice: the same deed wanted again is `NotConverging`, or `Contested` when
what we wrote no longer lies there.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from msgspec import Struct, field
from msgspec.structs import replace

from agent import activate, drifts, failures, health, inventory, owing, stage
from agent.activate import PROSODY
from agent.house import House
from agent.look import Memory, View, look, settled
from agent.rehearsal import rehearse
from agent.state import State
from agent.trace import Proof, Tracer
from reconcilers import RECONCILERS, sources
from reconcilers.contract import Site
from schemas.actions import Action, AskApt, Install, Keep, Link, Remove, RemoveFile, Signature, WriteBlock, WriteFile
from schemas.desired import HostSpec
from schemas.errors import (
    ActionFailed,
    AgentError,
    CheckRefused,
    Contested,
    NotConverging,
    Stale,
    Temporary,
    Unhealthy,
)
from schemas.notice import Notices
from schemas.plan import Activation, Change, DriftClass, NextRound, Plan

ROUNDS = 20
STALE_ROUNDS = 3
"""How often one object may move under our hands before it is left to the next pass."""


class PassFailed(AgentError):
    """Prosody's configuration, code or service could not be brought to what this input wants."""

    reason = "ApplyFailed"

    def __init__(self, cause: AgentError, made: tuple[Change, ...]) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.made = made


class Converged(Struct, frozen=True, kw_only=True):
    """Where a pass came to rest: the last look, what was made on the way, what failed and is tried again."""

    view: View
    made: tuple[Change, ...]
    activated: tuple[Activation, ...]
    failures: tuple[str, ...]
    proof: Proof | None


class _Pass(Struct):
    """What one pass remembers from round to round."""

    made: list[Change] = field(default_factory=list)
    activated: list[Activation] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    """Ids on which a deed of ours left its mark in this round, or may have."""
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


def recollect(state: State, *, undoing: str | None = None) -> Memory:
    """What a look needs of the state."""
    confirmed = state.confirmed()
    return Memory(
        owned=state.owned(),
        fights={drift.id: drift for drift in state.corrected_drift()},
        confirmed=confirmed.digest if confirmed else None,
        undoing=undoing,
    )


def converge(house: House, spec: HostSpec, *, revision: str, undoing: str | None = None) -> Converged:
    """Bring the host to `spec`. `undoing` is the commit that failed, when this is the way back from it.

    Raises SpecError when the candidate configuration is refused (nothing was written), Temporary when it cannot be
    judged now, PassFailed after something that Prosody needs was begun and went wrong, Interrupted.
    """
    memory = _Pass()
    for _ in range(ROUNDS):
        tracer = Tracer(house.host)
        site = house.site(tracer)
        view = look(tracer, spec, site, recollect(house.state, undoing=undoing), revision=revision)
        drifts.tell(house.state, house.events, view, revision=revision, at=house.clock())
        view = _without(view, memory.failed)
        inventory.settle(house.state, view, revision)
        for released in view.released:
            house.events.change("change.made", released, revision=revision)
        ripe = _postponing(view)
        if settled(ripe):
            failing = {**memory.failed, **view.refused}
            failures.settle(house.state, failing, at=house.clock())
            owing.settle(house, spec, site)
            if house.state.owed() is not None:
                house.state.clear_owed()
            return Converged(
                view=view,
                made=tuple(memory.made),
                activated=tuple(memory.activated),
                failures=tuple(dict.fromkeys(failing.values())),
                proof=None if memory.failed else tracer.proof(),
            )
        rehearse(house.host, spec, site, ripe.plan, whole=view.plan)
        _round(house, spec, site, ripe, memory, revision)
    raise PassFailed(NotConverging(f"the host: {ROUNDS} rounds did not suffice; see the log"), tuple(memory.made))


def _round(house: House, spec: HostSpec, site: Site, view: View, memory: _Pass, revision: str) -> None:
    plan = view.plan
    if problems := list(plan.problems()):
        raise AgentError("the plan is unfit: " + "; ".join(problems))
    if _give_up_repetitions(house, plan, memory, revision):
        return
    stage.check(house.host, spec, site, plan)
    _foresee(house, plan)
    owed_before = owing.write_ahead(house, spec, site, plan)
    former = inventory.write_ahead(house.state, view, revision)
    memory.touched.clear()
    try:
        for change in plan.changes:
            if not _apply(house, change, memory, revision) and PROSODY in change.touches:
                return  # it moved under our hands: what lies there now is nothing to make live, nor to start
        owing.withdraw(house, owed_before, {change.id for change in plan.changes} - memory.touched)
        if _take_back(house, spec, site, plan, memory, revision, owed_before):
            return
        mark = health.mark_log(site)
        if (owed := plan.activation(PROSODY)) is not None:
            activate.perform(house, owed, revision=revision)
            memory.activated.append(owed)
        activate.prove(house, spec, plan, mark)
        memory.activated += owing.pay(house, spec, site, revision=revision, failed=memory.failed)
        owing.settle(house, spec, site, told=[owed.service] if owed else [])
    except (ActionFailed, Unhealthy, NotConverging) as error:
        raise PassFailed(error, tuple(memory.made)) from error
    finally:
        untouched = [owned for owned in former if owned.id not in memory.touched]
        house.state.settle_round(untouched, owes=house.state.owed())
    house.state.clear_owed()


def _take_back(
    house: House, spec: HostSpec, site: Site, plan: Plan, memory: _Pass, revision: str, before: Notices
) -> bool:
    """Put back what services say no to; whether Prosody reads any of it, which has to be looked at anew then."""
    refused = owing.check(house, spec, site, revision=revision, before=before)
    memory.failed |= refused
    memory.made = [change for change in memory.made if change.id not in refused]
    return any(change.id in refused and PROSODY in change.touches for change in plan.changes)


def _foresee(house: House, plan: Plan) -> None:
    """Nothing is written, and no Prosody stopped, for a start that cannot come. What it does not need fails alone."""
    steps = [change.actions for change in plan.changes if PROSODY in change.touches]
    steps += [owed.after for owed in plan.activations]
    for actions in steps:
        for action in actions:
            house.host.foresee(action)


def _apply(house: House, change: Change, memory: _Pass, revision: str) -> bool:
    """One change; whether it was made. What Prosody does not need may fail without failing the pass."""
    house.heed()
    critical = PROSODY in change.touches
    try:
        house.perform(change.actions)
    except Stale as error:
        memory.stale[change.id] += 1
        if memory.stale[change.id] > STALE_ROUNDS:
            _give_up(house, change, error, memory, revision)
        return False  # the next round sees it as it is now
    except CheckRefused as error:
        _give_up(house, change, error, memory, revision)
        return False  # it never took its place, so Prosody has what it had
    except (ActionFailed, Temporary) as error:
        if critical and isinstance(error, Temporary) and not memory.touched:
            raise  # nothing of this round was done yet
        if critical or (change.drift is DriftClass.INTENDED and len(_deed(change)) > 1):
            memory.touched.add(change.id)  # half of it may have been done; a single action is done or not
        if critical:
            raise ActionFailed(str(error)) from error
        _give_up(house, change, error, memory, revision)
        return False
    memory.touched.add(change.id)
    memory.deeds.setdefault(change.id, []).append(_deed(change))
    memory.made.append(change)
    if change.wanted is None:
        house.state.disown([change.id])
    origin = str(change.origin) if change.origin else None
    house.events.change("change.made", change, revision=revision, origin=origin)
    drifts.corrected(house.state, house.events, change, revision=revision, at=house.clock())
    return True


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
    words = str(error) if str(error).startswith(change.object) else f"{change.object}: {error}"
    memory.failed[change.id] = words
    failures.tell(house.state, house.events, change, words, revision=revision, at=house.clock())


def _deed(change: Change) -> tuple[Action, ...]:
    """A change without what the plan happened to see, and what came along: what would be done again."""
    nowhere = Signature(0, 0, 0, 0, 0)
    actions = []
    for action in change.actions:
        if isinstance(action, Keep):
            continue
        has_was = isinstance(action, WriteFile | WriteBlock | Link | RemoveFile)
        if isinstance(action, Install | Remove):
            action = replace(action, along=())
        actions.append(replace(action, was=nowhere) if has_was else action)
    return tuple(actions)


def _without(view: View, failed: dict[str, str]) -> View:
    """What failed in this pass is tried in the next one; what may not be written is not made live either."""
    if not failed:
        return view
    theirs = any(id_.startswith("config:") for id_ in failed)
    kept = tuple(v for v in view.plan.verdicts if not (isinstance(v, Change) and v.id in failed))
    activations = tuple(
        owed
        for owed in view.plan.activations
        if f"service:{owed.service}" not in failed and not (owed.service == PROSODY and theirs)
    )
    return replace(view, plan=replace(view.plan, verdicts=kept, activations=activations))


def _postponing(view: View) -> View:
    """Leave for a later round what may not come in this one.

    What loses data comes when nothing else is left. And while a reconciler waits for an earlier step of this pass,
    those after it in the order wait with it: a candidate configuration that is not known yet may still be refused,
    and then nothing else of its commit may have been written.
    """
    plan = view.plan
    waiting = [view.by[wait.id] for wait in plan.waits if isinstance(wait.until, NextRound)]
    waiting += [view.by[change.id] for change in plan.changes if _brings_more(change, view.by[change.id])]
    order = [bound.name for bound in RECONCILERS]
    last = min(map(order.index, waiting), default=len(order))
    gentle = [change for change in plan.changes if not change.loses_data]

    def now(change: Change) -> bool:
        return order.index(view.by[change.id]) <= last and (not change.loses_data or not gentle)

    kept = tuple(v for v in plan.verdicts if not isinstance(v, Change) or now(v))
    return replace(view, plan=replace(plan, verdicts=kept))


def _brings_more(change: Change, by: str) -> bool:
    """Whether those later in the order will see another host after it: there is more to be had, or more is there."""
    return by == sources.NAME or any(isinstance(action, AskApt | Install) for action in change.actions)
