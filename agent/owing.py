"""What is owed to the services around Prosody: written ahead with what was there before, checked, put back, paid."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from msgspec.structs import replace

from agent import activate, atomic, failures
from agent.house import House
from agent.log import redact
from agent.state import State
from reconcilers import known, notices
from reconcilers.contract import Site
from schemas.actions import RemoveFile, Run
from schemas.desired import HostSpec
from schemas.errors import ActionFailed, AgentError
from schemas.notice import NOTICES, Debt, Notices, Refusal, Told
from schemas.plan import Activation, Change, Plan
from schemas.record import Owned


def write_ahead(house: House, spec: HostSpec, site: Site, plan: Plan) -> Notices:
    """Remember what will be owed, and keep what is there now, before the first byte. The answer is what was known.

    Raises ActionFailed when no copy can be kept: then nothing may be written.
    """
    former = notices.recall(house.host)
    ahead = notices.foresee(house.host, spec, site, plan.changes)
    changes = {change.id: change for change in plan.changes}
    owned = {id_: each for objects in house.state.owned().values() for id_, each in objects.items()}
    owed = {}
    for service, debt in ahead.owed.items():
        before = former.owed[service].objects if service in former.owed else {}
        fresh = [id_ for id_ in debt.objects if id_ in changes and id_ not in before]
        if not known.service(spec, service).check:
            fresh = []
        told = {id_: _as_it_was(house, changes[id_], debt.objects[id_], owned.get(id_)) for id_ in fresh}
        owed[service] = replace(debt, objects={**debt.objects, **told})
    _remember(house, former, replace(ahead, owed=owed))
    return former


def _as_it_was(house: House, change: Change, told: Told, owned: Owned | None) -> Told:
    why = "to be put back if a check says no to what comes"
    former = {}
    for path in map(PurePosixPath, notices.paths(change)):
        found = house.host.stat(path)
        if found is not None and found.kind not in ("file", "link"):
            continue  # what is in a directory is an object of its own
        copy = house.host.look(path, atomic.copy)
        former[str(path)] = None if copy is None else house.kept.keep(copy, why, at=house.clock())
    return replace(told, former=former, owned=owned)


def withdraw(house: House, former: Notices, untouched: Iterable[str]) -> None:
    """Nothing is owed for what was not written after all."""
    now, spared = notices.recall(house.host), set(untouched)
    owed = {}
    for service, debt in now.owed.items():
        before = former.owed[service].objects if service in former.owed else {}
        objects = {id_: told for id_, told in debt.objects.items() if id_ not in spared or id_ in before}
        if objects:
            owed[service] = replace(debt, objects=objects)
    _remember(house, now, replace(now, owed=owed))


# --- checks, and the way back ---


def check(house: House, spec: HostSpec, site: Site, *, revision: str, before: Notices) -> dict[str, str]:
    """Ask each service whether its new files are good; put back what was there where it says no.

    The answer is id → words for each object that was put back. Nobody else is told of these, but for what they were
    owed `before`.
    """
    refused: dict[str, str] = {}
    known_now = notices.recall(house.host)
    for owed in notices.owed(house.host, spec, site, known_now).activations:
        if owed.check is None:
            continue
        house.heed()
        said = _ask(house, owed.check)
        debt = known_now.owed[owed.service]
        if not said:
            _settle(house, owed.service, replace(debt, checked=True))
            continue
        words = _put_back(house, owed, owed.check, debt, said)
        refusal = Refusal(wishes=debt.wishes, words=words)
        now = notices.recall(house.host)
        left = {name: other for name, other in now.owed.items() if name != owed.service}
        _remember(house, now, replace(now, owed=left, refused={**now.refused, owed.service: refusal}))
        if known_now.refused.get(owed.service) != refusal:
            house.events.tell("service.refused", level="error", revision=revision, object=owed.service, reason=words)
        refused |= dict.fromkeys(debt.objects, words)
    if refused:
        withdraw(house, before, refused)
    return refused


def _ask(house: House, asked: Run) -> str:
    """What the check has against it; empty: nothing."""
    try:
        house.host.perform(asked)
    except ActionFailed as error:
        return redact(str(error))
    return ""


def _put_back(house: House, owed: Activation, asked: Run, debt: Debt, said: str) -> str:
    """Content, owner and mode of each file, or its absence; the last one first. The answer tells of it."""
    failed = []
    for told in reversed(tuple(debt.objects.values())):
        for path, id_ in reversed(tuple(told.former.items())):
            try:
                _restore(house, PurePosixPath(path), id_)
            except AgentError as error:
                failed.append(redact(str(error)))
    mine = [told.owned for told in debt.objects.values() if told.owned is not None]
    begun = [id_ for id_, told in debt.objects.items() if told.owned is None]
    house.state.settle_round(mine, gone=begun, owes=house.state.owed())
    names = ", ".join(id_.partition(":")[2] for id_ in debt.objects)
    words = f"{owed.service}: its check says no to {names}: {said}"
    if failed:
        return f"{words}; not all of the former files could be put back: {'; '.join(failed)}"
    if _ask(house, asked):
        words += "; it says no to the former files too, so see what else it reads"
    return f"{words}; the former files are back and nothing was reloaded"


def _restore(house: House, path: PurePosixPath, id_: str | None) -> None:
    if id_ is not None:
        house.host.restore(house.kept.item(id_))
    elif (found := house.host.stat(path)) is not None:
        house.host.perform(RemoveFile(path=path, was=found.signature))


# --- paying ---


def pay(house: House, spec: HostSpec, site: Site, *, revision: str, failed: dict[str, str]) -> list[Activation]:
    """Tell each service that has not read its files, and look whether it took them.

    What goes wrong is put down in `failed`, under `service:NAME`; what stands there already is not tried again.
    """
    made = []
    for owed in notices.owed(house.host, spec, site, notices.recall(house.host)).activations:
        id_ = f"service:{owed.service}"
        if id_ in failed or owed.check is not None:
            continue
        house.heed()
        try:
            activate.tell(house, owed, revision=revision)
        except AgentError as error:
            failed[id_] = words = redact(f"{owed.service}: {error}")
            _note(house, owed.service, words)
            if failures.is_news(house.state, id_, words):
                told = {"object": owed.service, "reason": words}
                house.events.tell("activation.failed", level="error", revision=revision, **told)
            continue
        _settle(house, owed.service, None)
        made.append(owed)
    return made


def settle(house: House, spec: HostSpec, site: Site, *, told: Iterable[str] = ()) -> None:
    """Strike out what is paid: by us (`told`), or since the service was started anew."""
    now = notices.recall(house.host)
    left = {
        name: debt
        for name, debt in now.owed.items()
        if name not in told and not notices.is_paid(house.host, spec, site, name, debt)
    }
    ours = {id_ for objects in house.state.owned().values() for id_ in objects}
    readers = {id_: who for id_, who in now.readers.items() if id_ in ours}
    _remember(house, now, replace(now, owed=left, readers=readers))


def forgive(state: State, at: float) -> None:
    """A person's word: what was refused, or what a service died of, may be tried again."""
    if (record := state.recall(NOTICES)) is None:
        return
    now = Notices.from_json(record.value)
    owed = {
        name: replace(debt, failed=replace(debt.failed, wishes={})) if debt.failed else debt
        for name, debt in now.owed.items()
    }
    if (forgiven := replace(now, owed=owed, refused={})) != now:
        state.remember(NOTICES, forgiven.to_json(), at)


def _note(house: House, service: str, words: str) -> None:
    """It was told and is not up: what it died of stays owed, or the next pass would find nothing wrong."""
    now = notices.recall(house.host)
    debt = now.owed[service]
    failed = replace(debt, failed=Refusal(wishes=debt.wishes, words=words))
    _remember(house, now, replace(now, owed={**now.owed, service: failed}))


def _settle(house: House, service: str, debt: Debt | None) -> None:
    now = notices.recall(house.host)
    owed = {name: other for name, other in now.owed.items() if name != service}
    if debt is not None:
        owed[service] = debt
    refused = {name: no for name, no in now.refused.items() if name != service}  # its files were taken
    _remember(house, now, replace(now, owed=owed, refused=refused))


def _remember(house: House, former: Notices, now: Notices) -> None:
    if now != former:
        house.state.remember(NOTICES, now.to_json(), house.clock())
