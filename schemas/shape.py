"""Where in a document what rules of combining hold: one row for each place that differs from plain data.

What a place *allows* is said by its model in `desired/`; a shape says how two layers of it become one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from msgspec import Struct, field
from pydantic import BaseModel

from schemas.desired import Host, Prosody
from schemas.desired.part import named
from schemas.findings import nearest

MARKED = ("host_file", "generated", "lua", "age", "read")
"""A map with one of these keys is one value: it replaces and is replaced whole."""
_MARKS = frozenset(MARKED)


class Shape(Struct, frozen=True, kw_only=True):
    """How the layers of one place combine, and how their short forms are spelled out."""

    of: str = ""
    """The name of the model below `schemas.desired`, imported when a document has such a place."""
    keys: Mapping[str, Shape] = field(default_factory=dict)
    """The places below it that are not plain data."""
    things: Shape | None = None
    """A map of things: each value has this shape; a dotted name is a body; a list of names is a map of {}."""
    word: str = ""
    """A bare text stands for {word: text}."""
    items: Shape | None = None
    """A list: each item has this shape."""
    flags: tuple[str, ...] = ()
    """A bare one of these stands for {it: true}, or for {it: {}} where it is a map."""
    one: bool = False
    """A text stands for a list of one."""
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Kind key → the keys that only this kind has, or this and some others. There is one kind, never two."""
    may_have_none: bool = False
    """It need not be of any kind."""
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Key → those that must stand beside it."""
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
    def model(self) -> type[BaseModel] | None:
        """What the place allows; None is free data."""
        return _model(self.of) if self.of else None

    @property
    def words(self) -> frozenset[str]:
        """The keys of ours that this place knows."""
        return _words(self.model, tuple(self.keys)) if self.model is not None else frozenset()

    def below(self, key: str | int) -> Shape:
        """The shape of what stands under this key, or at this place of a list."""
        if self.things is not None:
            return self.things
        if self.items is not None:
            return self.items
        return self.keys.get(key, VALUE) if isinstance(key, str) else VALUE


@cache
def _model(name: str) -> type[BaseModel]:
    model: type[BaseModel] = named(name)
    return model


@cache
def _words(model: type[BaseModel], keys: tuple[str, ...]) -> frozenset[str]:
    """A model's keys as they are written: `options` gathers what has no word, and `extends` is spent by then."""
    written = {info.alias or name for name, info in model.model_fields.items()}
    return frozenset(written - {"options"}).union(keys)


VALUE = Shape()
NAMES = Shape(one=True)
LITERAL = Shape(literal=True)
MAP = Shape(things=VALUE)
"""A map whose keys are names: `lua`, `age` and `.default` are as good as any."""

# --- Prosody

_COMPONENTS = Shape(
    things=Shape(of="prosody.Component", keys={"extends": NAMES, "lua": LITERAL}, word="module", scope=True)
)
_VIRTUAL_HOSTS = Shape(
    things=Shape(
        of="prosody.VirtualHost",
        keys={"extends": NAMES, "lua": LITERAL, "components": _COMPONENTS},
        scope=True,
    ),
    names=("host",),
    labels=True,
)
_PLUGIN = Shape(
    of="plugins.Plugin",
    keys={"extends": NAMES, "modules": NAMES},
    kinds={
        "hg": ("revision",),
        "git": ("revision",),
        "archive": ("sha256",),
        "rock": ("version", "server"),
        "package": ("version",),
        "source": (),
    },
    needs={"hg": ("revision",), "git": ("revision",), "archive": ("sha256",)},
)
_PROSODY = Shape(
    of="prosody.Prosody",
    keys={
        "package": Shape(of="packages.ProsodyPackage", names=("name", "version"), needs={"url": ("sha256",)}),
        "plugins": Shape(things=_PLUGIN),
        "include": NAMES,
        "lua": LITERAL,
        "virtual_hosts": _VIRTUAL_HOSTS,
        "components": _COMPONENTS,
    },
    scope=True,
)

# --- software


def _packages(thing: Shape) -> Shape:
    return Shape(things=thing, names=("name", "version"))


_ROCK_KEYS = {"extends": NAMES, "variables": MAP, "needs": NAMES}
_FETCHED = {"url": ("sha256",), "sha256": ("url",)}
_PACKAGES = Shape(
    of="packages.Packages",
    keys={
        "apt": _packages(Shape(of="packages.AptPackage", keys={"extends": NAMES}, word="version")),
        "luarocks": _packages(Shape(of="packages.Rock", keys=_ROCK_KEYS, word="version")),
        "toast": _packages(Shape(of="packages.ToastPackage", keys={"extends": NAMES}, word="version", needs=_FETCHED)),
        "pkgtools": _packages(
            Shape(of="packages.PkgtoolsPackage", keys={"extends": NAMES}, word="version", needs=_FETCHED)
        ),
    },
)
_APT_SOURCE = Shape(
    of="packages.AptSource", keys={"extends": NAMES, "uris": NAMES, "suites": NAMES, "components": NAMES}
)

# --- certificates

