"""Prosody as the agent's child, which outlives the agent and is found again after the agent was killed."""

from __future__ import annotations

from reconcilers.contract import Process, Reader, Site
from reconcilers.managers import Running
from schemas.actions import Action, Forget, Remember, Signal, Spawn, Stop

PROCESS = "process:prosody"
"""The record of the child: `pid`, `started` (clock ticks since boot) and `boot`."""
OUTPUT = "prosody.out"
"""Beside Prosody's own log: what it prints before that is open, and what Lua says when it dies."""


def look(reader: Reader, site: Site, *, enabled: bool, running: bool) -> Running:
    """Ask the record first, then all processes. The language keeps nothing else of a child than that it runs."""
    wished = start(site)
    wanted = "\0".join(wished.argv)
    known = process(reader)
    found = known or next((one for one in reader.find(wished.argv) if one.user == site.owner), None)
    if found is None:
        return Running(process=None, wanted=wanted, live=None, why="does not run", actions=(wished,))
    live = "\0".join(found.argv)
    if found.argv[-len(wished.argv) :] != wished.argv:
        why, actions = "runs with other arguments than wanted", (Stop(id=PROCESS), wished)
        return Running(process=found, wanted=wanted, live=live, why=why, actions=actions)
    if known is None:
        remember = Remember(id=PROCESS, record=found.identity)
        return Running(process=found, wanted=wanted, live=live, why="runs, and is found again", actions=(remember,))
    return Running(process=found, wanted=wanted, live=wanted)


def process(reader: Reader) -> Process | None:
    """The living process that the record names by pid, start time and boot."""
    record = reader.recall(PROCESS)
    if record is None:
        return None
    found = reader.process(int(record.value["pid"]))
    return found if found is not None and found.is_recorded_in(record) else None


def hold_back() -> tuple[Action, ...]:
    """Nobody else starts it."""
    return ()


def reload(site: Site) -> tuple[Action, ...]:
    """0.12's prosodyctl does no more than this signal, and says that all is well whatever the file contains."""
    return (Signal(id=PROCESS, name="HUP"),)


def restart(site: Site) -> tuple[Action, ...]:
    """Stop and start are two: a stop that takes long is no failed start."""
    return (Stop(id=PROCESS), start(site))


def end(reader: Reader, *, is_owned: bool) -> tuple[Action, ...]:
    """A process that is not recorded is somebody else's."""
    if process(reader) is not None:
        return (Stop(id=PROCESS), Forget(id=PROCESS))
    return (Forget(id=PROCESS),) if is_owned else ()


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
