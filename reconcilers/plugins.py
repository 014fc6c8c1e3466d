"""`prosody.plugins`: modules that Prosody lacks, each whole and from one source, in the one place where it looks first.

The first source of the map that has a module wins. Prosody itself would take each *file* from the first directory
that has it, so a directory a source would mix two sources in one module (util/pluginloader.lua of 0.12.3 and 13.0.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from reconcilers.apt.have import look
from reconcilers.apt.verdict import judge
from reconcilers.apt.wanted import wanted as wanted_packages
from reconcilers.contract import FileInfo, Reader, Site
from reconcilers.judging import compile_alone
from reconcilers.linediff import diff_lines
from reconcilers.sourced import PLUGIN, Piece, brought_by, named_packages, pieces
from schemas.actions import Action, MakeDir, RemoveFile, WriteFile
from schemas.desired import HostSpec
from schemas.errors import Mark, Mistake, SpecError
from schemas.fragments import Fragment
from schemas.modules import module_of
from schemas.plan import Change, Holds, Kind, NextRound, Verdict, Wait
from schemas.record import Owned

NAME = "plugins"
_DIRECTORY, _FILE = 0o755, 0o644
"""Prosody's user reads them and may not change them: who broke into Prosody shall not stay in its code."""
_TOUCHES = frozenset({"prosody"})


class Seen(Struct, frozen=True, kw_only=True):
    """What lies at a path. `names`: what is in a directory."""

    info: FileInfo
    content: bytes | None = None
    names: tuple[str, ...] = ()


class Have(Struct, frozen=True, kw_only=True):
    """What is wanted and what lies there. `missing`: a package of this pass; its modules are known when it is there."""

    wanted: Mapping[PurePosixPath, Piece]
    seen: Mapping[PurePosixPath, Seen | None]
    missing: str = ""


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Look at each file. Raises SpecError for a module that is no Lua, and for one that `files` writes too."""
    missing = next((name for name in named_packages(spec) if _is_coming(reader, spec, site, name)), "")
    wanted = pieces(reader, spec, site)
    _refuse_two_writers(spec, wanted)
    paths = sorted({*wanted, *map(_path, owned)})
    seen = {path: _look(reader, path) for path in paths}
    if mistakes := compile_modules(reader, site, (p for path, p in wanted.items() if _differs(p, seen[path]))):
        raise SpecError(mistakes)
    return Have(wanted=wanted, seen=seen, missing=missing)


def _is_coming(reader: Reader, spec: HostSpec, site: Site, package: str) -> bool:
    """Whether it is installed in this pass, or apt asked of it. One that cannot be had brings nothing until it can."""
    if brought_by(reader, package) is not None:
        return False
    asked = tuple(one for one in wanted_packages(spec, site) if one.name == package)
    have = look(reader, site, asked, leaving=())
    return any(have.asking is not None or isinstance(judge(one, have, None, site), Change) for one in have.open)


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Parents before children; then what is gone from git, children before parents."""
    for path in sorted(have.wanted):
        if have.missing:
            why = f"which modules the package {have.missing} brings is known when it is installed"
            yield Wait(id=_id(path), why=why, until=NextRound(), origin=have.wanted[path].origin)
        else:
            yield _verdict(path, have.wanted[path], have.seen[path], site)
    going: set[PurePosixPath] = set()
    for path in sorted(set(have.seen) - set(have.wanted), reverse=True):
        seen = have.seen[path]
        ours = owned[_id(path)]
        if have.missing:
            yield Holds(id=_id(path), wanted=ours.wish, live=_live(seen, site) or "")
        elif seen is None or not all(path / name in going for name in seen.names):
            yield _gone(path, None, spec, site)
        else:
            if ours.made:
                going.add(path)
            yield _gone(path, seen, spec, site)


def compile_modules(reader: Reader, site: Site, wanted: Iterable[Piece]) -> list[Mistake]:
    """What of these is no Lua, by the Lua that will run it. Raises Temporary."""
    files = {piece.source: piece for piece in wanted if piece.source.endswith(".lua")}
    if not files or site.prosody is None:
        return []
    fragments = tuple(
        Fragment(
            text=piece.content.decode(errors="replace"),
            is_expression=False,
            origin=Mark(name, 1, 1),
            first=Mark(name, 1, 1),
        )
        for name, piece in files.items()
    )
    return list(compile_alone(reader, site, fragments))


def _refuse_two_writers(spec: HostSpec, wanted: Mapping[PurePosixPath, Piece]) -> None:
    for path, entry in _written_by_files(spec):
        if path in wanted:
            mark = spec.origin("files", entry) or Mark(f"hosts/{spec.name}.yaml")
            text = f"prosody.plugins brings {path.name} already; take one of them out"
            raise SpecError([Mistake(mark=mark, subject=f"files.{entry}", text=text)])


