"""Services: Prosody runs, by the manager of this kind of host, and what git names beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconcilers import beside
from reconcilers.contract import Reader, Site
from reconcilers.mainfile import HEADER
from reconcilers.managers import Running, systemd
from reconcilers.profiles import manager
from reconcilers.units import in_order
from schemas.actions import Action, Control, Spawn
from schemas.desired import HostSpec
from schemas.plan import Change, Holds, Kind, NextRound, Plan, Verdict, Wait, Word
from schemas.record import Owned
from schemas.units import PROSODY, unit_name

if TYPE_CHECKING:
    from schemas.desired.services import Service

NAME = "services"
_ID = f"service:{PROSODY}"


class Have(Struct, frozen=True, kw_only=True):
    """How Prosody is run (None: none is wanted, or there), what would end it, its configuration; and the others."""

    running: Running | None
    end: tuple[Action, ...]
    is_alive: bool
    config: bytes | None
    unit: beside.Seen | None
    """Its unit and drop-in, where systemd runs it."""
    others: beside.Have


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Ask the manager."""
    by = manager(site)
    others = beside.observe(reader, spec, site)
    if spec.host.prosody is None:
        end = by.end(reader, is_owned=_ID in owned)
        is_alive = by.process(reader) is not None
        return Have(running=None, end=end, is_alive=is_alive, config=None, unit=None, others=others)
    if site.prosody is None:
        return Have(running=None, end=(), is_alive=False, config=None, unit=None, others=others)
    said = said_of_prosody(spec)
    running = by.look(reader, site, enabled=said is None or said.enabled, running=is_to_run(spec))
    return Have(
        running=running,
        end=(),
        is_alive=running.live is not None,
        config=reader.read(site.paths.config),
        unit=beside.look(reader, PROSODY, reader.unit(systemd.UNIT), site) if by is systemd else None,
        others=others,
    )


def said_of_prosody(spec: HostSpec) -> Service | None:
    """What git says of Prosody's own service; None: nothing."""
    return next((one for name, one in spec.host.services.items() if unit_name(name) == systemd.UNIT), None)


def is_to_run(spec: HostSpec) -> bool:
    """Whether git wants a Prosody that runs."""
    said = said_of_prosody(spec)
    return spec.host.prosody is not None and (said is None or said.running)


def starts_prosody(plan: Plan) -> bool:
    """Whether a change starts or restarts it at the end of this round: it loads all that the round has written."""
    actions = (action for change in plan.changes if change.id == _ID for action in change.actions)
    return any(isinstance(a, Spawn) or (isinstance(a, Control) and a.verb in ("start", "restart")) for a in actions)


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Prosody first."""
    yield from _prosody(spec, have, site)
    yield from beside.plan(spec, have.others, owned, site)


def _prosody(spec: HostSpec, have: Have, site: Site) -> Iterator[Verdict]:
    """It runs, or it is started as soon as a configuration of ours lies there."""
    if spec.host.prosody is None:
        if have.end:
            yield _gone(have)
        return
    if have.running is None:
        yield Wait(id=_ID, why="Prosody is not installed; install it", until=NextRound())
        return
    running, runs_with, will = _with_drop_in(have.running, have, spec, site)
    if not running.why:
        wish = site.digest(running.wanted.encode() + runs_with)
        yield Holds(id=_ID, wanted=wish, live=wish)
    elif is_to_run(spec) and running.live is None and (wait := _not_ours(have, site)) is not None:
        yield wait
    else:
        yield Change(
            id=_ID,
            kind=Kind.CREATED if running.live is None else Kind.CHANGED,
            why=running.why,
            actions=running.actions,
            wanted=site.digest(running.wanted.encode() + will),
            live=None if running.live is None else site.digest(running.live.encode() + runs_with),
            origin=spec.origin("services", PROSODY) or spec.origin("prosody"),
            touches=frozenset({PROSODY}),
        )


def _with_drop_in(running: Running, have: Have, spec: HostSpec, site: Site) -> tuple[Running, bytes, bytes]:
    """Restarted too when it runs without its drop-in; which one that is, and which one it will be.

    The round that writes the drop-in restarts: all files of the round are written by then, and this does for them too.
    A configuration that a person made, and that waits for another's word, is not made live by it.
    """
    seen = have.unit
    if seen is None:
        return running, b"", b""
    will = beside.will_run_with(said_of_prosody(spec), seen, spec, site)
    verbs = {action.verb for action in running.actions if isinstance(action, Control)}
    if "start" in verbs:
        running = replace(
            running, actions=(*beside.read_before(running.actions, seen, will), *beside.remember(PROSODY, seen, will))
        )
    elif "stop" not in verbs and running.live is not None and will != seen.runs_with and _is_ours(have):
        restart = beside.read_before(in_order(seen.unit, "restart"), seen, will or seen.runs_with)
        why = " and ".join(filter(None, (running.why, "runs with former limits, environment or umask")))
        running = replace(running, why=why, actions=(*running.actions, *restart, *beside.remember(PROSODY, seen, will)))
    else:
        will = seen.runs_with
    return running, _text(seen.runs_with), _text(will)


def _text(runs_with: str) -> bytes:
    return f"\0{runs_with}".encode() if runs_with else b""


def _is_ours(have: Have) -> bool:
    return have.config is not None and have.config.startswith(HEADER)


def _not_ours(have: Have, site: Site) -> Wait | None:
    """Why Prosody is not started yet; None when it may be."""
    if have.config is None:
        return Wait(id=_ID, why=f"{site.paths.config} is not there yet", until=NextRound())
    if _is_ours(have):
        return None
    # it may open any port and run any code: whoever made it did not ask us to start it
    why = f"{site.paths.config} was made by hand; confirm that git's configuration replaces it"
    return Wait(id=_ID, why=why, until=Word())


def _gone(have: Have) -> Change:
    return Change(
        id=_ID,
        kind=Kind.REMOVED,
        why="Prosody is gone from git",
        actions=have.end,
        wanted=None,
        live=_ID if have.is_alive else None,
        touches=frozenset({PROSODY}),
        removes=0,  # its configuration counts
    )
