"""The services beside Prosody: they run, and start with the host, or they do neither, as git says.

A service is restarted when it runs without the drop-in that lies there. Which one it was started with is remembered
when we start it: what lies on the disk after a death between write and restart says nothing of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from reconcilers import dropins
from reconcilers.contract import TICK, Reader, Site, Unit
from reconcilers.managers import systemd
from reconcilers.profiles import manager
from reconcilers.units import in_order, is_up, put_right
from schemas.actions import Action, Control, Forget, Remember
from schemas.desired import HostSpec
from schemas.needs import is_the_hosts
from schemas.plan import ByHand, Change, Holds, Kind, PathChanges, Policy, Verdict, Wait
from schemas.record import Owned, Record
from schemas.units import unit_name

if TYPE_CHECKING:
    from schemas.desired.services import Service


class Seen(Struct, frozen=True, kw_only=True):
    """A unit, and its drop-in. Both digests are of the file's bytes, empty where there is none."""

    unit: Unit
    lies_there: str
    runs_with: str
    """The drop-in with which it was started, as far as is known."""
    is_remembered: bool
    """Whether there is a record of that."""


Have = Mapping[str, Seen]
"""By the name that git gives the service."""


def wanted(spec: HostSpec, site: Site) -> Mapping[str, Service]:
    """What git says of services, but for Prosody's own."""
    if manager(site) is not systemd:
        return {}
    return {name: service for name, service in spec.host.services.items() if unit_name(name) != systemd.UNIT}


def observe(reader: Reader, spec: HostSpec, site: Site) -> Have:
    """Ask systemd of all units at once."""
    services = wanted(spec, site)
    units = reader.units(tuple(map(unit_name, services)))
    return {name: look(reader, name, unit, site) for name, unit in zip(services, units, strict=True)}


def look(reader: Reader, name: str, unit: Unit, site: Site) -> Seen:
    """Which drop-in lies there, and which one the unit runs with."""
    path = dropins.path(name)
    content, info = reader.read(path), reader.stat(path)
    record = reader.recall(dropins.started_with(unit_name(name)))
    lies_there = site.digest(content) if content is not None else ""
    process = reader.process(unit.pid) if unit.pid else None
    since, changed = process.since if process else 0.0, info.signature.ctime_ns / 1e9 if info else 0.0
    return Seen(
        unit=unit,
        lies_there=lies_there,
        runs_with=known_to_run_with(record, unit, lies_there, since=since, changed=changed),
        is_remembered=record is not None,
    )


def known_to_run_with(record: Record | None, unit: Unit, lies_there: str, *, since: float, changed: float) -> str:
    """What is known of it; else something that no file is, so that it is started anew.

    What we started goes on with what it got, whatever becomes of the file. What somebody else started afterwards got
    the same, unless the file was changed since then too.
    """
    if record is None:
        return lies_there if changed < since - TICK and not unit.is_stale else ""
    is_known = 0 < since <= record.at or changed <= record.at
    return str(record.value["has"]) if is_known else "unknown"


def will_run_with(service: Service | None, seen: Seen, spec: HostSpec, site: Site) -> str:
    """What it runs with when it is started at the end of this round, which writes the drop-in before."""
    if service is None:
        return ""
    policy = service.drift or spec.host.drift
    was_written = seen.lies_there or seen.is_remembered  # and is put back by nobody, where it was taken away
    is_written = policy is Policy.CORRECT or not was_written
    return dropins.digest_of(service, site) if is_written else seen.lies_there


def read_before(actions: tuple[Action, ...], seen: Seen, runs_with: str) -> tuple[Action, ...]:
    """The same, but that systemd has read the drop-in of what is started: it may be written after this look.

    Nothing is done where systemd has read it by then.
    """
    verbs = {action.verb for action in actions if isinstance(action, Control)}
    if not (runs_with or seen.lies_there) or "daemon-reload" in verbs or verbs.isdisjoint(("start", "restart")):
        return actions
    return (Control(unit=seen.unit.name, verb="daemon-reload"), *actions)