def _written_by_files(spec: HostSpec) -> Iterator[tuple[PurePosixPath, str]]:
    """Each path of `files`, those in a tree too, with the entry that says so."""
    for text, entry in spec.host.files.items():
        yield PurePosixPath(text), text
        if entry.tree is not None:
            prefix = f"{entry.tree.rstrip('/')}/"
            names = (name.removeprefix(prefix) for name in spec.sources if name.startswith(prefix))
            yield from ((PurePosixPath(text, name), text) for name in names)


# --- what to say of it ---


def _id(path: PurePosixPath) -> str:
    return f"{PLUGIN}:{path}"


def _path(id_: str) -> PurePosixPath:
    return PurePosixPath(id_.partition(":")[2])


def _look(reader: Reader, path: PurePosixPath) -> Seen | None:
    info = reader.stat(path)
    if info is None:
        return None
    content = reader.read(path) if info.kind == "file" else None
    return Seen(info=info, content=content, names=reader.listdir(path) or () if info.kind == "directory" else ())


def _differs(piece: Piece, seen: Seen | None) -> bool:
    return not piece.is_directory and (seen is None or seen.content != piece.content)


def _owner(site: Site) -> str | None:
    """Root's, where Prosody runs as somebody else; any other agent is Prosody's user itself."""
    return "root" if site.user is not None else None


def _digest(site: Site, kind: str, mode: int, owner: str, content: bytes) -> str:
    return site.digest(f"{kind}\0{mode:o}\0{owner}\0".encode() + content)


def _live(seen: Seen | None, site: Site) -> str | None:
    if seen is None:
        return None
    return _digest(site, seen.info.kind, seen.info.mode, seen.info.owner, seen.content or b"")


def _verdict(path: PurePosixPath, piece: Piece, seen: Seen | None, site: Site) -> Verdict:
    mode, kind = (_DIRECTORY, "directory") if piece.is_directory else (_FILE, "file")
    wish, live = _digest(site, kind, mode, _owner(site) or "", piece.content), _live(seen, site)
    why = _difference(piece, kind, mode, seen, site)
    if not why and live is not None:
        return Holds(id=_id(path), wanted=wish, live=live)
    return Change(
        id=_id(path),
        kind=Kind.CREATED if seen is None else Kind.CHANGED,
        why=why,
        actions=_actions(path, piece, kind, seen, site),
        wanted=wish,
        live=live,
        origin=piece.origin,
        policy=piece.policy,
        touches=_TOUCHES,
        diff=diff_lines(path, seen.content, piece.content) if seen and seen.content is not None else (),
    )


def _difference(piece: Piece, kind: str, mode: int, seen: Seen | None, site: Site) -> str:
    """Why it is not as wanted, as a clause; empty when it is."""
    if seen is None:
        return "is not there"
    if seen.info.kind != kind:
        return f"is a {seen.info.kind}, a {kind} is wanted"
    reasons = ["content differs"] if _differs(piece, seen) else []
    if seen.info.mode != mode:
        reasons.append(f"mode {seen.info.mode:04o}, {mode:04o} is wanted")
    owner = _owner(site)
    if owner is not None and seen.info.owner != owner:
        reasons.append(f"owner {seen.info.owner}, {owner} is wanted")
    return "; ".join(reasons)


def _actions(path: PurePosixPath, piece: Piece, kind: str, seen: Seen | None, site: Site) -> tuple[Action, ...]:
    owner, was = _owner(site), seen.info.signature if seen else None
    clear: tuple[Action, ...] = ()
    if seen is not None and was is not None and seen.info.kind != kind and "directory" in (seen.info.kind, kind):
        # an empty directory gives way; one with something in it is a person's, and the hands say so
        clear, was = (RemoveFile(path=path, was=was),), None
    if piece.is_directory:
        return (*clear, MakeDir(path=path, mode=_DIRECTORY, owner=owner, group=owner))
    place = MakeDir(path=path.parent, mode=_DIRECTORY, owner=owner, group=owner)
    above = (place,) if path.parent in site.paths.plugins and seen is None else ()
    write = WriteFile(path=path, content=piece.content, mode=_FILE, owner=owner, group=owner, was=was)
    return (*above, *clear, write)


def _gone(path: PurePosixPath, seen: Seen | None, spec: HostSpec, site: Site) -> Change:
    """Ours, and no longer in git. None: nothing that we may remove."""
    prosody = spec.host.prosody
    is_whole = path.parent in site.paths.plugins and bool(module_of(path.name))
    gone = Change(
        id=_id(path),
        kind=Kind.REMOVED,
        why="gone from git",
        actions=(),
        wanted=None,
        live=_live(seen, site),
        policy=(prosody.drift if prosody is not None else None) or spec.host.drift,
        touches=_TOUCHES,
        removes=None if is_whole else 0,  # a module is one thing, however many files it has
    )
    if seen is None:
        return replace(gone, kind=Kind.RELEASED, why="gone from git; what is left of it is not ours")
    return replace(gone, actions=(RemoveFile(path=path, was=seen.info.signature),))