_DNS = Shape(
    of="certificates.Dns01",
    keys={"tsig": Shape(of="certificates.Tsig")},
    kinds={"hook": (), "server": ("tsig",)},
)
_CHALLENGE = Shape(
    of="certificates.Challenge",
    keys={
        "http-01": Shape(of="certificates.Http01"),
        "tls-alpn-01": Shape(of="certificates.TlsAlpn01"),
        "dns-01": _DNS,
    },
    flags=("http-01", "tls-alpn-01"),
    kinds={"http-01": (), "tls-alpn-01": (), "dns-01": ()},
)
_ISSUER = Shape(
    of="certificates.Issuer",
    keys={"eab": Shape(of="certificates.Eab")},
    word="name",
    kinds={"name": (), "directory": ("ca", "eab")},
)
_PAIR = Shape(
    of="certificates.Pair",
    word="directory",
    kinds={"directory": (), "certificate": ("key",)},
    needs={"certificate": ("key",)},
)
_SERVED = ("hosts", "notify", "install")
_CERTIFICATE = Shape(
    of="certificates.Certificate",
    keys={
        "extends": NAMES,
        "issuers": Shape(items=_ISSUER, one=True),
        "path": _PAIR,
        "challenge": _CHALLENGE,
        "hosts": NAMES,
        "names": NAMES,
        "notify": NAMES,
        "install": Shape(of="things.Place"),
    },
    flags=("none",),
    kinds={
        "issuers": (
            *("contact", "profile", "challenge", "key", "reuse_key", "dane", "wildcard", "names"),
            *_SERVED,
        ),
        "path": ("take", *_SERVED),
        "self_signed": _SERVED,
        "none": (),
    },
)

# --- everything else on the host

_OWNED = ("owner", "group")
_WRITTEN = ("mode", *_OWNED)
_PART = ("block", "comment", "check")
_FILE = Shape(
    of="files.File",
    keys={"extends": NAMES, "content": LITERAL, "vars": MAP, "check": Shape(names=("file",)), "notify": NAMES},
    flags=("absent",),
    kinds={
        "content": (*_WRITTEN, *_PART),
        "source": (*_WRITTEN, *_PART),
        "template": (*_WRITTEN, *_PART, "vars"),
        "tree": _WRITTEN,
        "directory": (*_WRITTEN, "recurse"),
        "link": _OWNED,
        "git": ("revision", "refresh", *_OWNED),
        "hg": ("revision", "refresh", *_OWNED),
        "archive": ("sha256", *_OWNED),
        "dhparam": _WRITTEN,
        "absent": (),
    },
    needs={"git": ("revision",), "hg": ("revision",), "archive": ("sha256",), "comment": ("block",)},
)
_ACCOUNT = Shape(
    of="accounts.Account",
    keys={"extends": NAMES},
    word="state",
    kinds={"password": ("password_policy",), "scram": ()},
    may_have_none=True,
)
_SERVICE = Shape(of="services.Service", keys={"extends": NAMES, "environment": MAP})
_JOB = Shape(of="jobs.Job", keys={"extends": NAMES}, kinds={"run": (), "script": ()})
_WINDOW = Shape(of="upkeep.Window", kinds={"allow": (), "deny": ()})

HOST = Shape(
    of="Host",
    keys={
        "extends": NAMES,
        "policy": Shape(of="policy.Bundles"),
        "vars": MAP,
        "requires": MAP,
        "unmanaged": Shape(of="upkeep.Unmanaged"),
        "prune": Shape(of="Prune"),
        "maintenance": Shape(items=_WINDOW),
        "apt_sources": Shape(things=_APT_SOURCE),
        "packages": _PACKAGES,
        "prosody": _PROSODY,
        "certificates": Shape(things=_CERTIFICATE, names=("name",)),
        "accounts": Shape(things=_ACCOUNT),
        "files": Shape(things=_FILE),
        "services": Shape(things=_SERVICE),
        "jobs": Shape(things=_JOB),
        "users": Shape(things=Shape(of="users.User", keys={"extends": NAMES, "groups": NAMES})),
        "databases": Shape(things=Shape(of="databases.Database", keys={"extends": NAMES})),
    },
)

BESIDE = frozenset(Host.model_fields.keys() - Prosody.model_fields.keys() - {"certificates"})
"""Words of the first level that none of Prosody's scopes has. `certificates` is an option, too: a directory."""
ELSEWHERE = BESIDE | {"extends", "module"} | (Prosody.model_fields.keys() - {"options"}) | (set(MARKED) - {"lua"})
"""Words of ours are never the name of a Prosody option; each is refused in a scope that is not its own."""


KEY_LIKE = 0.7
"""How near an unknown key must be to one of ours before it is told as that."""
_OPTION_LIKE = 0.85
"""How near a word must be to one of ours before it counts as misspelled and no longer as an option."""


def meant_word(key: str, shape: Shape) -> str:
    """The word of this place that a key was meant to be, when it is none; empty when it is like none."""
    if shape.scope:
        return "" if key in ELSEWHERE else _misspelled(key, shape.words)
    return nearest(key, shape.words, cutoff=KEY_LIKE)


@lru_cache(maxsize=1024)
def _misspelled(key: str, words: frozenset[str]) -> str:
    """The word of ours that this was meant to be. Cached: many hosts have the same few options."""
    return nearest(key, words, cutoff=_OPTION_LIKE)


def is_marked(entries: Mapping[str | int, object]) -> bool:
    """Whether a map of plain data is one value: a secret, or Lua."""
    return not _MARKS.isdisjoint(entries)
