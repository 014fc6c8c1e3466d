"""`files`: whatever else lies on the host. One object a path; a `tree` is as many objects as it has files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from reconcilers import secrets
from reconcilers.contract import FileInfo, Reader, Site
from reconcilers.linediff import diff_lines
from reconcilers.ports import known_ports
from reconcilers.templated import render_file
from schemas.actions import Action, Link, MakeDir, RemoveFile, WriteFile
from schemas.desired import File, HostSpec
from schemas.errors import Mark, Temporary
from schemas.plan import Change, Holds, Kind, PathChanges, Policy, Verdict, Wait
from schemas.record import Owned
from schemas.secret import Secret

NAME = "files"
ABSENT = "absent"
"""The digest of a path where git wants nothing to be; not None, which means that git says nothing of it."""


class Seen(Struct, frozen=True, kw_only=True):
    """What lies at a path."""

    info: FileInfo
    content: bytes | None = None
    names: tuple[str, ...] = ()
    """What is in a directory that is gone from git."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What git wants at a path. `owner` and `group` None: whatever the live object has."""

    kind: str
    mode: int = 0
    content: bytes | Secret = b""
    target: str = ""
    owner: str | None = None
    group: str | None = None
    policy: Policy
    origin: Mark | None = None
    touches: frozenset[str] = frozenset()
    """The services that read it."""


class Have(Struct, frozen=True, kw_only=True):
    """What lies at each path that is wanted or ours, and what is wanted (or why it cannot be known yet)."""

    seen: Mapping[PurePosixPath, Seen | None]
    wanted: Mapping[PurePosixPath, Wanted | Wait]
    homeless: frozenset[PurePosixPath]
    """Wanted paths whose directory is not there, and that git says nothing of: it is made with them, 0755."""


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Resolve what is wanted (secrets, ports and templates need the host), and look at each path."""
    wanted = dict(_wanted(reader, spec, site))
    paths = set(wanted) | {_path(id_) for id_ in owned}
    seen: dict[PurePosixPath, Seen | None] = {}
    for path in sorted(paths):
        try:
            seen[path] = _look(reader, path)
        except Temporary as error:  # one that cannot be looked at holds up nothing else
            wanted[path] = Wait(id=f"file:{path}", why=str(error), until=PathChanges(path))
            seen[path] = None
    for path, found in seen.items():
        if path not in wanted and found is not None and found.info.kind == "directory":
            seen[path] = replace(found, names=reader.listdir(path) or ())
    homeless = {
        path
        for path, wish in wanted.items()
        if isinstance(wish, Wanted) and seen[path] is None and path.parent not in wanted
        if reader.stat(path.parent) is None
    }
    return Have(wanted=wanted, seen=seen, homeless=frozenset(homeless))


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Parents before children; then what is gone from git, children before parents.

    What is gone below a path that is no directory any more goes first of all, or it would stand in the way.
    """
    gone = {_path(verdict.id): verdict for verdict in _all_gone(spec, have, owned, site)}
    for path in [path for path in gone if any(_is_closing(have.wanted.get(parent)) for parent in path.parents)]:
        yield gone.pop(path)
    for path in sorted(have.wanted):
        wanted = have.wanted[path]
        verdict = wanted if isinstance(wanted, Wait) else _verdict(path, wanted, have.seen[path], site)
        if isinstance(verdict, Change) and path in have.homeless:
            verdict = replace(verdict, actions=(MakeDir(path=path.parent, mode=0o755), *verdict.actions))
        yield verdict
    yield from gone.values()


def _is_closing(wanted: Wanted | Wait | None) -> bool:
    """Whether nothing can lie below this."""
    return isinstance(wanted, Wanted) and wanted.kind != "directory"


def _all_gone(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Change]:
    """What is ours and gone from git, children before parents."""
    going: set[PurePosixPath] = set()
    for path in sorted(set(have.seen) - set(have.wanted), reverse=True):
        seen = have.seen[path]
        if seen is None or not all(path / name in going for name in seen.names):
            yield _released(path, seen, spec.host.drift)
        else:
            if owned[f"file:{path}"].made:
                going.add(path)
            yield _gone(path, seen, spec.host.drift, site)


def _path(id_: str) -> PurePosixPath:
    return PurePosixPath(id_.partition(":")[2])


# --- what is wanted ---


