"""Where in a document what rules of combining hold: one row for each place that differs from plain data.

What a place *allows* is said by its model in `desired/`; a shape says how two layers of it become one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from pydantic import BaseModel

from schemas.desired import Component, File, Host, Prosody, Prune, VirtualHost

MARKED = ("host_file", "generated", "lua", "age")
"""A map with one of these keys is one value: it replaces and is replaced whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the layers of one place combine, and how their short forms are spelled out."""

    model: type[BaseModel] | None = None
    """What the place allows; None is free data."""
    keys: Mapping[str, Shape] = field(default_factory=dict)
    """The places below it that are not plain data."""
    things: Shape | None = None
    """A map of things: each value has this shape; a dotted name is a body; a list of names is a map of {}."""
    word: str = ""
    """A bare text stands for {word: text}."""
    flags: tuple[str, ...] = ()
    """A bare one of these stands for {it: true}."""
    one: bool = False
    """A text stands for a list of one."""
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Kind key → the keys that only this kind has."""
    scope: bool = False
    """One of Prosody's scopes: any key that is no word of ours is an option."""
    literal: bool = False
    """Names in angle brackets stand for themselves."""
    names: tuple[str, ...] = ()
    """Names in angle brackets that hold below this place alone. Each of the `things` brings them: `host` and
    `name` are its key, `version` is what it says of it. Elsewhere (`file` in `check`) they stay as they are."""
    labels: bool = False
    """The things are virtual hosts: the name of a component without a dot is a label before the host's."""

    @property
    def words(self) -> frozenset[str]:
        """The keys of ours that this place knows."""
        return _words(self.model, tuple(self.keys)) if self.model is not None else frozenset()

    def below(self, key: str | int) -> Shape:
        """The shape of what stands under this key."""
        if self.things is not None:
            return self.things
        return self.keys.get(key, VALUE) if isinstance(key, str) else VALUE


@cache
def _words(model: type[BaseModel], keys: tuple[str, ...]) -> frozenset[str]:
    """A model's keys as they are written: `options` gathers what has no word, and `extends` is spent by then."""
    return frozenset(model.model_fields.keys() - {"options"}).union(keys)


VALUE = Shape()
NAMES = Shape(one=True)
LITERAL = Shape(literal=True)

_COMPONENTS = Shape(things=Shape(model=Component, keys={"extends": NAMES, "lua": LITERAL}, word="module", scope=True))
_VIRTUAL_HOSTS = Shape(
    things=Shape(
        model=VirtualHost,
        keys={"extends": NAMES, "lua": LITERAL, "components": _COMPONENTS},
        scope=True,
    ),
    names=("host",),
    labels=True,
)
_PROSODY = Shape(
    model=Prosody,
    keys={"include": NAMES, "lua": LITERAL, "virtual_hosts": _VIRTUAL_HOSTS, "components": _COMPONENTS},
    scope=True,
)
_FILE = Shape(
    model=File,
    keys={"extends": NAMES, "content": LITERAL},
    flags=("absent",),
    kinds={
        "content": (),
        "source": (),
        "template": ("vars",),
        "tree": (),
        "directory": (),
        "link": (),
        "absent": (),
    },
)
HOST = Shape(
    model=Host,
    keys={
        "extends": NAMES,
        "vars": Shape(),
        "prune": Shape(model=Prune),
        "prosody": _PROSODY,
        "files": Shape(things=_FILE),
    },
)

NOT_YET = frozenset({"version", "package", "plugins"})
"""Words of the language for Prosody's global scope that this version of the program does not know."""

ELSEWHERE = (
    frozenset({"profile", "extends", "vars", "prune", "prosody", "files", "module"})
    | (Prosody.model_fields.keys() - {"options"})
    | NOT_YET
    | (set(MARKED) - {"lua"})
)
"""Words of ours are never the name of a Prosody option; each is refused in a scope that is not its own."""


def is_marked(entries: Mapping[str | int, object]) -> bool:
    """Whether a map of plain data is one value: a secret, or Lua."""
    return any(key in entries for key in MARKED)
