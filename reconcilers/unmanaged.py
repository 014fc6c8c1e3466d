"""Not a reconciler: what lies on the host, concerns Prosody, and never was in git. It is told and left alone."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from reconcilers import dpkg
from reconcilers.activation import known_running, running_process
from reconcilers.contract import Reader, Site
from reconcilers.loading import is_plain
from reconcilers.profiles import has_package
from reconcilers.sourced import named_packages, pieces
from schemas.desired import HostSpec
from schemas.plan import Policy, Unmanaged
from schemas.record import Owned

_MARKS = PurePosixPath("/var/lib/apt/extended_states")
"""Where apt notes what it installed for another package's sake (apt-mark(8))."""
_INSTALLED = re.compile(rb"^Package: ((?:prosody|lua-)\S*)\nStatus: (?:install|hold) ok installed$", re.MULTILINE)
_AUTOMATIC = re.compile(rb"^Package: (\S+)\n(?:[A-Z].*\n)*?Auto-Installed: 1$", re.MULTILINE)


class Host(Struct, frozen=True, kw_only=True):
    """What is looked at, and all that is git's there. `places`: paths that git names or that are ours."""

    reader: Reader
    spec: HostSpec
    site: Site
    owned: frozenset[str]
    places: frozenset[PurePosixPath]

    def is_ours(self, path: PurePosixPath) -> bool:
        """Whether git says something of this path, of what lies below it, or of a tree that it lies in."""
        return any(place == path or path in place.parents or place in path.parents for place in self.places)


def find_unmanaged(
    reader: Reader, spec: HostSpec, owned: Mapping[str, Mapping[str, Owned]], site: Site
) -> Iterator[Unmanaged]:
    """All of it, as far as `unmanaged` says `report`. Raises Temporary."""
    if spec.host.drift is Policy.IGNORE or spec.host.prosody is None:
        return
    ids = frozenset(id_ for ours in owned.values() for id_ in ours)
    named = {PurePosixPath(path) for path in spec.host.files}
    made = {PurePosixPath(id_.partition(":")[2]) for id_ in ids if not id_.startswith("dir:") and ":/" in id_}
    places = frozenset((*named, *made, *pieces(reader, spec, site), site.paths.config))
    host = Host(reader=reader, spec=spec, site=site, owned=ids, places=places)
    for word, find in _KINDS.items():
        if spec.host.unmanaged is None or getattr(spec.host.unmanaged, word) == "report":
            yield from find(host)


def _packages(host: Host) -> Iterator[Unmanaged]:
    """Installed by hand: not for another package's sake."""
    if not has_package(host.site):
        return
    prosody, packages = host.spec.host.prosody, host.spec.host.packages
    own = prosody.package.name if prosody is not None and prosody.package is not None else None
    wanted = {own or "prosody", *named_packages(host.spec), *(packages.apt if packages is not None else ())}
    wanted |= {id_.partition(":")[2] for id_ in host.owned if id_.startswith("package:")}
    status, marks = host.reader.read(dpkg.STATUS) or b"", host.reader.read(_MARKS) or b""
    automatic = set(_AUTOMATIC.findall(marks))
    for name in sorted(set(_INSTALLED.findall(status)) - automatic):
        if name.decode() not in wanted:
            yield Unmanaged(kind="package", object=name.decode(), why="was installed by hand")


def _plugins(host: Host) -> Iterator[Unmanaged]:
    prosody = host.spec.host.prosody
    said = prosody.options.get("plugin_paths", ()) if prosody is not None else ()
    own = [PurePosixPath(path) for path in said if isinstance(path, str)] if isinstance(said, tuple | list) else []
    for place in dict.fromkeys((*host.site.paths.plugins, *own, host.site.paths.data / "custom_plugins")):
        if not place.is_absolute():
            continue
        for name in host.reader.listdir(place) or ():
            if name.startswith("mod_") and not host.is_ours(place / name):
                yield Unmanaged(kind="plugin", object=str(place / name), why="is a module that git does not bring")


def _hosts(host: Host) -> Iterator[Unmanaged]:
    """What Prosody has loaded beyond git: an included file of somebody else's may bring hosts."""
    prosody, process = host.spec.host.prosody, running_process(host.reader, host.site)
    if prosody is None or process is None or prosody.template is not None or is_plain(host.spec):
        return
    running = known_running(host.reader, process, host.spec)
    wanted = {name.lower() for name in _domains(host.spec)}
    lua = " ".join(scope.lua or "" for scope in (prosody, *prosody.virtual_hosts.values()))
    for name in sorted(running.options if running is not None else ()):
        if name != "*" and name not in wanted and name not in lua:
            yield Unmanaged(kind="host", object=name, why="lives in Prosody and is not in git")


def _files(host: Host) -> Iterator[Unmanaged]:
    """Beside Prosody's configuration, in the directories there, and beside its certificates."""
    paths, brought = host.site.paths, _brought_by_package(host)
    domains = _domains(host.spec)
    top = paths.config.parent
    below = [top / name for name in host.reader.listdir(top) or () if _kind(host.reader, top / name) == "directory"]
    for directory in dict.fromkeys((top, *below, paths.certificates)):
        for name in host.reader.listdir(directory) or ():
            path, kind = directory / name, _kind(host.reader, directory / name)
            is_pair = directory == paths.certificates and name.removesuffix(".crt").removesuffix(".key") in domains
            if kind == "directory" or kind is None or is_pair or host.is_ours(path) or path in brought:
                continue
            if kind == "link" and _target(host.reader, path) in brought:
                continue  # the package's own script has made it
            if ".dpkg-" not in name:
                yield Unmanaged(kind="file", object=str(path), why="lies there and is not in git")


def _kind(reader: Reader, path: PurePosixPath) -> str | None:
    info = reader.stat(path)
    return info.kind if info is not None else None


def _target(reader: Reader, path: PurePosixPath) -> PurePosixPath:
    info = reader.stat(path)
    target = info.target if info is not None else None
    return PurePosixPath(posixpath.normpath(path.parent / (target or "")))


def _brought_by_package(host: Host) -> frozenset[PurePosixPath]:
    """The files of Prosody's own package, as dpkg lists them."""
    if not has_package(host.site):
        return frozenset()
    prosody = host.spec.host.prosody
    own = prosody.package.name if prosody is not None and prosody.package is not None else None
    said = host.reader.read(dpkg.STATUS.with_name("info") / f"{own or 'prosody'}.list") or b""
    return frozenset(PurePosixPath(line) for line in said.decode(errors="replace").splitlines())


def _domains(spec: HostSpec) -> frozenset[str]:
    prosody = spec.host.prosody
    assert prosody is not None
    below = (name for body in prosody.virtual_hosts.values() for name in body.components)
    return frozenset((*prosody.virtual_hosts, *prosody.components, *below))


_KINDS: Mapping[str, Callable[[Host], Iterator[Unmanaged]]] = {
    "packages": _packages,
    "plugins": _plugins,
    "hosts": _hosts,
    "files": _files,
}
"""The words of `unmanaged` but `accounts`, which nobody looks at yet."""
