"""`apt_sources`: a deb822 file each, with its key inside, so that the key is good for that source and for no other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from reconcilers.armor import armored
from reconcilers.contract import FileInfo, Reader, Site
from reconcilers.linediff import diff_lines
from reconcilers.profiles import has_package
from schemas.actions import RemoveFile, WriteFile
from schemas.desired import HostSpec
from schemas.errors import Mark, Mistake, SpecError
from schemas.plan import Change, Holds, Kind, Verdict
from schemas.record import Owned

NAME = "sources"
PLACE = PurePosixPath("/etc/apt/sources.list.d")
_RELEASE = PurePosixPath("/usr/lib/os-release")
_MODE = 0o644
Seen = tuple[FileInfo, bytes]


class Have(Struct, frozen=True, kw_only=True):
    """What lies at each path that is wanted or ours, and the text that is wanted there."""

    seen: Mapping[PurePosixPath, Seen | None]
    wanted: Mapping[PurePosixPath, tuple[str, bytes]]
    """The source's name in git, and its file."""


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Write each source out. Raises SpecError for one that the host does not allow, or whose key is none."""
    wanted = {}
    if has_package(site) and spec.host.apt_sources:
        suite = codename(reader.read(_RELEASE) or b"")
        _check(spec, site)
        for name in spec.host.apt_sources:
            wanted[PLACE / f"{name}.sources"] = (name, render(spec, name, suite))
    paths = {*wanted, *(PurePosixPath(id_.partition(":")[2]) for id_ in owned)}
    return Have(seen={path: _look(reader, path) for path in sorted(paths)}, wanted=wanted)


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """One verdict a source. apt's lists are older than a file that was written, so they are updated for it."""
    for path, seen in have.seen.items():
        live = _digest(site, seen[0].kind, seen[0].mode, seen[1]) if seen is not None else None
        if path in have.wanted:
            yield _wanted(spec, path, *have.wanted[path], seen, live, site)
        else:
            yield _gone(spec, path, seen, live)


def render(spec: HostSpec, name: str, own: str) -> bytes:
    """The file of a source (sources.list(5), "deb822-style format"); `own` is the host's suite."""
    source = spec.host.apt_sources[name]
    suites = source.suites or (own,)
    fields = {"Types": "deb", "URIs": " ".join(source.uris), "Suites": " ".join(suites)}
    if not all(suite.endswith("/") for suite in suites):  # a path in its place has no components
        fields["Components"] = " ".join(source.components)
    lines = [f"# Written by prosodist, of apt_sources.{name}.", *(f"{key}: {value}" for key, value in fields.items())]
    if source.signed_by is not None:
        key = armored(spec.sources[source.signed_by].data)
        if key is None:
            mark = spec.origin("apt_sources", name, "signed_by") or Mark(f"hosts/{spec.name}.yaml")
            text = f"{source.signed_by} holds no OpenPGP key; write one that `gpg --export` printed"
            raise SpecError([Mistake(mark=mark, subject=f"apt_sources.{name}.signed_by", text=text)])
        lines += ["Signed-By:", *(f" {line.strip() or '.'}" for line in key.splitlines())]
    return ("\n".join(lines) + "\n").encode()


def codename(release: bytes) -> str:
    """The host's own suite (os-release(5)); `stable` where a Debian does not say."""
    found = re.search(rb"^VERSION_CODENAME=\"?([a-z]+)", release, re.MULTILINE)
    return found[1].decode() if found else "stable"


def _check(spec: HostSpec, site: Site) -> None:
    """Judged when the commit was loaded, and again here, where it is about to be written."""
    closed = [
        Mistake(
            mark=spec.origin("apt_sources", name) or Mark(f"hosts/{spec.name}.yaml"),
            subject=f"apt_sources.{name}",
            text=f"{uri} is closed to a push; open it on the host: allow: {{sources: [{uri}]}}",
        )
        for name, source in spec.host.apt_sources.items()
        for uri in source.uris
        if not site.allows("sources", uri)
    ]
    if closed:
        raise SpecError(closed)


def _look(reader: Reader, path: PurePosixPath) -> Seen | None:
    info = reader.stat(path)
    if info is None:
        return None
    return info, (reader.read(path) if info.kind == "file" else None) or b""


def _digest(site: Site, kind: str, mode: int, text: bytes) -> str:
    return site.digest(f"{kind}\0{mode:o}\0".encode() + text)


def _wanted(
    spec: HostSpec, path: PurePosixPath, name: str, text: bytes, seen: Seen | None, live: str | None, site: Site
) -> Verdict:
    wish = _digest(site, "file", _MODE, text)
    if live == wish:
        return Holds(id=f"source:{path}", wanted=wish, live=wish)
    was = seen[0].signature if seen is not None else None
    return Change(
        id=f"source:{path}",
        kind=Kind.CREATED if seen is None else Kind.CHANGED,
        why="is not there" if seen is None else "differs from git",
        actions=(WriteFile(path=path, content=text, mode=_MODE, owner="root", group="root", was=was),),
        wanted=wish,
        live=live,
        origin=spec.origin("apt_sources", name),
        policy=spec.host.apt_sources[name].drift or spec.host.drift,
        diff=diff_lines(path, seen[1], text) if seen is not None else (),
    )


def _gone(spec: HostSpec, path: PurePosixPath, seen: Seen | None, live: str | None) -> Change:
    return Change(
        id=f"source:{path}",
        kind=Kind.RELEASED if seen is None else Kind.REMOVED,
        why="gone from git, and from the host" if seen is None else "gone from git",
        actions=() if seen is None else (RemoveFile(path=path, was=seen[0].signature),),
        wanted=None,
        live=live,
        policy=spec.host.drift,
    )