def _wanted(reader: Reader, spec: HostSpec, site: Site) -> Iterator[tuple[PurePosixPath, Wanted | Wait]]:
    ports = known_ports(reader, spec, site)
    for text, entry in spec.host.files.items():
        path = PurePosixPath(text)
        if entry.tree is not None:
            yield from _tree(path, entry, spec)
        elif isinstance(ports, Wait) and entry.template is not None:
            yield path, replace(ports, id=f"file:{path}", origin=spec.origin("files", text))
        else:
            yield path, _entry(path, entry, reader, spec, site, {} if isinstance(ports, Wait) else ports)


def _entry(
    path: PurePosixPath,
    entry: File,
    reader: Reader,
    spec: HostSpec,
    site: Site,
    ports: Mapping[str, tuple[int, ...]],
) -> Wanted | Wait:
    base = _base(path, entry, spec)
    if entry.absent:
        return replace(base, kind=ABSENT)
    if entry.directory:
        return replace(base, kind="directory", mode=_mode(entry, 0o755))
    if entry.link is not None:
        return replace(base, kind="link", target=entry.link)
    if entry.source is not None:
        source = spec.sources[entry.source]
        return replace(base, content=source.data, mode=_mode(entry, 0o755 if source.executable else 0o644))
    if entry.template is not None:
        text = render_file(reader, spec, site, entry, ports)
        if isinstance(text, Wait):
            return replace(text, id=f"file:{path}", origin=base.origin)
        return replace(base, content=text, mode=_mode(entry, 0o640 if isinstance(text, Secret) else 0o644))
    if isinstance(entry.content, str):
        return replace(base, content=entry.content.encode(), mode=_mode(entry, 0o644))
    assert entry.content is not None, "the loader lets through no entry without a kind"
    secret = secrets.resolve(reader, spec, site, entry.content)
    if isinstance(secret, Wait):
        return replace(secret, id=f"file:{path}", origin=base.origin)
    return replace(base, content=secret, mode=_mode(entry, 0o640))


def _tree(path: PurePosixPath, entry: File, spec: HostSpec) -> Iterator[tuple[PurePosixPath, Wanted]]:
    """The directory itself, each directory below it, and each file."""
    assert entry.tree is not None
    base = _base(path, entry, spec)
    prefix = entry.tree.rstrip("/") + "/"
    directories = {path}
    for name, source in spec.sources.items():
        if name.startswith(prefix):
            below = path / name.removeprefix(prefix)
            directories |= {parent for parent in below.parents if parent.is_relative_to(path)}
            mode = _mode(entry, 0o755 if source.executable else 0o644)
            yield below, replace(base, content=source.data, mode=mode)
    for directory in directories:
        yield directory, replace(base, kind="directory", mode=0o755)


def _base(path: PurePosixPath, entry: File, spec: HostSpec) -> Wanted:
    return Wanted(
        kind="file",
        owner=entry.owner,
        group=entry.group,
        policy=entry.drift or spec.host.drift,
        origin=spec.origin("files", str(path)),
        touches=frozenset(service.partition("/")[0] for service in entry.notify),
    )


def _mode(entry: File, default: int) -> int:
    return default if entry.mode is None else int(entry.mode, 8)


# --- what to say of it ---


def _look(reader: Reader, path: PurePosixPath) -> Seen | None:
    info = reader.stat(path)
    if info is None:
        return None
    return Seen(info=info, content=reader.read(path) if info.kind == "file" else None)


def _digest(site: Site, kind: str, mode: int, owner: str, group: str, body: bytes) -> str:
    head = f"{kind}\0{mode:o}\0{owner}\0{group}\0" if kind != "link" else f"{kind}\0"
    return site.digest(head.encode() + body)


def _live(seen: Seen | None, site: Site) -> str | None:
    if seen is None:
        return None
    info = seen.info
    body = seen.content if seen.content is not None else (info.target or "").encode()
    return _digest(site, info.kind, info.mode, info.owner, info.group, body)


def _wish(wanted: Wanted, site: Site) -> str:
    if wanted.kind == ABSENT:
        return ABSENT
    body = wanted.target.encode() if wanted.kind == "link" else _bytes(wanted.content)
    return _digest(site, wanted.kind, wanted.mode, wanted.owner or "", wanted.group or "", body)


def _bytes(content: bytes | Secret) -> bytes:
    return content.reveal() if isinstance(content, Secret) else content


