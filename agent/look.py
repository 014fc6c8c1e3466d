"""One look at the host: every reconciler's verdicts, judged; what is held; and what would make it all live.

Nothing is changed here. `plan` prints what a look finds, and a round of `converge` carries it out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from agent.trace import Tracer
from reconcilers import RECONCILERS, activation, drift, loading, notices, packages, services, sources
from reconcilers.apt.together import together
from reconcilers.apt.wanted import OWN
from reconcilers.candidate import included, object_id
from reconcilers.contract import Reader, Site
from reconcilers.included import is_read
from reconcilers.unmanaged import find_unmanaged
from schemas.actions import Make, WriteFile
from schemas.desired import HostSpec
from schemas.errors import AgentError, SpecError
from schemas.plan import Activation, Change, DriftClass, Holds, NextRound, PathChanges, Plan, Policy, Verdict, Wait
from schemas.record import OpenDrift, Owned

CONTESTED_AFTER = 5
"""Corrections of one object, none longer than `CONTESTED_WITHIN` after the last, until somebody else is taken to write
it too: a program that puts it back is quicker than a person who tries things."""
CONTESTED_WITHIN = 60.0
"""Seconds."""
CONTESTED_FOR = 600.0
"""Seconds that a contested object is left alone."""
_BEFORE_PROSODY = (sources.NAME, packages.NAME)
"""What may have to be there before another version of Prosody can be had."""
_NOTICES = "notices"
"""Who says that a service is to be told by a person; no reconciler."""


class Memory(Struct, frozen=True, kw_only=True):
    """What a look needs of the state: the inventory, what was corrected before, and what a person has confirmed."""

    owned: Mapping[str, Mapping[str, Owned]]
    fights: Mapping[str, OpenDrift]
    confirmed: str | None = None
    """The digest of the held plan that a person agreed to."""
    undoing: str | None = None
    """The failed commit that is being undone: to put right what it wrote needs nobody's word."""


class View(Struct, frozen=True, kw_only=True):
    """What a look found. `by` names the reconciler of each id, `released` is what ceases to be ours."""

    plan: Plan
    by: Mapping[str, str]
    released: tuple[Change, ...]
    contested: frozenset[str]
    """Ids of what was told as contested, and is left alone for a while."""
    digest: str
    """Names what is held, for `prosodist confirm`; empty when nothing is."""
    refused: Mapping[str, str] = {}
    """What the check of a service said no to before, and is left alone: `check:SERVICE` → its words."""


def look(reader: Tracer, spec: HostSpec, site: Site, memory: Memory, *, revision: str) -> View:
    """One round's plan. Raises SpecError (a template), TooDear and Temporary."""
    verdicts: list[Verdict] = []
    reported: list[Change] = []
    released: list[Change] = []
    by: dict[str, str] = {}
    for reconciler in RECONCILERS:
        owned = memory.owned.get(reconciler.name, {})
        judged = drift.judge(reconciler.verdicts(reader, spec, owned, site), owned)
        _insist_on_verdicts(reconciler.name, owned, judged)
        by |= {verdict.id: reconciler.name for verdict in (*judged.verdicts, *judged.reported)}
        verdicts += judged.verdicts
        reported += judged.reported
        released += judged.released
    remembered = notices.recall(reader)
    verdicts = notices.leave_refused(notices.with_readers(verdicts, remembered), remembered, spec, site)
    verdicts, contested = _leave_contested(reader, verdicts, memory)
    reported += contested
    allowed, held = hold(verdicts, spec, memory, revision)
    if site.prosody is not None:
        allowed = wait_for_prosody(allowed, by)
    strangers = tuple(find_unmanaged(reader, spec, memory.owned, site))
    plan = Plan(verdicts=tuple(allowed), held=tuple(held), reported=tuple(reported), unmanaged=strangers)
    try:
        if (owed := _activation(reader, spec, site, plan)) is not None:
            plan = replace(plan, activations=(owed,))
    except SpecError as error:
        if not _runs_as_it_lies(reader, spec, site):
            raise
        # Prosody loaded this very text: a file that it includes was changed since, and by nobody of ours
        path = included(spec)[0]
        why = f"Prosody runs, and could not be started anew: {error}"
        wait = Wait(id=f"include:{path}", why=why, until=PathChanges(path))
        plan, by[wait.id] = replace(plan, verdicts=(*plan.verdicts, wait)), by[object_id(site)]
    plan = _with_services(reader, spec, site, plan)
    return View(
        plan=plan,
        by=by | {wait.id: _NOTICES for wait in plan.waits if wait.id not in by},
        released=tuple(released),
        contested=frozenset(change.id for change in contested),
        digest=name_held(held, revision) if held else "",
        refused=notices.still_refused(remembered, plan.waits),
    )


def _with_services(reader: Reader, spec: HostSpec, site: Site, plan: Plan) -> Plan:
    """With what the services around Prosody are owed, once these changes are made."""
    owed = notices.owed(reader, spec, site, notices.foresee(reader, spec, site, plan.changes))
    activations = (*plan.activations, *owed.activations)
    return replace(plan, verdicts=(*plan.verdicts, *owed.waits), activations=activations)


def _insist_on_verdicts(name: str, owned: Mapping[str, Owned], judged: drift.Judged) -> None:
    """An object of ours about which nothing is said would stay in the inventory for ever."""
    said = {v.id for v in (*judged.verdicts, *judged.reported, *judged.released)}
    if silent := sorted(set(owned) - said):
        raise AgentError(f"reconciler {name} says nothing of {', '.join(silent)}; this is a mistake of ours")


