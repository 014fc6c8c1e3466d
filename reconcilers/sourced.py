"""Where each module comes from: every source in the order of the map, and what of it is to lie where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from reconcilers import dpkg
from reconcilers.contract import Reader, Site
from schemas.desired import HostSpec
from schemas.desired.plugins import Plugin
from schemas.errors import Mark
from schemas.modules import entry_of, module_of
from schemas.plan import Policy

PLUGIN = "plugin"
"""The kind of object that a file of a module is."""
_INFO = PurePosixPath("/var/lib/dpkg/info")


class Piece(Struct, frozen=True, kw_only=True):
    """A file of a module, or a directory (`source` empty). `source`: its path in the repository."""

    source: str = ""
    content: bytes = b""
    policy: Policy
    origin: Mark | None = None

    @property
    def is_directory(self) -> bool:
        """Whether it is one."""
        return not self.source


def pieces(reader: Reader, spec: HostSpec, site: Site) -> Mapping[PurePosixPath, Piece]:
    """All that is to lie in the profile's place for modules. A module is taken whole, from the first that has it."""
    prosody, found = spec.host.prosody, dict[PurePosixPath, Piece]()
    taken: dict[str, str] = {}
    for name, plugin in prosody.plugins.items() if prosody is not None else ():
        for entry in _entries_of_package(reader, plugin):
            taken.setdefault(_thing(entry), name)
        for path in _files(spec, plugin):
            entry = entry_of(path)
            if taken.setdefault(_thing(entry), name) == name:
                found |= _placed(spec, site, name, plugin, path)
    return found


def named_packages(spec: HostSpec) -> tuple[str, ...]:
    """The packages that are named as sources."""
    plugins = spec.host.prosody.plugins if spec.host.prosody is not None else {}
    return tuple(plugin.package for plugin in plugins.values() if plugin.package is not None)


def _placed(spec: HostSpec, site: Site, name: str, plugin: Plugin, path: str) -> dict[PurePosixPath, Piece]:
    """The file, and the directories that it lies in."""
    prosody = spec.host.prosody
    assert prosody is not None
    policy, origin = plugin.drift or prosody.drift or spec.host.drift, spec.origin("prosody", "plugins", name)
    (place, *_), source = site.paths.plugins, f"{plugin.source}/{path}"
    directory = Piece(policy=policy, origin=origin)
    found = {place / above: directory for above in PurePosixPath(path).parents if above.name}
    found[place / path] = Piece(source=source, content=spec.sources[source].data, policy=policy, origin=origin)
    return found


def _files(spec: HostSpec, plugin: Plugin) -> Iterator[str]:
    """What of a directory of the repository belongs to a wanted module, or is a library beside them."""
    prefix = f"{plugin.source}/"
    below = (name.removeprefix(prefix) for name in spec.sources if plugin.source and name.startswith(prefix))
    yield from (path for path in sorted(below) if _is_wanted(plugin, entry_of(path)))


def _is_wanted(plugin: Plugin, entry: str) -> bool:
    module = module_of(entry) if entry else ""
    return bool(entry) and (not module or not plugin.modules or module in plugin.modules)


def _thing(entry: str) -> str:
    """What is taken whole: `mod_x.lua` and `mod_x/` are one module. A library is itself."""
    return module_of(entry) or entry


def listing(reader: Reader, package: str) -> PurePosixPath:
    """Where dpkg keeps the digests of what it unpacked of a package: another text, other code."""
    return _INFO / f"{dpkg.listed_as(reader.read(dpkg.STATUS) or b'', package)}.md5sums"


def brought_by(reader: Reader, package: str) -> frozenset[str] | None:
    """What this package has of modules and libraries; None when it is not installed."""
    said = reader.read(listing(reader, package))
    if said is None:
        return None
    paths = [line.partition("  ")[2] for line in said.decode(errors="replace").splitlines()]
    below = (path.partition("/prosody/modules/")[2] for path in paths)
    return frozenset(filter(None, (entry_of(path) for path in below if path)))


def _entries_of_package(reader: Reader, plugin: Plugin) -> Iterator[str]:
    brought = brought_by(reader, plugin.package) if plugin.package is not None else None
    yield from (entry for entry in sorted(brought or ()) if _is_wanted(plugin, entry))
