"""Not a reconciler: what the services that read our files are owed, and what they would not take.

A debt is written down before the first byte, so nothing here depends on who wrote, or on how that agent ended. It is
paid when the service was told, or runs another time: then it has read the files by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from reconcilers import known
from reconcilers.contract import Reader, Site, Unit
from reconcilers.managers import systemd
from reconcilers.profiles import manager
from reconcilers.units import UP
from schemas.actions import Control, Link, MakeDir, RemoveFile, Run, WriteBlock, WriteFile
from schemas.desired import HostSpec
from schemas.notice import NOTICES, Debt, Notices, Told
from schemas.plan import Activation, ByHand, Change, Disruption, Verdict, Wait
from schemas.units import PROSODY

_IN_FILES = ("file:", "block:")
"""How the id of what `files` writes begins."""
_CHECK_TIMEOUT = 30.0
"""Seconds."""
_VERBS = {"reload": "try-reload-or-restart", "restart": "try-restart"}
"""Neither starts what does not run; a unit that cannot reload is restarted. What died of its files is started anew with
the next ones."""
_DISRUPTIONS = {
    None: Disruption.NONE,
    "try-reload-or-restart": Disruption.RELOAD,
    "try-restart": Disruption.RESTART,
    "restart": Disruption.RESTART,
}
_DOWN = "down:"
"""How the id of a wait begins that is about a service which died."""


class Owed(Struct, frozen=True, kw_only=True):
    """What can be done about the debts, and what is left to a person."""

    activations: tuple[Activation, ...]
    waits: tuple[Wait, ...]


def recall(reader: Reader) -> Notices:
    """What is remembered of them."""
    record = reader.recall(NOTICES)
    return Notices() if record is None else Notices.from_json(record.value)


def with_readers(verdicts: Iterable[Verdict], notices: Notices) -> list[Verdict]:
    """What is gone from git touches those for whom it was written."""
    return [
        replace(verdict, touches=verdict.touches | set(notices.readers.get(verdict.id, ())))
        if isinstance(verdict, Change) and verdict.wanted is None
        else verdict
        for verdict in verdicts
    ]


# --- what was refused ---


def leave_refused(verdicts: Iterable[Verdict], notices: Notices, spec: HostSpec, site: Site) -> list[Verdict]:
    """What a check said no to is not tried again as it is: it waits for another content, or a person's word."""
    found = list(verdicts)
    left: dict[str, str] = {}
    for service in sorted({service for change in _changes(found) for service in change.touches} - {PROSODY}):
        wishes = _wishes(found, service)
        refusal = notices.refused.get(service)
        if refusal is not None and refusal.wishes == wishes:
            left |= dict.fromkeys(wishes, f"the check of {service} said no to it; change it, or `prosodist reconcile`")
        elif said := _forbidden(service, spec, site):
            left |= dict.fromkeys(wishes, said)
    return [
        Wait(id=verdict.id, why=left[verdict.id], until=ByHand(), origin=verdict.origin)
        if isinstance(verdict, Change) and verdict.id in left
        else verdict
        for verdict in found
    ]


def still_refused(notices: Notices, waits: Iterable[Wait]) -> dict[str, str]:
    """What goes on failing though nothing is tried: `check:SERVICE` → its words, for each whose files are left as they
    were; `service:NAME` → what was said when it died.
    """
    waiting = {wait.id: wait.why for wait in waits if isinstance(wait.until, ByHand)}
    left = {f"check:{name}": no.words for name, no in notices.refused.items() if waiting.keys() >= set(no.wishes)}
    down = {f"service:{id_.partition(':')[2]}": why for id_, why in waiting.items() if id_.startswith(_DOWN)}
    return left | down


def _forbidden(service: str, spec: HostSpec, site: Site) -> str:
    how = known.service(spec, service)
    if not how.is_said or site.allows("run", how.check[0]):
        return ""
    return f"services.{service}.check: needs allow: {{run: [{how.check[0]}]}} in agent.yaml on the host"


# --- what is owed ---


def foresee(reader: Reader, spec: HostSpec, site: Site, changes: Iterable[Change]) -> Notices:
    """What is owed now, and what will be when these are made."""
    notices = recall(reader)
    owed, readers = dict(notices.owed), dict(notices.readers)
    changes = tuple(changes)
    for service in sorted({service for change in changes for service in change.touches}):
        if wishes := _wishes(changes, service):
            run = _run(reader, service, spec, site)
            former = owed.get(service)
            kept = former.objects if former is not None and (former.run == run or not former.checked) else {}
            told = {id_: replace(kept.get(id_, Told(wish=wish)), wish=wish) for id_, wish in wishes.items()}
            owed[service] = Debt(run=run, objects={**kept, **told}, failed=former.failed if former else None)
            readers |= {id_: tuple(sorted(each.touches)) for each in changes if (id_ := each.id) in wishes}
    return replace(notices, owed=owed, readers=readers)


