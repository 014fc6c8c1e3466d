"""The actions: what hands can do, few, dull and printable. Secrets in them print as ***."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from msgspec import Struct

from schemas.secret import Secret


class Signature(NamedTuple):
    """What tells two states of a path apart without reading it (lstat)."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


CHECKS = "files:checks"
"""The record of what checks have refused: path → `wish`, `words` and `at` (epoch seconds)."""


class Check(Struct, frozen=True, kw_only=True):
    """A program that must find a file good before it takes its place; `<file>` in an argument stands for it.

    A refusal is remembered under `CHECKS`; `wish` names what was refused.
    """

    argv: tuple[str, ...]
    wish: str


class WriteFile(Struct, frozen=True, kw_only=True):
    """Make `path` a regular file with this content, atomically. `was` is what the plan saw there: None, nothing.

    `owner` and `group` are names; None leaves a new file to the agent's own user. `mode` is 0 to 0o7777.
    """

    path: PurePosixPath
    content: bytes | Secret
    mode: int
    owner: str | None = None
    group: str | None = None
    was: Signature | None = None
    check: Check | None = None


class WriteBlock(Struct, frozen=True, kw_only=True):
    """Put a marked block into the file at `path`, in the place of ours or at its end; every other byte stays.

    `content` None: take the block out, and the file with it when it came with it and holds nothing else. `mode`,
    `owner` and `group` None leave those of the file. An edit made meanwhile is kept, and the block is put into it.
    """

    path: PurePosixPath
    content: bytes | Secret | None = None
    comment: str = "#"
    name: str = ""
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    was: Signature | None = None
    check: Check | None = None


class DressTree(Struct, frozen=True, kw_only=True):
    """Give all that lies below `path` this owner and group, and its directories this mode; None leaves them.

    No link is followed. `but` are paths that are left alone, `without` those that are left with all below them.
    """

    path: PurePosixPath
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    but: tuple[PurePosixPath, ...] = ()
    without: tuple[PurePosixPath, ...] = ()


class MakeDir(Struct, frozen=True, kw_only=True):
    """Make `path` a directory with this mode and owner, or give an existing one both. Missing parents are made 0755."""

    path: PurePosixPath
    mode: int
    owner: str | None = None
    group: str | None = None


class Link(Struct, frozen=True, kw_only=True):
    """Make `path` a symbolic link to `target`, atomically."""

    path: PurePosixPath
    target: str
    was: Signature | None = None


class RemoveFile(Struct, frozen=True, kw_only=True):
    """Remove a file, a link or an empty directory. `was` is what the plan saw there."""

    path: PurePosixPath
    was: Signature


class Keep(Struct, frozen=True, kw_only=True):
    """Keep a copy of what lies at `path` (content, mode, owner), encrypted, before it is changed or removed."""

    path: PurePosixPath
    why: str


class Run(Struct, frozen=True, kw_only=True):
    """Run a program to its end. `argv[0]` is absolute; a secret goes in by stdin only; `timeout` is in seconds."""

    argv: tuple[str, ...]
    user: str | None = None
    stdin: Secret | None = None
    timeout: float = 60.0


class Spawn(Struct, frozen=True, kw_only=True):
    """Start a child that stays, in a session of its own, and remember it under `id` (pid and start time)."""

    id: str
    argv: tuple[str, ...]
    user: str | None = None
    log: PurePosixPath | None = None
    umask: int = 0o027


class Stop(Struct, frozen=True, kw_only=True):
    """End the child remembered under `id`: TERM, and KILL when it is still there after `timeout` seconds."""

    id: str
    timeout: float = 15.0


class Signal(Struct, frozen=True, kw_only=True):
    """Send the child remembered under `id` a signal (`HUP`)."""

    id: str
    name: str


class Control(Struct, frozen=True, kw_only=True):
    """Have systemd do something with a unit: start, stop, (try-)restart, reload, try-reload-or-restart, enable,
    disable, mask, unmask, reset-failed, daemon-reload (which takes no unit but the one whose files were changed).

    `timeout` is in seconds.
    """

    unit: str
    verb: str
    timeout: float = 90.0


class Pick(Struct, frozen=True, kw_only=True):
    """A package in exactly this version. `suite`: where apt looks for its dependencies too."""

    name: str
    version: str
    suite: str | None = None


class AskApt(Struct, frozen=True, kw_only=True):
    """Have apt say which versions there are of these packages, and remember its answer (`reconcilers.apt.offers`).

    With `update` it reads its lists anew first. `said` names what decides the answer, as the plan saw it.
    """

    packages: tuple[str, ...]
    update: bool
    said: str


class Install(Struct, frozen=True, kw_only=True):
    """Have apt see to it that these packages are there; where they are, nothing is done.

    No package starts, restarts or stops Prosody meanwhile. `along` is what else the round installs: one run of apt
    brings all of it, or, where that fails, these alone. Nothing is removed for it but what is named in `without`.
    """

    packages: tuple[Pick, ...]
    along: tuple[Pick, ...] = ()
    without: tuple[str, ...] = ()


class Remove(Struct, frozen=True, kw_only=True):
    """Have dpkg remove a package, not its configuration, and never what needs it. `along` is what else goes."""

    package: str
    along: tuple[str, ...] = ()


class Hold(Struct, frozen=True, kw_only=True):
    """Have dpkg remember whether programs may upgrade a package: not while it is `held`."""

    package: str
    held: bool


class Make(Struct, frozen=True, kw_only=True):
    """Let the hands draw what must be random.

    `kind` is `secret` (32 bytes, base64url) or `self-signed` (a pair, path.crt and path.key).
    """

    path: PurePosixPath
    kind: str
    parameters: tuple[tuple[str, str], ...] = ()
    mode: int = 0o640
    owner: str | None = None
    group: str | None = None


class ChoosePorts(Struct, frozen=True, kw_only=True):
    """Find a free loopback port for each name and remember them under `id`, beside those remembered already."""

    id: str
    names: tuple[str, ...]


class Remember(Struct, frozen=True, kw_only=True):
    """Keep a record under `id`; the hands stamp it with the instant."""

    id: str
    record: Mapping[str, Any]


class Forget(Struct, frozen=True, kw_only=True):
    """Drop the record under `id`."""

    id: str


Action = (
    WriteFile
    | WriteBlock
    | DressTree
    | MakeDir
    | Link
    | RemoveFile
    | Keep
    | Run
    | Spawn
    | Stop
    | Signal
    | Control
    | AskApt
    | Install
    | Remove
    | Hold
    | Make
    | ChoosePorts
    | Remember
    | Forget
)
