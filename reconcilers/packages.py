"""Packages of apt: those that git names, in the version that it wants, and Prosody's own among them.

What is installed is read where dpkg writes it. What is on offer is asked only while something is not as it is wanted,
so a pass that finds everything in order starts no process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconcilers.apt import have as seen
from reconcilers.apt import verdict
from reconcilers.apt.have import Have as Have
from reconcilers.apt.wanted import OWN, PROSODY, Wanted, wanted
from reconcilers.contract import Reader, Site
from schemas.actions import AskApt
from schemas.desired import HostSpec
from schemas.plan import Change, Holds, Instant, Kind, Verdict, Wait
from schemas.record import Owned

NAME = "packages"
LISTS = "lists:apt"
"""The id of what apt has on offer."""


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Read what dpkg wrote; and recall what apt said, when something is to be installed."""
    all_ = wanted(spec, site)
    if not all_ and not owned:
        return Have()
    leaving = [one.name for one in all_ if one.is_absent] + [id_.partition(":")[2] for id_ in _gone(owned, all_)]
    return seen.look(reader, site, all_, leaving=leaving)


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Ask apt where that is due, then install, upgrade, hold and remove; let go of what may not be removed."""
    yield from _lists(have, owned.get(LISTS))
    verdicts = [verdict.judge(one, have, owned.get(one.id), site) for one in have.wanted]
    verdicts += [verdict.leave(id_, have, owned[id_], spec.host.drift) for id_ in _gone(owned, have.wanted)]
    yield from verdicts


def _gone(owned: Mapping[str, Owned], all_: tuple[Wanted, ...]) -> list[str]:
    named = {LISTS, *(one.id for one in all_)}
    return [id_ for id_ in owned if id_ not in named]


def _lists(have: Have, ours: Owned | None) -> Iterator[Verdict]:
    """What apt has on offer is an object too: it is looked at anew before anything is chosen from it."""
    if have.asking is None:
        if ours is not None:
            yield Holds(id=LISTS, wanted="read", live="read")
        return
    if have.asking.after is not None:
        yield Wait(id=LISTS, why=have.asking.why, until=Instant(have.asking.after), origin=have.open[0].origin)
        return
    is_first = any(one.id == OWN and one.name not in have.installed for one in have.open)
    yield Change(
        id=LISTS,
        kind=Kind.CHANGED,
        why=have.asking.why,
        actions=(AskApt(packages=tuple(one.name for one in have.open), update=have.asking.update, said=have.said),),
        wanted="read",
        live=(ours.digest or None) if ours is not None else None,  # that they grow old is nobody's drift
        origin=have.open[0].origin,
        touches=frozenset({PROSODY} if is_first else ()),  # one that is there needs no mirror
    )
