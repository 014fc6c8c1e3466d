"""What is ours: written down before the first byte of a round, and settled by what the next look sees."""

from __future__ import annotations

from agent.look import View
from agent.state import State
from schemas.plan import DriftClass, Holds
from schemas.record import Owned


def write_ahead(state: State, view: View, revision: str) -> tuple[Owned, ...]:
    """What is about to be ours and which activation will be owed, before the first byte is written.

    What we know of an object is void while git's new wish is written there: killed now, nobody can tell our bytes
    from somebody else's, and the next agent keeps a copy of what it finds. The answer is what was known before,
    for those that turn out not to have been touched. A drift that is put right gets what it had, so it stays known.
    """
    known = state.owned()
    begun, former = [], []
    for change in view.plan.changes:
        if change.wanted is None:
            continue
        reconciler = view.by[change.id]
        ours = known.get(reconciler, {}).get(change.id)
        if ours is not None:
            if change.drift is DriftClass.CORRECTIVE:
                continue
            former.append(ours)
        begun.append(
            Owned(
                id=change.id,
                reconciler=reconciler,
                wish=change.wanted,
                digest="",
                revision=revision,
                made=ours.made if ours else change.live is None,
            )
        )
    owed = ", ".join(f"{owed.service}: {owed.disruption.name}" for owed in view.plan.activations)
    state.begin_round(begun, owes=owed or None)
    return tuple(former)


def settle(state: State, view: View, revision: str) -> None:
    """Take into the inventory what was seen to hold, and let go of what is no more. Writes only what is new."""
    known = state.owned()
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
    state.settle_round(news, gone=[change.id for change in view.released], owes=state.owed())