def _verdict(path: PurePosixPath, wanted: Wanted, seen: Seen | None, site: Site) -> Verdict:
    wish, live = _wish(wanted, site), _live(seen, site)
    why = _difference(wanted, seen)
    if not why:
        return Holds(id=f"file:{path}", wanted=wish, live=live or ABSENT)
    return Change(
        id=f"file:{path}",
        kind=Kind.REMOVED if wanted.kind == ABSENT else Kind.CREATED if seen is None else Kind.CHANGED,
        why=why,
        actions=_actions(path, wanted, seen, site),
        wanted=wish,
        live=live if seen is not None else (ABSENT if wanted.kind == ABSENT else None),
        origin=wanted.origin,
        policy=wanted.policy,
        touches=wanted.touches,
        diff=_diff(path, wanted, seen),
    )


def _difference(wanted: Wanted, seen: Seen | None) -> str:
    """Why it is not as wanted, as a clause; empty when it is."""
    if seen is None:
        return "" if wanted.kind == ABSENT else "is not there"
    if wanted.kind == ABSENT:
        return "is there, git says absent"
    info = seen.info
    if info.kind != wanted.kind:
        return f"is a {info.kind}, a {wanted.kind} is wanted"
    if wanted.kind == "link":
        return "" if info.target == wanted.target else f"links to {info.target}, {wanted.target} is wanted"
    reasons = []
    if wanted.kind == "file" and seen.content != _bytes(wanted.content):
        reasons.append("content differs")
    if info.mode != wanted.mode:
        reasons.append(f"mode {info.mode:04o}, {wanted.mode:04o} is wanted")
    for what, live, wish in (("owner", info.owner, wanted.owner), ("group", info.group, wanted.group)):
        if wish is not None and live != wish:
            reasons.append(f"{what} {live}, {wish} is wanted")
    return "; ".join(reasons)


def _actions(path: PurePosixPath, wanted: Wanted, seen: Seen | None, site: Site) -> tuple[Action, ...]:
    was = seen.info.signature if seen else None
    former = seen.info if seen and site.user else None  # only root can leave a file to whom it belongs
    clear: tuple[Action, ...] = ()
    if seen is not None and seen.info.kind != wanted.kind and "directory" in (seen.info.kind, wanted.kind):
        # an empty directory gives way; one with something in it is a person's, and the hands say so
        clear, was = (RemoveFile(path=path, was=seen.info.signature),), None
    match wanted.kind:
        case "directory":
            return (*clear, MakeDir(path=path, mode=wanted.mode, owner=wanted.owner, group=wanted.group))
        case "link":
            return (*clear, Link(path=path, target=wanted.target, was=was))
        case "absent":
            assert seen is not None
            return (RemoveFile(path=path, was=seen.info.signature),)
        case _:
            write = WriteFile(
                path=path,
                content=wanted.content,
                mode=wanted.mode,
                owner=wanted.owner or (former.owner if former else None),
                group=wanted.group or (former.group if former else None),
                was=was,
            )
            return (*clear, write)


def _diff(path: PurePosixPath, wanted: Wanted, seen: Seen | None) -> tuple[str, ...]:
    """What would change, safe to print: no line of a secret, nor of a file that others may not read."""
    if seen is None or seen.content in (None, _bytes(wanted.content)) or wanted.kind != "file":
        return ()
    if isinstance(wanted.content, Secret) or not (seen.info.mode & wanted.mode & 0o004):
        return ("(content not shown: not everybody may read it)",)
    return diff_lines(path, seen.content, wanted.content)


def _released(path: PurePosixPath, seen: Seen | None, policy: Policy) -> Change:
    """Ours, no longer in git, and nothing that we may remove."""
    return Change(
        id=f"file:{path}",
        kind=Kind.RELEASED,
        why="gone from git, and from the host" if seen is None else "gone from git; what is in it is not ours",
        actions=(),
        wanted=None,
        live=None,
        policy=policy,
    )


def _gone(path: PurePosixPath, seen: Seen, policy: Policy, site: Site) -> Change:
    """Ours, and no longer in git."""
    return Change(
        id=f"file:{path}",
        kind=Kind.REMOVED,
        why="gone from git",
        actions=(RemoveFile(path=path, was=seen.info.signature),),
        wanted=None,
        live=_live(seen, site),
        policy=policy,
    )
