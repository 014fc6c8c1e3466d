"""Prosody's modules in a directory of the repository, and the rules of `prosody.plugins`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set

from schemas.errors import Mark
from schemas.findings import Findings, nearest
from schemas.nodes import List, Map, Node, Scalar

_NONE_INSTALLS = "local"
"""The profile under which nobody installs packages."""


def entry_of(path: str) -> str:
    """What a file below such a directory is part of: `mod_NAME`, `mod_NAME.lua`, `NAME.lib.lua`; empty for the rest.

    Libraries that lie beside modules are found by each of them (util/pluginloader.lua of 0.12.3 and 13.0.1).
    """
    head, _, below = path.partition("/")
    is_module = head.startswith("mod_") and (below != "" or head.endswith(".lua"))
    return head if is_module or (not below and head.endswith(".lib.lua")) else ""


def module_of(entry: str) -> str:
    """The module that an entry belongs to, as `modules_enabled` names it; empty for a library."""
    if entry.endswith(".lib.lua"):
        return ""
    return entry.removeprefix("mod_").removesuffix(".lua")


def modules_in(paths: Iterable[str]) -> frozenset[str]:
    """The modules among these files."""
    return frozenset(filter(None, (module_of(entry_of(path)) for path in paths)))


def check_plugins(root: Map, tree_files: Callable[[str], Iterator[str]], findings: Findings) -> frozenset[str]:
    """Each source has modules, and those that are named; all that the repository brings."""
    prosody = _below(root, "prosody")
    plugins = _below(prosody, "plugins")
    if not isinstance(plugins, Map) or not isinstance(prosody, Map):
        return frozenset()
    if plugins.entries and "plugin_paths" in prosody.entries:
        text = "plugins says where modules come from, and where Prosody looks for them follows; take one of them out"
        findings.add(prosody.entries["plugin_paths"].mark, text)
    profile = _below(root, "profile")
    brought: set[str] = set()
    for entry in plugins.entries.values():
        source, package = _below(entry.value, "source"), _below(entry.value, "package")
        if isinstance(source, Scalar) and isinstance(source.value, str):
            brought |= _check_source(entry.value, source.value, source.mark, set(tree_files(source.value)), findings)
        elif isinstance(package, Scalar) and isinstance(profile, Scalar) and profile.value == _NONE_INSTALLS:
            findings.add(package.mark, f"nobody installs packages under the profile {profile.value}; take it out")
    return frozenset(brought)


def _check_source(plugin: Node, path: str, mark: Mark, files: Set[str], findings: Findings) -> Set[str]:
    """The modules that it brings. A directory that is not there is told with the other paths of the repository."""
    has = modules_in(files)
    if files and not has:
        text = f"there is no module in {path}; name the directory in which mod_NAME.lua or mod_NAME/ lies"
        findings.add(mark, text)
        return has
    wanted = _below(plugin, "modules")
    named = [item for item in wanted.items if isinstance(item, Scalar)] if isinstance(wanted, List) else []
    for item in named if has else ():
        if str(item.value) not in has:
            close = nearest(str(item.value), has)
            findings.add(item.mark, f"there is no module {item.value} in {path}; {_instead(close)}")
    return has & {str(item.value) for item in named} if named else has


def _instead(close: str | None) -> str:
    return f"write {close}" if close else "take it out, or add it there"


def _below(node: Node | None, key: str) -> Node | None:
    return node.entries[key].value if isinstance(node, Map) and key in node.entries else None
