"""The hands on this machine: the one `match` that carries out every action of a plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath
from typing import Any, assert_never

from agent import apt, atomic, below, draw, leftovers, processes, units
from agent.atomic import Copy, Dress, Keeper
from agent.bounded import apart
from agent.checks import Inspector
from agent.eyes import Eyes
from agent.fence import Fence, Place, failure, reach
from agent.spawned import Spawned
from agent.splice import WITHOUT_SET_ID, splice, with_block
from agent.users import group_number, user_number
from reconcilers.apt import offers
from reconcilers.apt.offers import Offers
from schemas.actions import (
    Action,
    AskApt,
    ChoosePorts,
    Control,
    DressTree,
    Forget,
    Hold,
    Install,
    Keep,
    Link,
    Make,
    MakeDir,
    Remember,
    Remove,
    RemoveFile,
    Run,
    Signal,
    Signature,
    Spawn,
    Stop,
    WriteBlock,
    WriteFile,
)
from schemas.errors import ActionFailed, Temporary
from schemas.record import Record
from schemas.secret import Secret


class LocalHost(Eyes):
    """The eyes, and hands that carry out actions where `fence` is open.

    `keep` keeps aside what a person wrote; `remember`, `recall` and `forget` are the state's records;
    `clock` gives epoch seconds. Not thread-safe, but for `ours`.
    """

    def __init__(
        self,
        *,
        fence: Fence,
        keep: Keeper,
        remember: Callable[[str, Mapping[str, Any]], None],
        recall: Callable[[str], Record | None],
        forget: Callable[[str], None],
        clock: Callable[[], float],
        heed: Callable[[], None] = lambda: None,
    ) -> None:
        self._spawned = Spawned(fence=fence, remember=remember, recall=recall, forget=forget)
        super().__init__(fence=fence, recall=recall, clock=clock, reap=self._spawned.reap, heed=heed)
        self._inspector = Inspector(recall=recall, remember=remember, clock=clock)
        self._keep = keep
        self._remember = remember
        self._forget = forget
        self._written: dict[PurePosixPath, Signature | None] = {}
        self._swept: set[tuple[int, int]] = set()

    # --- to act -------------------------------------------------------------------------------------------

    def perform(self, action: Action) -> None:
        """Carry out one action.

        Raises Stale when the object is no longer as the plan saw it (nothing was done), ActionFailed when
        it cannot be done. A file is whole in either case, and no temporary is left.
        """
        match action:
            case WriteFile():
                self._write(action)
            case WriteBlock():
                self._write_block(action)
            case DressTree():
                self._dress_tree(action)
            case MakeDir():
                self._make_dir(action)
            case Link():
                with self._act(action.path) as place:
                    atomic.link(place, action.target, action.was, self._keep)
            case RemoveFile():
                with self._act(action.path) as place:
                    atomic.remove(place, action.was, self._keep)
            case Keep():
                self._keep_aside(action)
            case Run():
                _run(action)
            case Spawn():
                self._spawned.spawn(action)
            case Stop():
                self._spawned.stop(action)
            case Signal():
                self._spawned.signal(action)
            case Control():
                units.control(action)
            case AskApt():
                self._ask_apt(action)
            case Install():
                apt.install(action)
            case Remove():
                apt.remove(action)
            case Hold():
                apt.hold(action)
            case Make():
                self._make(action)
            case ChoosePorts():
                self._choose_ports(action)
            case Remember():
                self._remember(action.id, action.record)
            case Forget():
                self._forget(action.id)
            case _:
                assert_never(action)

    def foresee(self, action: Action) -> None:
        """Raises Temporary when it is known beforehand that it would fail now."""
        if isinstance(action, Spawn):
            self._spawned.foresee(action)
        elif isinstance(action, Install | Remove | Hold):
            apt.foresee()

    def restore(self, kept: Copy) -> None:
        """Put content, owner and mode (but for set-id bits, as `splice`) of a kept copy back at its path. What lies
        there now is kept aside first.
        """
        self.perform(Keep(path=kept.path, why="replaced by a copy that was kept before"))
        found = self.stat(kept.path)
        was = found.signature if found else None
        if kept.target is not None:
            self.perform(Link(path=kept.path, target=kept.target, was=was))
        else:
            self.perform(
                WriteFile(
                    path=kept.path, content=Secret(kept.content), mode=kept.mode & WITHOUT_SET_ID,
                    owner=kept.owner, group=kept.group, was=was,
                )
            )  # fmt: skip

    def ours(self, path: PurePosixPath) -> bool:
        """Whether what lies at `path` is what we put there last, or nothing where we removed it: an event
        of our own.
        """
        if path not in self._written:
            return False
        try:
            now: Signature | None = atomic.signature(os.lstat(self._fence.real(path)))
        except OSError:
            now = None
        return now == self._written[path]

    def let_go(self, path: PurePosixPath) -> None:
        """Remember no longer what was written at and below `path`: nobody will ask whether it is ours."""
        self._written = {other: seen for other, seen in self._written.items() if not other.is_relative_to(path)}

    @contextmanager
    def _act(self, path: PurePosixPath) -> Iterator[Place]:
        """The fenced place of `path`, its directory free of leftovers; what is there afterwards is
        remembered as ours.
        """
        self._fence.check(path)
        try:
            with reach(path, self._fence.real(path)) as place:
                self._sweep(place)
                yield place
                found = place.lstat()
                self._written[path] = None if found is None else atomic.signature(found)
        except OSError as error:
            raise failure(path, error) from error

    def _sweep(self, place: Place) -> None:
        """Once in each directory: leftovers come from an agent that was killed, so from before our time."""
        directory = os.fstat(place.directory)
        key = (directory.st_dev, directory.st_ino)
        if key not in self._swept:
            leftovers.sweep(place, self._keep)
            self._swept.add(key)

    def _write(self, action: WriteFile) -> None:
        content = action.content.reveal() if isinstance(action.content, Secret) else action.content
        dress = _dress(action)  # looked up before anything is opened: NSS may take its time
        is_secret = isinstance(action.content, Secret)
        inspect = self._inspector.inspector(action.path, action.check, is_secret=is_secret)
        with self._act(action.path) as place:
            atomic.write(place, content, dress, action.was, self._keep, inspect)

    def _write_block(self, action: WriteBlock) -> None:
        mode = -1 if action.mode is None else action.mode
        dress = Dress(mode=mode, uid=user_number(action.owner), gid=group_number(action.group))
        is_secret = isinstance(action.content, Secret)
        inspect = self._inspector.inspector(action.path, action.check, is_secret=is_secret)
        with self._act(action.path) as place:
            splice(place, partial(with_block, action), dress, action.was, self._keep, inspect)

    def _dress_tree(self, action: DressTree) -> None:
        self._fence.check(action.path)
        dress, bounds = self._dress_of(action), self._bounds(action)
        self._orderly.discard(action)
        try:
            self.look(action.path, lambda place: below.mend(place, dress, bounds))
        except Temporary as error:  # what cannot be done is no look that has to wait
            raise ActionFailed(str(error)) from error

    def _make_dir(self, action: MakeDir) -> None:
        self._fence.check(action.path)
        dress = _dress(action)
        for parent in reversed(self._fence.real(action.path).parents):
            if not os.path.isdir(parent):
                _make_parent(parent)
        with self._act(action.path) as place:
            atomic.make_directory(place, dress)

    def _keep_aside(self, action: Keep) -> None:
        found = self.stat(action.path)
        if found is not None and found.kind == "directory":
            return  # what is in it stays: no more than its mode is changed, and only an empty one is removed
        kept = self.look(action.path, atomic.copy)
        if kept is not None:
            self._keep(kept, action.why)

    def _make(self, action: Make) -> None:
        parameters = dict(action.parameters)
        match action.kind:
            case "secret":  # was=None: one that is there already is never drawn anew
                self._write(_made(action, action.path, draw.draw_secret(), action.mode, None))
            case "self-signed":
                names = tuple(name for name in parameters.get("names", "").split(",") if name)
                days = int(parameters.get("days", "3650"))
                key, certificate = apart(partial(draw.draw_pair, names, days=days, now=self._clock()))
                for suffix, content, mode in ((".key", key, action.mode), (".crt", certificate, 0o644)):
                    path = action.path.with_name(action.path.name + suffix)
                    found = self.stat(path)
                    self._write(_made(action, path, content, mode, found.signature if found else None))
            case other:
                raise ActionFailed(
                    f"{action.path}: nothing of the kind {other!r} can be made; it is secret or self-signed"
                )

    def _ask_apt(self, action: AskApt) -> None:
        record = self._recall(offers.RECORD)
        former = Offers.from_json(record.value) if record else None
        try:
            found = apt.ask(action, former=former, now=self._clock())
        except Temporary as error:
            if error.retry_after is not None:
                self._remember(offers.UNREAD, {"said": action.said, "words": str(error)})
            raise
        self._remember(offers.RECORD, found.to_json())

    def _choose_ports(self, action: ChoosePorts) -> None:
        record = self._recall(action.id)
        ports: dict[str, Any] = dict(record.value) if record else {}
        for name in action.names:
            if name not in ports:
                ports[name] = draw.draw_port(ports.values())
        self._remember(action.id, ports)


def _make_parent(path: PurePosixPath) -> None:
    """A parent may lie above every opened prefix: that the prefix was opened says that it may be made."""
    try:
        with reach(path, path) as place:
            atomic.make_directory(place, Dress(mode=0o755))
    except OSError as error:
        raise failure(path, error) from error


def _run(action: Run) -> None:
    """Raises ActionFailed with the last lines of what the program said when its exit status is not 0."""
    stdin = action.stdin.reveal() if action.stdin else b""
    try:
        ended = processes.run(action.argv, user=action.user, stdin=stdin, timeout=action.timeout)
    except Temporary as error:
        raise ActionFailed(str(error)) from error
    if ended.code != 0:
        said = (ended.stderr or ended.stdout).decode(errors="replace").strip().splitlines()[-5:]
        words = "it was told a secret, so what it said is not shown" if stdin else " / ".join(said) or "it said nothing"
        raise ActionFailed(f"{action.argv[0]}: exit status {ended.code}: {words}; run it by hand to see more")


def _dress(action: WriteFile | MakeDir | Make) -> Dress:
    return Dress(mode=action.mode, uid=user_number(action.owner), gid=group_number(action.group))


def _made(action: Make, path: PurePosixPath, content: bytes, mode: int, was: Signature | None) -> WriteFile:
    return WriteFile(path=path, content=Secret(content), mode=mode, owner=action.owner, group=action.group, was=was)
