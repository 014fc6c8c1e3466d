"""Services: Prosody runs, by the manager of this kind of host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from reconcilers.contract import Reader, Site
from reconcilers.mainfile import HEADER
from reconcilers.managers import Running
from reconcilers.profiles import manager
from schemas.actions import Action
from schemas.desired import HostSpec
from schemas.plan import Change, Holds, Kind, NextRound, Verdict, Wait, Word
from schemas.record import Owned

NAME = "services"
_ID = "service:prosody"


class Have(Struct, frozen=True, kw_only=True):
    """How Prosody is run (None: none is wanted, or there), what would end it, and its configuration."""

    running: Running | None
    end: tuple[Action, ...]
    is_alive: bool
    config: bytes | None


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Ask the manager."""
    by = manager(site)
    if spec.host.prosody is None:
        end = by.end(reader, is_owned=_ID in owned)
        return Have(running=None, end=end, is_alive=by.process(reader) is not None, config=None)
    if site.prosody is None:
        return Have(running=None, end=(), is_alive=False, config=None)
    running = by.look(reader, site)
    return Have(running=running, end=(), is_alive=running.live is not None, config=reader.read(site.paths.config))


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """It runs, or it is started as soon as a configuration of ours lies there."""
    running = have.running
    if spec.host.prosody is None:
        if have.end:
            yield _gone(have)
    elif running is None:
        yield Wait(id=_ID, why="Prosody is not installed; install it", until=NextRound())
    elif not running.why:
        wish = site.digest(running.wanted.encode())
        yield Holds(id=_ID, wanted=wish, live=wish)
    elif running.live is None and (wait := _not_ours(have, site)) is not None:
        yield wait
    else:
        yield Change(
            id=_ID,
            kind=Kind.CREATED if running.live is None else Kind.CHANGED,
            why=running.why,
            actions=running.actions,
            wanted=site.digest(running.wanted.encode()),
            live=None if running.live is None else site.digest(running.live.encode()),
            origin=spec.origin("prosody"),
            touches=frozenset({"prosody"}),
        )


def _not_ours(have: Have, site: Site) -> Wait | None:
    """Why Prosody is not started yet; None when it may be."""
    if have.config is None:
        return Wait(id=_ID, why=f"{site.paths.config} is not there yet", until=NextRound())
    if have.config.startswith(HEADER):
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
        touches=frozenset({"prosody"}),
        removes=0,  # its configuration counts
    )
