"""The options that Prosody 0.12 and 13.0 know, as tables made from their sources by deploy/prosody_options.

`0.12.json` and `13.0.json` hold what Prosody itself reads, `…-modules.json` what the modules of Debian's package
prosody-modules of the same release read. They are read when first asked for, a few milliseconds each.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct

LINES = ("0.12", "13.0")
"""The lines of Prosody that there are tables for, the older first."""


class Option(Struct, frozen=True, kw_only=True):
    """What one version knows of one option."""

    types: tuple[str, ...]
    """string, number, integer, period, boolean, list, path, enum, table or any: one of them fits."""
    scope: str = "any"
    """global: read nowhere else; component: by modules that are components; any: in hosts, else globally."""
    choices: tuple[str | bool, ...] = ()
    least: float | None = None
    most: float | None = None
    default: str = ""
    """As Lua; empty when there is none."""
    readers: tuple[str, ...] = ()
    """Modules by name, parts of Prosody as core.certmanager; prosodyctl."""
    since: str = ""
    until: str = ""
    deprecated: bool = False
    gone: bool = False
    """An option of long ago that nothing reads any more."""
    instead: str = ""
    """What took its place, as it is written in a host's file."""


class Module(Struct, frozen=True, kw_only=True):
    """A module that comes with one version. Deprecated: it still comes, and does nothing that is needed."""

    deprecated: bool = False
    instead: str = ""


class Table:
    """The options and modules of one version."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._options: Mapping[str, Mapping[str, Any]] = data["options"]
        self._modules: Mapping[str, Mapping[str, Any]] = data["modules"]
        self._asked: dict[str, Option] = {}

    def option(self, name: str) -> Option | None:
        """The option of this name."""
        row = self._options.get(name)
        if row is not None and name not in self._asked:
            self._asked[name] = _option(row)
        return self._asked.get(name)

    def module(self, name: str) -> Module | None:
        """The module of this name, without `mod_`."""
        row = self._modules.get(name)
        return Module(**row) if row is not None else None

    @property
    def options(self) -> frozenset[str]:
        """The name of every option that something reads."""
        return frozenset(name for name, row in self._options.items() if "gone" not in row)

    @property
    def modules(self) -> frozenset[str]:
        """Every module's name."""
        return frozenset(self._modules)


def _option(row: Mapping[str, Any]) -> Option:
    told = dict(row)
    return Option(
        types=tuple(told.pop("type").split("|")),
        choices=tuple(told.pop("choices", ())),
        readers=tuple(told.pop("read", ())),
        **told,
    )


@cache
def known(line: str) -> Table:
    """What Prosody of this line knows by itself."""
    return _read(f"{line}.json")


@cache
def known_to_modules(line: str) -> Table:
    """What the package prosody-modules knows that belongs to this line."""
    return _read(f"{line}-modules.json")


def _read(name: str) -> Table:
    data = pkgutil.get_data("schemas.options", name)
    if data is None:
        raise FileNotFoundError(name)
    return Table(json.loads(data))
