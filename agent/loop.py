"""Startup, wait, pass, record, shutdown: the life of the agent, and the one place where its rooms are joined."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from agent import keys, log, notify, program, site, version, witness
from agent.atomic import Copy
from agent.bounded import apart
from agent.control import Request, Server
from agent.ending import Interrupted
from agent.engine import Engine
from agent.events import Events
from agent.host import LocalHost
from agent.house import House
from agent.kept import Kept
from agent.log import LOG
from agent.logfiles import Logs
from agent.lua import LuaJudge
from agent.opening import Opener
from agent.pairs import Pairs
from agent.passes import Passes
from agent.reading import Beforehand, Renderer
from agent.reading import Reader as CommitReader
from agent.settings import Settings, check_key_file, load_settings
from agent.source import Source
from agent.state import Anchor, State
from agent.watch import Reason, SignalReceived, Timer, Watch
from reconcilers import installation, plugins
from schemas.errors import AgentError, SettingsError

JITTER = 0.1
"""A share of the interval, so that a fleet does not ask its forge in step."""


@contextlib.contextmanager
def single(settings: Settings, config: Path, workers: Beforehand | None = None) -> Iterator[Engine]:
    """The engine for one verb, where no agent runs. Raises SettingsError, AlreadyRunning."""
    with _engine(settings, config, workers) as (engine, *_):
        yield engine


def serve(settings: Settings, config: Path) -> int:
    """Run until a signal says stop. Returns the exit status."""
    with _engine(settings, config) as (engine, watch, reader):
        server = Server(settings.control_socket, watch.deliver)
        watch.hear_signals()
        LOG.info(
            "agent.started",
            object=settings.host,
            reason=f"repository {settings.address}, branch {settings.branch}",
            version=version.VERSION,
            runs_prosody_as=engine.prosody_user,
        )
        reader.warm()
        notify.notify("READY=1", "STATUS=The first pass")
        status, why = 0, "a fault of the agent"
        try:
            status = _Loop(settings, config, engine, watch, reader).run()
            why = watch.stopped_by.name if watch.stopped_by else "another version was installed, and goes on"
        finally:
            notify.notify("STOPPING=1")
            server.close()
            LOG.info("agent.stopped", object=settings.host, reason=why)
    return status


class _Loop:
    """Wait, pass, record."""

    def __init__(self, settings: Settings, config: Path, engine: Engine, watch: Watch, reader: CommitReader) -> None:
        self._settings, self._config, self._engine, self._watch, self._reader = settings, config, engine, watch, reader
        self._full_at = time.time() + settings.full_look
        self._unwatched: tuple[str, ...] = ()

    def run(self) -> int:
        """Until a signal says stop (0), or another version was installed. Returns the exit status."""
        if (directory := self._engine.source.directory) is not None:
            self._watch.watch_repository([str(directory)])
        self._pass()
        poll_at = self._next_poll()
        while not self._watch.stopping() and not program.is_replaced():
            until = min(poll_at, notify.WATCHDOG.next_beat())
            reasons = self._watch.wait(until, expiry=self._engine.passes.wake_at)
            notify.WATCHDOG.beat()
            if reasons == (Timer(),) and time.time() < poll_at:
                continue  # no more than a sign of life was due
            if self._serve(reasons) and not self._watch.stopping() and not program.is_replaced():
                self._pass()
                poll_at = self._next_poll()  # not after a mere answer: who asks often would put it off for ever
        return 0 if self._watch.stopping() else program.REPLACED

    def _serve(self, reasons: tuple[Reason, ...]) -> bool:
        """Answer who asks; whether a pass is wanted besides."""
        wanted = False
        for reason in reasons:
            if isinstance(reason, Request):
                reason.serve(self._engine)
                self._follow()
                self._tell()
                wanted, self._engine.wants_pass = wanted or self._engine.wants_pass, False
            elif isinstance(reason, SignalReceived) and reason.signal is signal.SIGHUP:
                self._reload()
                wanted = True
            else:
                wanted = wanted or not (isinstance(reason, SignalReceived) and reason.stops)
        return wanted

    def _pass(self) -> None:
        now = time.time()
        full = now >= self._full_at
        if full:
            self._full_at = now + self._settings.full_look
        self._engine.last = self._engine.passes.run(full=full)
        self._tell()
        self._follow()
        self._engine.rest()
        self._reader.warm()

    def _follow(self) -> None:
        """Watch what is managed now."""
        try:
            unwatched = self._watch.watch_files(self._engine.passes.watched | {program.MARK})
        except Exception as error:  # a limit of the kernel's; polls find what a watch would have told
            LOG.warning("paths.unwatched", object="every path", reason=str(error) or type(error).__name__)
            return
        if unwatched and unwatched != self._unwatched:
            LOG.warning("paths.unwatched", object=unwatched[0], reason=f"{len(unwatched)} paths in all")
        self._unwatched = unwatched

    def _tell(self) -> None:
        """For `systemctl status`: commit, sync, health."""
        notify.WATCHDOG.beat()
        if notify.is_supervised():
            try:
                known = self._engine.answer("status", {}, lambda _: None)
                words = f"{(known['applied'] or 'no commit')[:12]}: {known['sync']}, {known['health']}"
            except AgentError as error:  # what is remembered cannot be read: the pass has told of it
                words = " ".join(str(error).split())
            notify.notify(f"STATUS={words}")

    def _next_poll(self) -> float:
        spread = 1 + random.uniform(-JITTER, JITTER)  # noqa: S311 (no secret)
        return time.time() + self._settings.interval * spread

    def _reload(self) -> None:
        """SIGHUP: what may change while running are the intervals and the log."""
        notify.say_reloading()
        try:
            fresh = load_settings(self._config)
        except Exception as error:  # the former settings are kept, whatever is wrong with the new ones
            LOG.error("settings.refused", reason=str(error))
            return
        finally:
            notify.notify("READY=1")
        self._settings = replace(self._settings, interval=fresh.interval, full_look=fresh.full_look, log=fresh.log)
        log.configure(fresh.log.format, fresh.log.level)
        LOG.info("settings.reloaded", object=str(self._config))


@contextlib.contextmanager
def _engine(
    settings: Settings, config: Path, workers: Beforehand | None = None
) -> Iterator[tuple[Engine, Watch, CommitReader]]:
    """Open every room, join them, and close them again in the other order."""
    for key in (settings.ssh_key, settings.token_file):
        if key is not None:
            check_key_file(key)
    facts = site.facts(settings)
    with contextlib.ExitStack() as stack:
        state = State.open(settings.state_dir)
        stack.callback(state.close)
        apart(partial(keys.ensure_age_key, settings.age_key))
        place = site.Place(settings, config, state.digest_key(), partial(_made, state))
        kept = Kept(settings.state_dir, settings.age_key)
        events = Events(state)
        watch = Watch(ours=lambda path: host.ours(PurePosixPath(path)))
        stack.callback(watch.close)
        between = partial(_heed, watch)
        host = _host(place, state, kept, events, heed=between)
        renderer = Renderer(workers.renderer if workers else None)
        anchor = Anchor(config.parent / "accepted")
        if reason := _loss(state, anchor):
            events.tell("state.lost", level="error", object=str(settings.state_dir), reason=reason)
        pairs = Pairs(state, renderer.apart)
        house = House(
            host=host,
            state=state,
            events=events,
            kept=kept,
            site=lambda reader: place.site(reader, renderer.render, pairs),
            renderer=renderer,
            stopping=partial(_is_asked_to_end, watch),
        )
        source = Source.from_settings(settings, between=between)
        source.open()
        reader = CommitReader(
            name=settings.host,
            facts=facts,
            bounds=place.bounds,
            unopened=Opener(settings.age_key).mistakes,
            lua=LuaJudge(host, house.site),
            prosody=partial(_installed, house),
            modules=partial(_modules, house),
            between=between,
            beforehand=workers.reader if workers else None,
        )
        passes = Passes(house, source, anchor, reader.read)
        logs = Logs(place.logs, place.bounds.fence)
        engine = Engine(settings, house, source, anchor, passes, kept, logs, pairs, prosody_user=place.user)
        yield engine, watch, reader
        witness.leave(settings, config, source, passes, host)


def _loss(state: State, anchor: Anchor) -> str:
    """How what was remembered got lost; empty when nothing was, or nothing was remembered yet."""
    if state.lost:
        return f"what is left of it is {state.aside}" if state.aside else "its key is gone"
    with contextlib.suppress(SettingsError):  # one that cannot be read is told by the pass that needs it
        if state.fresh and anchor.read() is not None:
            return f"there is none, and {anchor.path} remembers an accepted commit"
    return ""


def _made(state: State, id_: str) -> bool:
    """Whether nothing was there before the agent made it."""
    return any(id_ in owned and owned[id_].made for owned in state.owned().values())


def _installed(house: House) -> str | None:
    """The version of Prosody that is there now."""
    prosody = house.site(house.host).prosody
    return prosody.version if prosody is not None else None


def _modules(house: House) -> frozenset[str] | None:
    """The modules that it would find."""
    site = house.site(house.host)
    if site.prosody is None:
        return None
    ours = {PurePosixPath(id_.partition(":")[2]) for id_ in house.state.owned().get(plugins.NAME, ())}
    return installation.find_modules(house.host, site.prosody, site.paths, ours)


def _heed(watch: Watch) -> None:
    """End what others make us wait for when the agent is asked to end."""
    if _is_asked_to_end(watch):
        raise Interrupted


def _is_asked_to_end(watch: Watch) -> bool:
    """Looked at between any two steps, so it is also the sign that the loop turns."""
    notify.WATCHDOG.beat()
    return watch.stopping()


def _host(place: site.Place, state: State, kept: Kept, events: Events, *, heed: Callable[[], None]) -> LocalHost:
    def keep(copy: Copy, why: str) -> None:
        id_ = kept.keep(copy, why, at=time.time())
        events.tell("kept.stored", object=str(copy.path), reason=why, id=id_)

    return LocalHost(
        fence=place.bounds.fence,
        keep=keep,
        remember=lambda id_, value: state.remember(id_, value, time.time()),
        recall=state.recall,
        forget=state.forget,
        clock=time.time,
        heed=heed,
    )
