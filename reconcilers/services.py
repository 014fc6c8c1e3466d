"""Services: Prosody runs, a child that outlives the agent, found again after the agent was killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from reconcilers.contract import Process, Reader, Site
from reconcilers.mainfile import HEADER
from schemas.desired import HostSpec
from schemas.plan import (
    Action,
    Change,
    Forget,
    Holds,
    Kind,
    NextRound,
    Remember,
    Spawn,
    Stop,
    Verdict,
    Wait,
    Word,
)
from schemas.record import Owned

NAME = "services"
PROCESS = "process:prosody"
"""The record of the child: `pid`, `started` (clock ticks since boot) and `boot`."""
_ID = "service:prosody"
OUTPUT = "prosody.out"
"""Beside Prosody's own log: what it prints before that is open, and what Lua says when it dies."""


class Have(Struct, frozen=True, kw_only=True):
    """The Prosody that lives, whether its record names it, and the first bytes of its configuration."""

    process: Process | None
    is_recorded: bool
    config: bytes | None


def start(site: Site) -> Spawn:
    """Start Prosody in the foreground, in a session of its own.

    The umask is said here, since 13.0.1 does not apply its own (it makes files that all may read).
    """
    assert site.prosody is not None, "who starts Prosody has found it"
    return Spawn(
        id=PROCESS,
        argv=(str(site.prosody.program), "--config", str(site.paths.config), "-F"),
        user=site.user,
        log=site.paths.log.with_name(OUTPUT),
        umask=0o027,
    )


def recorded_process(reader: Reader) -> Process | None:
    """The living process that the record names by pid, start time and boot."""
    record = reader.recall(PROCESS)
    if record is None:
        return None
    process = reader.process(int(record.value["pid"]))
    return process if process is not None and process.is_recorded_in(record) else None


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Ask the record first, then all processes."""
    process = recorded_process(reader)
    recorded = process is not None
    if process is None and site.prosody is not None and spec.host.prosody is not None:
        same = [found for found in reader.find(start(site).argv) if found.user == site.owner]
        process = same[0] if same else None
    config = reader.read(site.paths.config) if spec.host.prosody is not None else None
    return Have(process=process, is_recorded=recorded, config=config)


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """It runs, or it is started as soon as a configuration of ours lies there."""
    if spec.host.prosody is None:
        if _ID in owned or have.is_recorded:
            yield _gone(have)
        return
    if site.prosody is None:
        yield Wait(id=_ID, why="Prosody is not installed; install it", until=NextRound())
        return
    wish = site.digest("\0".join(start(site).argv).encode())
    if have.process is None:
        yield _started(spec, have, wish, site)
    elif have.process.argv[-len(start(site).argv) :] != start(site).argv:
        why = "runs with other arguments than wanted"
        yield _change(spec, why, (Stop(id=PROCESS), start(site)), wish, _live(have.process, site))
    elif not have.is_recorded:
        remember = Remember(id=PROCESS, record=have.process.identity)
        yield _change(spec, "runs, and is found again", (remember,), wish, _live(have.process, site))
    else:
        yield Holds(id=_ID, wanted=wish, live=wish)


def _started(spec: HostSpec, have: Have, wish: str, site: Site) -> Verdict:
    if have.config is None:
        return Wait(id=_ID, why=f"{site.paths.config} is not there yet", until=NextRound())
    if not have.config.startswith(HEADER):
        # it may open any port and run any code: whoever made it did not ask us to start it
        why = f"{site.paths.config} was made by hand; confirm that git's configuration replaces it"
        return Wait(id=_ID, why=why, until=Word())
    return _change(spec, "does not run", (start(site),), wish, None)


def _change(spec: HostSpec, why: str, actions: tuple[Action, ...], wish: str, live: str | None) -> Change:
    return Change(
        id=_ID,
        kind=Kind.CREATED if live is None else Kind.CHANGED,
        why=why,
        actions=actions,
        wanted=wish,
        live=live,
        origin=spec.origin("prosody"),
        touches=frozenset({"prosody"}),
    )


def _live(process: Process, site: Site) -> str:
    return site.digest("\0".join(process.argv).encode())


def _gone(have: Have) -> Change:
    return Change(
        id=_ID,
        kind=Kind.REMOVED,
        why="Prosody is gone from git",
        actions=(Stop(id=PROCESS), Forget(id=PROCESS)) if have.is_recorded else (Forget(id=PROCESS),),
        wanted=None,
        live=PROCESS if have.process is not None else None,
        touches=frozenset({"prosody"}),
        removes=0,  # its configuration counts
    )