def remember(name: str, seen: Seen, runs_with: str) -> tuple[Action, ...]:
    """After it was started."""
    id_ = dropins.started_with(unit_name(name))
    if runs_with:
        return (Remember(id=id_, record={"has": runs_with}),)
    return (Forget(id=id_),) if seen.is_remembered else ()


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Put each right; let go of what git names no more."""
    for name, seen in have.items():
        yield _Verdict(name=name, service=spec.host.services[name], seen=seen, spec=spec, site=site).give()
    for id_ in owned:
        if id_.partition(":")[2] not in have and id_ != "service:prosody":
            why = "gone from git; it stays as it is"
            yield Change(id=id_, kind=Kind.RELEASED, why=why, actions=(), wanted=None, live=None)


class _Verdict(Struct, frozen=True, kw_only=True):
    """What to say of one service."""

    name: str
    service: Service
    seen: Seen
    spec: HostSpec
    site: Site

    def give(self) -> Verdict:
        """The one verdict on it."""
        unit, service = self.seen.unit, self.service
        if unit.load == "not-found":
            file = dropins.PLACE / unit_name(self.name)
            return self._wait(f"there is no unit {file.name}; install what brings it", PathChanges(file))
        if is_the_hosts(unit.name) and not self.site.allows("services", self.name):  # an alias, as was not seen in git
            why = f"is {unit.name} by another name; needs allow: {{services: [{self.name}]}} in agent.yaml on the host"
            return self._wait(why, ByHand())
        right = put_right(unit, enabled=service.enabled, running=service.running)
        if right.actions:
            return self._change(right.why, right.actions)
        if service.running and is_up(unit) and self._is_behind():
            return self._restart()
        digest = self._digest(enabled=service.enabled, running=service.running, runs_with=self.seen.runs_with)
        return Holds(id=self._id, wanted=digest, live=digest)

    @property
    def _id(self) -> str:
        return f"service:{self.name}"

    def _wait(self, why: str, until: PathChanges | ByHand) -> Wait:
        return Wait(id=self._id, why=why, until=until, origin=self.spec.origin("services", self.name))

    def _is_behind(self) -> bool:
        """Whether it runs without what git says and lies there. What is still to be written is for the next round."""
        wish = dropins.digest_of(self.service, self.site)
        return self.seen.lies_there == wish and self.seen.runs_with != wish

    def _restart(self) -> Verdict:
        if self.service.on_change == "report":
            return self._wait("runs with former limits, environment or umask; restart it by hand", ByHand())
        why = "runs with former limits, environment or umask"
        return self._change(why, in_order(self.seen.unit, "restart"))

    def _change(self, why: str, actions: tuple[Control, ...]) -> Change:
        service, seen = self.service, self.seen
        verbs = {action.verb for action in actions}
        starts = bool(verbs & {"start", "restart"})
        runs_with = will_run_with(service, seen, self.spec, self.site) if starts else seen.runs_with
        return Change(
            id=self._id,
            kind=Kind.CREATED if "start" in verbs else Kind.CHANGED,
            why=why,
            actions=(
                *read_before(actions, seen, runs_with),
                *(remember(self.name, seen, runs_with) if starts else ()),
            ),
            wanted=self._digest(enabled=service.enabled, running=service.running, runs_with=runs_with),
            live=None
            if "start" in verbs
            else self._digest(
                enabled=service.enabled != bool(verbs & {"enable", "disable", "unmask"}),
                running=service.running != bool(verbs & {"stop"}),
                runs_with=seen.runs_with,
            ),
            origin=self.spec.origin("services", self.name),
            policy=service.drift or self.spec.host.drift,
        )

    def _digest(self, *, enabled: bool, running: bool, runs_with: str) -> str:
        return self.site.digest(f"{enabled}\0{running}\0{runs_with}".encode())
