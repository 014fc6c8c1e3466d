"""Read this first: what a reconciler is, and what it may use.

A reconciler is a module. It looks at the host through a `Reader` and gives exactly one verdict on each object that
is wanted or ours. It does nothing itself, and its answer depends on nothing but `spec`, `owned`, `site` and what it
asked the reader: that is what lets a pass be proved idle without asking again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from schemas.actions import DressTree, Signature
from schemas.desired import HostSpec
from schemas.plan import Verdict
from schemas.record import Owned, Record
from schemas.secret import Secret

TICK = 2.0
"""Seconds by which a file must be older than a process to be what the process has read."""


class FileInfo(Struct, frozen=True, kw_only=True):
    """What lstat says, with names for numbers. `kind`: file, directory, link, other. `target` is a link's text."""

    kind: str
    mode: int
    owner: str
    group: str
    signature: Signature
    target: str | None = None


class Completed(Struct, frozen=True, kw_only=True):
    """A query that has ended. `code` is its exit status, or minus the signal that ended it."""

    code: int
    stdout: bytes
    stderr: bytes


class Process(Struct, frozen=True, kw_only=True):
    """A living process. `started` is in clock ticks since boot (proc(5)): with `pid` it names one process of that boot.

    `boot` is the kernel's name for it. `since` is the same start in epoch seconds.
    """

    pid: int
    started: int
    argv: tuple[str, ...]
    user: str
    boot: str = ""
    since: float = 0.0

    @property
    def identity(self) -> dict[str, int | str]:
        """What names it for ever, as part of a record."""
        return {"pid": self.pid, "started": self.started, "boot": self.boot}

    def is_recorded_in(self, record: Record) -> bool:
        """Whether the record is of this very process, and of none that had its number."""
        return all(record.value.get(key) == value for key, value in self.identity.items())


class Unit(Struct, frozen=True, kw_only=True):
    """What systemd says of a unit, in its own words (org.freedesktop.systemd1(5))."""

    name: str
    """Its Id: what an alias stands for."""
    load: str
    """LoadState: loaded, not-found, masked, bad-setting, error."""
    active: str
    """ActiveState: active, reloading, inactive, failed, activating, deactivating."""
    sub: str = ""
    """SubState: running, exited, auto-restart …"""
    enabled: str
    """UnitFileState: enabled, disabled, static, masked …; empty: it has no file."""
    pid: int
    """MainPID; 0: none."""
    type: str = ""
    """Of a service: simple, oneshot …"""
    result: str = ""
    """How it ended last: success, exit-code, start-limit-hit …"""
    remains: bool = False
    """Of a oneshot: it counts as active when it has run (RemainAfterExit)."""
    invocation: str = ""
    """Names this run of it (InvocationID): another start has another."""
    is_stale: bool = False
    """Its files are not what systemd has read (NeedDaemonReload)."""
    is_skipped: bool = False
    """It was to start, and its own conditions said that there is nothing for it to do here."""


class Reader(Protocol):
    """The host, to look at. Nothing here changes anything. Paths are absolute; no link on the way is followed."""

    def read(self, path: PurePosixPath) -> bytes | None:
        """The content of a regular file; None where there is none. Raises Temporary when it may not be read."""

    def stat(self, path: PurePosixPath) -> FileInfo | None:
        """lstat; None where nothing is."""

    def listdir(self, path: PurePosixPath) -> tuple[str, ...] | None:
        """The names in a directory, sorted; None where there is none."""

    def query(
        self, argv: tuple[str, ...], *, user: str | None, depends: tuple[PurePosixPath, ...], stdin: bytes = b""
    ) -> Completed:
        """Run a program that is only to look, and can put no byte into a file.

        `depends` are the paths that decide its answer. Raises Excessive when it takes over 10 s, or prints over 16 MiB.
        """

    def process(self, pid: int) -> Process | None:
        """The living process with this number."""

    def find(self, argv: tuple[str, ...]) -> tuple[Process, ...]:
        """Every living process whose arguments end in these."""

    def unit(self, name: str) -> Unit:
        """What systemd says of a unit, named in full; of one that is not there too. Raises Temporary."""

    def units(self, names: tuple[str, ...]) -> tuple[Unit, ...]:
        """What systemd says of each, asked for all at once. Raises Temporary."""

    def astray(self, tree: DressTree) -> int:
        """How many things below it are not as it says. 0 is remembered until the full look. Raises Temporary."""

    def has_user(self, name: str) -> bool:
        """Whether there is a user of this name, or number."""

    def has_group(self, name: str) -> bool:
        """Whether there is a group of this name, or number."""

    def recall(self, id_: str) -> Record | None:
        """What a plan asked to remember."""

    def due(self, instant: float) -> bool:
        """Whether this instant (epoch seconds) has come: the only clock below `agent/`."""


