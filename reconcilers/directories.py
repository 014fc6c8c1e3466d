"""The directories that Prosody needs: its own to write in, ours that it may enter. None is removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from reconcilers.contract import FileInfo, Reader, Site
from reconcilers.profiles import has_package
from schemas.actions import MakeDir
from schemas.desired import HostSpec
from schemas.plan import Change, Holds, Kind, Verdict
from schemas.record import Owned

NAME = "directories"


class Have(Struct, frozen=True, kw_only=True):
    """What lies at each of these paths."""

    seen: Mapping[PurePosixPath, FileInfo | None]


def wanted_directories(spec: HostSpec, site: Site) -> dict[PurePosixPath, MakeDir]:
    """Each directory as it is to be, parents first.

    Where the agent is Prosody's own user, owner and group are left as they come. Under root there are three
    kinds: Prosody's own, those that it may enter, and the secrets, which are for the agent alone.
    """
    if spec.host.prosody is None:
        return {}
    paths = site.paths
    root = "root" if site.user is not None else None
    owner, group = (site.owner, site.group) if site.user is not None else (None, None)
    brought = has_package(site)  # the other directories are the package's own, with owners and modes of its choice
    own = set() if brought else {paths.data, paths.pidfile.parent, paths.socket.parent, paths.log.parent}
    entered = {paths.stage} if brought else {paths.config.parent, paths.certificates, paths.stage}
    wanted = {path: MakeDir(path=path, mode=0o750, owner=owner, group=group) for path in own}
    wanted |= {path: MakeDir(path=path, mode=0o750, owner=root, group=group) for path in entered}
    wanted[paths.secrets] = MakeDir(path=paths.secrets, mode=0o700, owner=root, group=root)
    return dict(sorted(wanted.items()))


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Look at each directory."""
    paths = {*wanted_directories(spec, site), *(PurePosixPath(id_.partition(":")[2]) for id_ in owned)}
    return Have(seen={path: reader.stat(path) for path in sorted(paths)})


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Make what is missing or differs; let go of what Prosody no longer needs: its data stay."""
    wanted = wanted_directories(spec, site)
    for path, info in have.seen.items():
        live = None if info is None else site.digest(_text(info.kind, info.mode, info.owner, info.group))
        directory = wanted.get(path)
        if directory is None:
            yield Change(
                id=f"dir:{path}", kind=Kind.RELEASED, why="no longer needed; what is in it stays", actions=(),
                wanted=None, live=live,
            )  # fmt: skip
            continue
        wish = site.digest(_text("directory", directory.mode, directory.owner or "", directory.group or ""))
        why = _difference(directory, info)
        if not why and live is not None:
            yield Holds(id=f"dir:{path}", wanted=wish, live=live)
            continue
        yield Change(
            id=f"dir:{path}",
            kind=Kind.CREATED if info is None else Kind.CHANGED,
            why=why,
            actions=(directory,),
            wanted=wish,
            live=live,
        )


def _text(kind: str, mode: int, owner: str, group: str) -> bytes:
    return f"{kind}\0{mode:o}\0{owner}\0{group}".encode()


def _difference(wanted: MakeDir, info: FileInfo | None) -> str:
    if info is None:
        return "is not there"
    if info.kind != "directory":
        return f"is a {info.kind}, a directory is wanted"
    reasons = []
    if info.mode != wanted.mode:
        reasons.append(f"mode {info.mode:04o}, {wanted.mode:04o} is wanted")
    for what, live, wish in (("owner", info.owner, wanted.owner), ("group", info.group, wanted.group)):
        if wish is not None and live != wish:
            reasons.append(f"{what} {live}, {wish} is wanted")
    return "; ".join(reasons)
