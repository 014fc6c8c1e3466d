"""Which modules a host enables, and whether anything else can bring code that reads options."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from schemas.errors import Mark
from schemas.nodes import List, Map, Node, Scalar
from schemas.shape import is_marked


class Named(Struct, frozen=True, kw_only=True):
    """A module by its name without `mod_`, and where it is said."""

    value: str
    mark: Mark
    prefix: str = ""
    """What of the name is not written there: `storage_` of `default_storage: sql`."""


class Enabled(Struct, frozen=True, kw_only=True):
    """All modules that any scope of a host names."""

    named: tuple[Named, ...]
    open: bool
    """Lua, an included file or a marked value may bring what is not seen here. So may a host that lists no module
    yet: what it will enable may read anything."""
    has_unseen: bool
    """The host has modules from elsewhere, and which they are is not known here."""


_PREFIXES = {
    "authentication": "auth_",
    "authorization": "authz_",
    "default_storage": "storage_",
    "storage": "storage_",
}
"""Options that name a module by what comes after this."""

_LUA = ("lua", "include", "template")


def gather_enabled(prosody: Map, *unused: Node) -> Enabled:
    """The modules of the global scope, of each host and of each component; of bodies that are not in use, too."""
    scopes = tuple(scope for node in (prosody, *unused) if isinstance(node, Map) for scope in _scopes(node))
    values = [value for scope in scopes for value in _values(scope)]
    lists = any("modules_enabled" in scope.entries for scope in scopes)
    brings = any(word in scope.entries for scope in scopes for word in _LUA)
    return Enabled(
        named=tuple(named for named in values if named.value),
        open=not lists or brings or any(not named.value for named in values),
        has_unseen=any(word in prosody.entries for word in ("plugin_paths", "installer_plugin_path"))
        or any(_is_elsewhere(plugin) for plugin in _plugins(prosody)),
    )


def _plugins(prosody: Map) -> Iterator[Node]:
    plugins = prosody.entries["plugins"].value if "plugins" in prosody.entries else None
    yield from (entry.value for entry in plugins.entries.values()) if isinstance(plugins, Map) else ()


def _is_elsewhere(plugin: Node) -> bool:
    """Any kind but a directory of this repository."""
    return not isinstance(plugin, Map) or "source" not in plugin.entries


def _scopes(scope: Map) -> Iterator[Map]:
    yield scope
    for key in ("virtual_hosts", "components"):
        below = scope.entries[key].value if key in scope.entries else None
        for entry in below.entries.values() if isinstance(below, Map) else ():
            if isinstance(entry.value, Map):
                yield from _scopes(entry.value)


def _values(scope: Map) -> Iterator[Named]:
    """Each module; an empty name for what is not a plain text."""
    for key, prefix in (("modules_enabled", ""), ("module", ""), *_PREFIXES.items()):
        if key in scope.entries:
            for node in _leaves(scope.entries[key].value):
                plain = isinstance(node, Scalar) and isinstance(node.value, str)
                name = f"{prefix}{node.value}" if plain and isinstance(node, Scalar) else ""
                yield Named(value=name, mark=node.mark, prefix=prefix)


def _leaves(node: Node) -> Iterator[Node]:
    """A value's texts: of itself, of a list's items, of a map's values (`storage`)."""
    match node:
        case List(items=items):
            yield from items
        case Map(entries=entries) if not is_marked(entries):
            yield from (entry.value for entry in entries.values())
        case _:
            yield node