class Prosody(Struct, frozen=True, kw_only=True):
    """The Prosody that is installed here. `version` is its own word (`0.12.3`)."""

    version: str
    program: PurePosixPath
    prosodyctl: PurePosixPath
    lua: PurePosixPath
    luac: PurePosixPath | None
    source: PurePosixPath
    """Where its core/ and util/ lie (CFG_SOURCEDIR)."""
    modules: PurePosixPath

    @property
    def line(self) -> str:
        """`0.12` or `13.0`: what options are checked against."""
        return ".".join(self.version.split(".")[:2])


class Paths(Struct, frozen=True, kw_only=True):
    """Where a profile puts Prosody's things."""

    config: PurePosixPath
    data: PurePosixPath
    certificates: PurePosixPath
    pidfile: PurePosixPath
    log: PurePosixPath
    socket: PurePosixPath
    stage: PurePosixPath
    """A directory that the Prosody user may enter and only the agent may write."""
    secrets: PurePosixPath
    """Generated secrets, 0700."""
    plugins: tuple[PurePosixPath, ...] = ()
    """What this kind of host adds to `plugin_paths`; git's own modules lie in the first."""


Answer = TypeVar("Answer")


class Apart(Protocol):
    """Asks a pure function that needs a heavy library; the agent, which runs for months, never loads it."""

    def __call__(self, function: Callable[..., Answer], *arguments: bytes) -> Answer:
        """`function(*arguments)`. The same bytes are asked about once. Raises what it raises."""


def at_once(function: Callable[..., Answer], *arguments: bytes) -> Answer:
    """An `Apart` for a process that does not last."""
    return function(*arguments)


class Site(Struct, frozen=True, kw_only=True):
    """What is true of this host and no part of the desired state."""

    profile: str
    fqdn: str
    home: PurePosixPath
    paths: Paths
    age_key: PurePosixPath
    """The key that opens what is encrypted to this host."""
    prosody: Prosody | None
    user: str | None
    """The user that Prosody runs as, when that is not the agent's own."""
    owner: str
    """The name of that user in either case."""
    group: str
    may_write: Callable[[PurePosixPath], str]
    """Why a push may not write there; empty when it may."""
    may_read: Callable[[PurePosixPath], str]
    """Why a push may not have that file read; empty when it may."""
    allows: Callable[[str, str], bool]
    """Whether the host lets a push do this: a word of `allow` (`run`, `packages`, `services` …) and what of it."""
    digest: Callable[[bytes], str]
    """Keyed: state that leaks does not let a secret be guessed."""
    render: Callable[[str, bytes, Mapping[str, Any]], bytes]
    """A template's name, its text and its variables → the text, within limits of time and memory. Raises SpecError."""
    apart: Apart = at_once
    hide: Callable[[Secret], None]
    """Told of every secret that is resolved, so that no log line can hold it, however it got there."""


Have = TypeVar("Have")


class Reconciler(Protocol[Have]):
    """The shape of a reconciler module."""

    NAME: str

    def observe(self, reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
        """Look at what is wanted and at what is ours; decide nothing."""

    def plan(self, spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
        """One verdict on each object that is wanted or ours; `owned` is this reconciler's part of the inventory."""


class Bound(Struct, frozen=True, kw_only=True):
    """A reconciler that has forgotten its `Have`, so that one tuple can hold them all."""

    name: str
    verdicts: Callable[[Reader, HostSpec, Mapping[str, Owned], Site], Iterator[Verdict]]


def bind(module: Reconciler[Have]) -> Bound:
    """Forget `Have`. mypy checks here that `observe` and `plan` agree on it."""

    def verdicts(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
        return module.plan(spec, module.observe(reader, spec, owned, site), owned, site)

    return Bound(name=module.NAME, verdicts=verdicts)