def _leave_contested(reader: Reader, verdicts: list[Verdict], memory: Memory) -> tuple[list[Verdict], list[Change]]:
    """An object that somebody puts back each time is not fought over in a loop: what is left, and what is only told."""
    kept: list[Verdict] = []
    contested: list[Change] = []
    for verdict in verdicts:
        fight = memory.fights.get(verdict.id)
        fought = isinstance(verdict, Change) and verdict.drift is DriftClass.CORRECTIVE
        if (
            not fought
            or fight is None
            or fight.corrected < CONTESTED_AFTER
            or reader.due(fight.last_corrected + CONTESTED_FOR)
        ):
            kept.append(verdict)
        elif isinstance(verdict, Change):
            why = f"{verdict.why}; put right {fight.corrected} times, each time changed back by somebody else"
            contested.append(replace(verdict, why=why))
    return kept, contested


def hold(verdicts: list[Verdict], spec: HostSpec, memory: Memory, revision: str) -> tuple[list[Verdict], list[Change]]:
    """What may be done, and what waits for a person's word: a takeover, and more removals than allowed."""
    undone = {ours.id for owned in memory.owned.values() for ours in owned.values() if ours.revision == memory.undoing}
    asked = [v for v in verdicts if isinstance(v, Change) and v.id not in undone]
    removals = [v for v in asked if v.is_removal or v.removes]
    count = sum(1 if change.removes is None else change.removes for change in removals)
    limit = spec.host.prune.confirm_above
    too_many = {change.id for change in removals} if count > limit else set()
    held = [
        replace(v, needs_word=v.needs_word or f"{count} removals in one pass, {limit} are allowed")
        for v in asked
        if v.needs_word or v.id in too_many
    ]
    if held and memory.confirmed == name_held(held, revision):
        return list(together(verdicts)), []
    ids = {change.id for change in held}
    return list(together(v for v in verdicts if v.id not in ids)), held


def wait_for_prosody(verdicts: list[Verdict], by: Mapping[str, str]) -> list[Verdict]:
    """While the version of Prosody that a commit is for cannot be had, the one that is there gets nothing of it.

    What was as it is wanted now, and is so no more, is put right as ever.
    """
    own = next((v for v in verdicts if v.id == OWN and isinstance(v, Wait)), None)
    if own is None:
        return verdicts
    why = f"it comes with the Prosody of its commit, of which {own.why}"
    return [
        Wait(id=v.id, why=why, until=own.until, origin=v.origin)
        if isinstance(v, Change) and v.drift is not DriftClass.CORRECTIVE and by[v.id] not in _BEFORE_PROSODY
        else v
        for v in verdicts
    ]


def name_held(held: list[Change], revision: str) -> str:
    """What a person agrees to with `prosodist confirm`."""
    what = repr((revision, sorted((c.id, c.kind.value, c.wanted, c.live) for c in held)))
    return hashlib.sha256(what.encode()).hexdigest()


def _activation(reader: Reader, spec: HostSpec, site: Site, plan: Plan) -> Activation | None:
    """What the changes of this round, or those of a pass that was cut short, still owe the running Prosody."""
    if any(isinstance(wait.until, NextRound) for wait in plan.waits):
        return None  # this pass brings more, and one activation will do for all of it
    process = activation.running_process(reader, site)
    if process is None or spec.host.prosody is None or site.prosody is None or services.starts_prosody(plan):
        return None
    if any(is_read(spec, change.object) for change in plan.changes):
        return None  # as it lies there it is not what will be loaded, and may be nothing that can be
    running = activation.known_running(reader, process, spec)
    text = _candidate(reader, spec, site, plan)
    if text is not None:
        candidate = loading.loaded(reader, spec, site, text, running=running)
    elif running is not None:
        candidate = loading.keeping_options(reader, site, running)
    else:
        return None
    made = {
        f"{action.path}.crt": "to be made"
        for change in plan.changes
        for action in change.actions
        if isinstance(action, Make) and "prosody" in change.touches
    }
    modules = loading.modules_after(plan, candidate, running, site)
    candidate = replace(candidate, files={**candidate.files, **made}, modules=modules)
    unread = notices.unread(reader, spec, site, notices.foresee(reader, spec, site, plan.changes), candidate.files)
    return activation.activation(running, candidate, process, site, unread=unread)


def _runs_as_it_lies(reader: Reader, spec: HostSpec, site: Site) -> bool:
    """Whether the running Prosody has loaded the main file that lies there, whatever it includes."""
    process, text = activation.running_process(reader, site), reader.read(site.paths.config)
    running = activation.known_running(reader, process, spec) if process is not None else None
    return running is not None and text is not None and running.files.get(str(site.paths.config)) == site.digest(text)


def _candidate(reader: Reader, spec: HostSpec, site: Site, plan: Plan) -> bytes | None:
    """The configuration that will lie there after this round; None when it will not be git's.

    What somebody wrote by hand, and what is held, is nothing that we make live.
    """
    id_ = object_id(site)
    if any(is_read(spec, change.object) for change in (*plan.reported, *plan.held)):
        return None
    for verdict in plan.verdicts:
        if verdict.id != id_:
            continue
        if isinstance(verdict, Holds):
            return reader.read(site.paths.config) if _is_minded(spec) else None
        for action in verdict.actions if isinstance(verdict, Change) else ():
            if isinstance(action, WriteFile) and action.path == site.paths.config:
                return action.content if isinstance(action.content, bytes) else action.content.reveal()
    return None


def _is_minded(spec: HostSpec) -> bool:
    """Whether an edit of Prosody's configuration by hand is looked for at all."""
    prosody = spec.host.prosody
    return prosody is not None and (prosody.drift or spec.host.drift) is not Policy.IGNORE


def settled(view: View) -> bool:
    """Nothing may be done now and nothing is owed."""
    return not view.plan.changes and not view.plan.activations