def owed(reader: Reader, spec: HostSpec, site: Site, notices: Notices) -> Owed:
    """What these debts come to. Prosody's is no part of it: see `unread`."""
    debts = {name: debt for name, debt in notices.owed.items() if name != PROSODY}
    if not debts or manager(site) is not systemd:
        return Owed(activations=(), waits=())
    units = reader.units(tuple(known.service(spec, name).unit for name in debts))
    activations, waits = [], []
    for (name, debt), unit in zip(debts.items(), units, strict=True):
        how = known.service(spec, name)
        if words := _died(debt, unit):
            waits.append(Wait(id=f"{_DOWN}{name}", why=words, until=ByHand()))
            continue
        is_down = debt.failed is not None and unit.active == "failed"
        has_read = not is_down and (unit.active not in UP or unit.invocation != debt.run)
        check = None if debt.checked else _check(reader, how)
        if how.on_change == "report" and not has_read and check is None:
            why = f"{_reason(debt)}, which {name} has read before; restart it when it suits"
            waits.append(Wait(id=f"notice:{name}", why=why, until=ByHand()))
        elif check is not None or not has_read:
            verb = None if has_read else "restart" if is_down else _VERBS.get(how.on_change)
            activations.append(_activation(name, how, debt, check, verb))
    return Owed(activations=tuple(activations), waits=tuple(waits))


def unread(reader: Reader, spec: HostSpec, site: Site, notices: Notices, read: Mapping[str, str]) -> tuple[str, ...]:
    """Paths that the running Prosody was not told of, and that are not among those which it is known to read."""
    debt = notices.owed.get(PROSODY)
    if debt is None or debt.run != _run(reader, PROSODY, spec, site):
        return ()
    return tuple(path for path in (id_.partition(":")[2] for id_ in debt.objects) if path not in read)


def is_paid(reader: Reader, spec: HostSpec, site: Site, service: str, debt: Debt) -> bool:
    """Whether nothing is left to be done or told."""
    if service == PROSODY:
        return debt.run != _run(reader, PROSODY, spec, site)
    left = owed(reader, spec, site, Notices(owed={service: debt}))
    return not (left.activations or left.waits)


def _died(debt: Debt, unit: Unit) -> str:
    """What was said when it was told of these very files and did not come up; empty: it is up, or they are others."""
    no = debt.failed
    return no.words if no and no.wishes == debt.wishes and unit.active != "active" and unit.load == "loaded" else ""


def _activation(name: str, how: known.Service, debt: Debt, check: Run | None, verb: str | None) -> Activation:
    verbs = () if verb is None else ("reset-failed", verb) if verb == "restart" else (verb,)
    return Activation(
        service=name,
        check=check,
        after=tuple(Control(unit=how.unit, verb=each) for each in verbs),
        reason=_reason(debt),
        disruption=_DISRUPTIONS[verb],
        unit=how.unit,
    )


def _check(reader: Reader, how: known.Service) -> Run | None:
    """None too when a service that we know is not installed yet: nobody is there to ask."""
    if not how.check or not (how.is_said or _is_there(reader, how)):
        return None
    return Run(argv=how.check, timeout=_CHECK_TIMEOUT)


def _is_there(reader: Reader, how: known.Service) -> bool:
    return reader.stat(PurePosixPath(how.check[0])) is not None


def _reason(debt: Debt) -> str:
    names = [id_.partition(":")[2] for id_ in debt.objects]
    more = f" and {len(names) - 3} more" if names[3:] else ""
    return f"{', '.join(names[:3])}{more} changed"


def _run(reader: Reader, service: str, spec: HostSpec, site: Site) -> str:
    """What names the run of the service that goes on now; empty: none."""
    by = manager(site)
    if service == PROSODY:
        process = by.process(reader)
        return "" if process is None else f"{process.boot}:{process.pid}:{process.started}"
    if by is not systemd:
        return ""
    return _invocation(reader.unit(known.service(spec, service).unit))


def _invocation(unit: Unit) -> str:
    return unit.invocation if unit.active in UP else ""


def _changes(verdicts: Iterable[Verdict]) -> Iterator[Change]:
    return (verdict for verdict in verdicts if isinstance(verdict, Change))


def _wishes(verdicts: Iterable[Verdict], service: str) -> dict[str, str]:
    """Id → wish of each change that puts something where this service reads it.

    What Prosody's own activation compares by itself is not told.
    """
    return {
        change.id: change.wanted or ""
        for change in _changes(verdicts)
        if service in change.touches and (service != PROSODY or change.id.startswith(_IN_FILES)) and paths(change)
    }


def paths(change: Change) -> tuple[str, ...]:
    """What it writes (as a whole or in part), links, makes or removes."""
    kinds = WriteFile | WriteBlock | Link | RemoveFile | MakeDir
    return tuple(dict.fromkeys(str(action.path) for action in change.actions if isinstance(action, kinds)))
