"""The verdict on one package: it is as git wants it, or what apt is to do about it, or why that may not be yet."""

from __future__ import annotations

from collections.abc import Iterator

from reconcilers.apt import offers
from reconcilers.apt.choose import Choice, choose, is_met
from reconcilers.apt.have import Have
from reconcilers.apt.order import rank
from reconcilers.apt.wanted import HELD, OWN, Wanted
from reconcilers.contract import Site
from reconcilers.profiles import manager
from schemas.actions import Action, Hold, Install, Pick, Remove
from schemas.plan import ByHand, Change, Holds, Instant, Kind, PathChanges, Policy, Verdict, Wait
from schemas.record import Owned


def judge(one: Wanted, have: Have, ours: Owned | None, site: Site) -> Verdict:
    """Of a package that git speaks of."""
    if one.is_absent:
        return _absent(one, have, ours, site)
    installed = have.installed.get(one.name)
    if is_met(one.wish, installed):
        return _hold(one, have, ours)
    if have.asking is not None and one.wish.version == "latest" and installed is not None:
        return _hold(one, have, ours)  # as it was at the last look, until apt was asked
    known = have.offers.candidates.get(one.name) if have.offers is not None else None
    if have.offers is None or known is None or have.asking is not None:
        why = "apt is asked first which versions there are"
        return Wait(id=one.id, why=why, until=PathChanges(offers.LISTS), origin=one.origin)
    choice = choose(one.wish, installed, (*known, *have.kept) if one.id == OWN else known)
    if choice.version is None:
        again = Instant(have.offers.updated + offers.HOUR)
        return Wait(id=one.id, why=choice.why, until=again, origin=one.origin)
    if choice.version == installed:
        return _hold(one, have, ours)
    if (refusal := _refusal(one, choice.version, have, ours, site)) is not None:
        return _wait(one, refusal)
    return _install(one, choice, have, site)


def leave(id_: str, have: Have, ours: Owned, policy: Policy) -> Change:
    """Of a package that is ours and gone from git: it goes too when we brought it and nothing needs it."""
    name = id_.partition(":")[2]
    why, removed = "gone from git", False
    if name not in have.installed:
        why = "gone from git, and from the host"
    elif id_ == OWN:
        why = "gone from git; it stays installed, with its data"
    elif not ours.made:
        why = "gone from git; it was here before prosodist, and stays"
    elif name in have.needed:
        why = f"gone from git; it stays, since {have.needed[name]} needs it"
    else:
        removed = True
    return Change(
        id=id_,
        kind=Kind.REMOVED if removed else Kind.RELEASED,
        why=why,
        actions=_removal(name, have) if removed else (),
        wanted=None,
        live=have.live(name),
        policy=policy,
        touches=frozenset({name}),
        loses_data=removed,
    )


def _absent(one: Wanted, have: Have, ours: Owned | None, site: Site) -> Verdict:
    live = have.live(one.name)
    if live is None:
        return Holds(id=one.id, wanted=str(one), live=str(one))
    if one.name in have.needed:
        return _wait(one, f"it cannot be removed while {have.needed[one.name]} needs it; say that it is absent too")
    if not _may(one, ours, site):
        return _wait(one, f"a push may not remove what it did not bring; {_opening(one.name)}")
    return Change(
        id=one.id,
        kind=Kind.REMOVED,
        why=f"is {live}",
        actions=_removal(one.name, have),
        wanted=str(one),
        live=live,
        origin=one.origin,
        policy=one.policy,
        touches=one.touches,
        loses_data=True,
    )


def _removal(name: str, have: Have) -> tuple[Action, ...]:
    release = (Hold(package=name, held=False),) if name in have.held else ()
    return (*release, Remove(package=name))


def _refusal(one: Wanted, version: str, have: Have, ours: Owned | None, site: Site) -> str | None:
    """Why a push may not bring this version here; None when it may."""
    installed = have.installed.get(one.name)
    if installed is None:
        return None
    is_ours = one.id == OWN and version in {candidate.version for candidate in have.kept}
    if rank(version) < rank(installed) and not is_ours and not _may(one, ours, site):
        return f"a push may not bring {version} for the newer {installed}, which it did not bring; {_opening(one.name)}"
    if one.name in have.held and not one.hold and not _is_held_by_us(ours):
        return f"somebody holds it at {installed}; run apt-mark unhold {one.name}, or say hold: true to make it git's"
    return None


def _may(one: Wanted, ours: Owned | None, site: Site) -> bool:
    """Whether a push may remove it, or bring an older one for it."""
    return (ours is not None and ours.made) or site.allows("packages", one.name)


def _opening(name: str) -> str:
    return f"write allow: {{packages: [{name}]}} in agent.yaml on the host, or take it out of git"


def _hold(one: Wanted, have: Have, ours: Owned | None) -> Verdict:
    """Its version is right. Is it held as git wants it? Somebody else's hold, of which git says nothing, stays."""
    is_held = one.name in have.held
    if is_held == one.hold or (is_held and not _is_held_by_us(ours)):
        return Holds(id=one.id, wanted=str(one), live=have.live(one.name) or "")
    return Change(
        id=one.id,
        kind=Kind.CHANGED,
        why="is held, and git no longer holds it" if is_held else "any program may upgrade it, and git holds it",
        actions=(Hold(package=one.name, held=one.hold),),
        wanted=str(one),
        live=have.live(one.name),
        origin=one.origin,
        policy=one.policy,
    )


def _is_held_by_us(ours: Owned | None) -> bool:
    return ours is not None and ours.wish.endswith(HELD)


def _install(one: Wanted, choice: Choice, have: Have, site: Site) -> Change:
    installed = have.installed.get(one.name)
    why = "is not installed" if installed is None else f"is {installed}; {one.wish.version} is {choice.version}"
    return Change(
        id=one.id,
        kind=Kind.CREATED if installed is None else Kind.CHANGED,
        why=why,
        actions=tuple(_steps(one, choice, have, site)),
        wanted=str(one),
        live=have.live(one.name),
        origin=one.origin,
        policy=one.policy,
        touches=one.touches,
    )


def _steps(one: Wanted, choice: Choice, have: Have, site: Site) -> Iterator[Action]:
    if one.id == OWN and one.name not in have.installed and one.name not in have.half_done:
        yield from manager(site).hold_back()  # one that is half done may run, and goes on
    if one.name in have.held:
        yield Hold(package=one.name, held=False)
    yield Install(packages=(Pick(name=one.name, version=choice.version or "", suite=choice.suite),))
    if one.hold:
        yield Hold(package=one.name, held=True)


def _wait(one: Wanted, why: str) -> Wait:
    return Wait(id=one.id, why=why, until=ByHand(), origin=one.origin)
