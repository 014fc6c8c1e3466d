"""Wanted by git, last applied by us, live on the host: compared here and nowhere else.

The table is the one under "Drift" in docs/desired-state.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from schemas.actions import Keep
from schemas.plan import Change, DriftClass, Holds, Kind, Policy, Verdict
from schemas.record import Owned


class Judged(Struct, frozen=True, kw_only=True):
    """The verdicts of one reconciler, sorted by what may be done about them.

    `verdicts` may be carried out, `reported` are told and left, `released` cease to be ours without
    anything being done.
    """

    verdicts: tuple[Verdict, ...]
    reported: tuple[Change, ...]
    released: tuple[Change, ...]


def judge(verdicts: Iterable[Verdict], owned: Mapping[str, Owned]) -> Judged:
    """Give each change its class, and sort by the table."""
    todo: list[Verdict] = []
    reported: list[Change] = []
    released: list[Change] = []
    for verdict in verdicts:
        if not isinstance(verdict, Change):
            todo.append(verdict)
            continue
        change = _classed(verdict, owned.get(verdict.id))
        match _decision(change, owned.get(change.id)):
            case "apply":
                todo.append(_keeping(change, owned.get(change.id)))
            case "report":
                reported.append(change)
            case "release":
                released.append(_let_go(change))
            case "leave":
                # the digest stays what we wrote, if anything: an edit that is ignored now may have to be kept later
                todo.append(Holds(id=change.id, wanted=change.wanted or "", live=_written(owned.get(change.id))))
    return Judged(verdicts=tuple(todo), reported=tuple(reported), released=tuple(released))


def _classed(change: Change, ours: Owned | None) -> Change:
    if change.wanted is None:
        drift = DriftClass.PRUNE
    elif ours is None or not ours.digest or change.live == ours.digest:
        drift = DriftClass.INTENDED
    elif change.wanted == ours.wish:
        drift = DriftClass.CORRECTIVE
    else:
        drift = DriftClass.CONFLICT
    return replace(change, drift=drift)


def _written(ours: Owned | None) -> str:
    """The digest of what we put there; empty when we never got that far, or never put anything there."""
    return ours.digest if ours is not None else ""


def _decision(change: Change, ours: Owned | None) -> str:
    """What the table says: apply, report, release or leave."""
    if change.kind is Kind.RELEASED:
        return "release"
    if change.drift is DriftClass.PRUNE:
        if change.policy is Policy.IGNORE or (ours is not None and not ours.made):
            return "release"
        return "report" if change.policy is Policy.DETECT else "apply"
    if change.policy is Policy.IGNORE:
        return "apply" if not _written(ours) and change.live is None else "leave"
    if change.policy is Policy.DETECT and change.drift is DriftClass.CORRECTIVE:
        return "report"
    return "apply"


def _let_go(change: Change) -> Change:
    """What would have gone, did the table not say that it stays."""
    if change.kind is Kind.RELEASED:
        return change
    why = "git ignored it" if change.policy is Policy.IGNORE else "it was here before prosodist"
    return replace(change, kind=Kind.RELEASED, why=f"{change.why}; {why}, and stays", actions=(), diff=())


def _keeping(change: Change, ours: Owned | None) -> Change:
    """What we did not put there is kept before it is changed or removed."""
    foreign = change.live is not None and change.live != _written(ours)
    if not foreign or not change.object.startswith("/"):
        return change
    if any(isinstance(action, Keep) for action in change.actions):
        return change
    why = "was here before prosodist" if ours is None else f"{change.drift.value} drift"
    keep = Keep(path=PurePosixPath(change.object), why=why)
    return replace(change, actions=(keep, *change.actions))
