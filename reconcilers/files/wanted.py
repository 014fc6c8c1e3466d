"""What git wants at each path, with its secrets, ports and templates resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from reconcilers import secrets
from reconcilers.blocktext import is_speakable
from reconcilers.contract import Reader, Site
from reconcilers.ports import known_ports
from reconcilers.templated import render_file
from schemas.desired import File, HostSpec
from schemas.errors import Mark, Mistake, SpecError
from schemas.plan import ByHand, PathChanges, Policy, Wait
from schemas.secret import Secret

ABSENT = "absent"
"""The kind of a path where git wants nothing to be, and its digest; not None, which means that git says nothing."""
BLOCK = "block"
"""The kind of a path where a part of the file is git's."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What git wants at a path. `owner` and `group` None: whatever the live object has, or the place."""

    kind: str
    mode: int = 0
    has_mode: bool = True
    """Whether git says the mode. If not, it is that of a file which we make, and somebody's file keeps its own."""
    content: bytes | Secret = b""
    target: str = ""
    owner: str | None = None
    group: str | None = None
    policy: Policy
    origin: Mark | None = None
    touches: frozenset[str] = frozenset()
    """The services that read it."""
    comment: str = ""
    """What begins a comment in the file around a block."""
    name: str = ""
    """What of the repository a block is."""
    check: tuple[str, ...] = ()
    """What the candidate must pass, `<file>` standing for it."""

    @property
    def prefix(self) -> str:
        """Of its id: a file that is ours and a block in somebody's are two things."""
        return BLOCK if self.kind == BLOCK else "file"


def resolve(reader: Reader, spec: HostSpec, site: Site) -> dict[PurePosixPath, Wanted | Wait]:
    """Everything that is wanted, or why it cannot be known yet."""
    return {
        path: _with_known_owner(reader, path, _if_open(path, wish, site)) for path, wish in _resolve(reader, spec, site)
    }


def _resolve(reader: Reader, spec: HostSpec, site: Site) -> Iterator[tuple[PurePosixPath, Wanted | Wait]]:
    ports = known_ports(reader, spec, site)
    for text, entry in spec.host.files.items():
        path = PurePosixPath(text)
        if entry.tree is not None:
            yield from _tree(path, entry, spec)
            continue
        if isinstance(ports, Wait) and entry.template is not None:
            wanted: Wanted | Wait = ports
        else:
            wanted = _entry(path, entry, reader, spec, site, {} if isinstance(ports, Wait) else ports)
        if isinstance(wanted, Wait):
            id_ = f"{BLOCK if entry.block else 'file'}:{path}"
            yield path, replace(wanted, id=id_, origin=spec.origin("files", text))
        else:
            yield path, _as_block(path, wanted, entry, spec) if entry.block else wanted


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
        content: bytes | Secret | Wait = render_file(reader, spec, site, entry, ports)
    elif isinstance(entry.content, str):
        content = entry.content.encode()
    else:
        assert entry.content is not None, "the loader lets through no entry without a kind"
        content = secrets.resolve(reader, spec, site, entry.content)
    if isinstance(content, Wait):
        return content
    return replace(base, content=content, mode=_mode(entry, 0o640 if isinstance(content, Secret) else 0o644))


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
        check=entry.check or (),
    )


def _as_block(path: PurePosixPath, whole: Wanted, entry: File, spec: HostSpec) -> Wanted:
    """Raises SpecError for a text that holds one of the markers."""
    document = whole.origin.file if whole.origin else f"hosts/{spec.name}.yaml"
    name = entry.source or entry.template or document
    if not is_speakable(revealed(whole.content)):
        text = "it holds NUL bytes, or a line that marks a block of prosodist's; take that out, or write the file whole"
        raise SpecError([Mistake(mark=whole.origin or Mark(document), subject=f"files.{path}", text=text)])
    mode = whole.mode if entry.mode is not None or isinstance(whole.content, Secret) else 0o644
    has_mode = entry.mode is not None
    return replace(whole, kind=BLOCK, comment=entry.comment, name=name, mode=mode, has_mode=has_mode)


def _mode(entry: File, default: int) -> int:
    return default if entry.mode is None else int(entry.mode, 8)


def _if_open(path: PurePosixPath, wanted: Wanted | Wait, site: Site) -> Wanted | Wait:
    """The hands reach further than a push may, and the host may have closed a place since the commit was accepted."""
    if isinstance(wanted, Wait) or not (why := site.may_write(path)):
        return wanted
    why = f"{path}: a push may not write there: {why}"
    return Wait(id=f"{wanted.prefix}:{path}", why=why, until=ByHand(), origin=wanted.origin)


def _with_known_owner(reader: Reader, path: PurePosixPath, wanted: Wanted | Wait) -> Wanted | Wait:
    """Who does not exist may come with a package of this pass, or by hand."""
    if isinstance(wanted, Wait):
        return wanted
    for what, name, database in (("user", wanted.owner, "/etc/passwd"), ("group", wanted.group, "/etc/group")):
        if name is not None and not (reader.has_user(name) if what == "user" else reader.has_group(name)):
            why = f"{what} {name}: there is none on this host; install what brings it, create it, or name another"
            until = PathChanges(PurePosixPath(database))
            return Wait(id=f"{wanted.prefix}:{path}", why=why, until=until, origin=wanted.origin)
    return wanted


def revealed(content: bytes | Secret) -> bytes:
    """The bytes, secret or not: to be compared, never to be told."""
    return content.reveal() if isinstance(content, Secret) else content
