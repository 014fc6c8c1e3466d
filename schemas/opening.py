"""What is open to a push: one table for each kind of host, and what the host's own settings add to it.

docs/security.md prints the table. The loader holds commits to it, `validate` tells on a laptop what it lacks, and the
hands reach nowhere else.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

EVERYTHING: Literal["everything"] = "everything"
PATHS = ("write", "read")
"""Words of `allow` whose values are directories or files, with all below them."""
WORDS = (*PATHS, "run", "sources", "users", "packages", "services")
"""The words of `allow`."""
AS_ROOT = ("debian", "slackware")
"""Profiles under which the agent is root."""
_PORTS = {"http": 80, "https": 443}


class Allow(Struct, frozen=True, kw_only=True):
    """What a push may do beyond its profile's own table. Each is empty unless the host opens it."""

    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


class Row(NamedTuple):
    """Something that every push may do, and why that harms nobody but Prosody's user and what is served.

    `word` is one of `allow`, or `pair`: a certificate with its key, given to Prosody alone. `**` is any way.
    """

    word: str
    what: str
    why: str


ROOT = (
    Row("write", "/etc/prosody", "configuration, read by Prosody as its own user"),
    Row("write", "/var/lib/prosody", "Prosody's own data, and the home of its user"),
    Row("write", "/usr/local/lib/prosody", "modules, run by Prosody's user"),
    Row("write", "/usr/local/share/prosody", "data of modules: no other program looks there"),
    Row("write", "/srv", "what is served; a server that runs scripts there runs them as its own user"),
    Row("write", "/var/www", "as /srv"),
    Row("write", "/etc/motd", "a text that is shown at a login; never a link, which root would follow"),
    Row("read", "/etc/prosodist/secrets", "what the admin has put there for git to name"),
    Row("read", "/etc/prosody", "Prosody's user reads it anyway"),
    Row("read", "/var/lib/prosody", "as /etc/prosody"),
    Row("read", "/var/lib/tor/**/hostname", "the name of an onion service, which it publishes; not its key"),
    Row("pair", "/etc/letsencrypt", "certificates with their keys, copied to where Prosody alone reads them"),
    Row("sources", "https://packages.prosody.im", "Prosody's own packages"),
    Row("sources", "https://prosody.im", "as https://packages.prosody.im"),
    Row("users", "prosody", "Prosody's own user and group"),
)
"""Where the agent is root. Nothing is open of `run`, and of `packages` and `services` what the agent has installed."""


class Opening(Struct, frozen=True, kw_only=True):
    """What is open on one host. `free` are words of which anything is."""

    profile: str
    rows: tuple[tuple[str, str], ...]
    """A word, and what is open of it."""
    free: frozenset[str] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Whether who can push is root there."""
        return self.free.issuperset(WORDS)

    def places(self, word: str) -> tuple[str, ...]:
        """What is open of this word; of paths with all that lies below."""
        if word in self.free:
            return ("/",)
        return tuple(what for known, what in self.rows if known == word)

    def allows(self, word: str, value: str) -> bool:
        """Whether a push may do this (`write`), of this (a path, say)."""
        if word in self.free:
            return True
        match word:
            case "write" | "read" | "pair":
                also = self.places("read") if word == "pair" else ()
                return any(_is_within(value, place) for place in (*self.places(word), *also))
            case "sources":
                return any(origin(value) == origin(what) for what in self.places(word))
            case "run":  # nor what a push could write first
                return value in self.places(word) and not self.allows("write", value)
            case _:
                return value in self.places(word)


def opening(profile: str, home: str, allow: Allow | Literal["everything"], *, is_root: bool) -> Opening:
    """What is open on a host of this kind with these settings.

    Without root the system judges what the account may do, and only writing is held to the home, so that a slip of
    git's touches nothing else. Under `local` root's agent keeps to the home too, and runs nothing of its own there.
    """
    if profile in AS_ROOT:
        rows = tuple((row.word, row.what) for row in ROOT)
        if allow == EVERYTHING:
            return Opening(profile=profile, rows=rows, free=frozenset((*WORDS, "pair")))
        return Opening(profile=profile, rows=(*rows, *_added(allow, WORDS)))
    if not is_root:
        return Opening(profile=profile, rows=(("write", home),), free=frozenset((*WORDS, "pair")) - {"write"})
    rows = (("write", home), ("read", home))
    if allow == EVERYTHING:
        return Opening(profile=profile, rows=rows, free=frozenset((*WORDS, "pair")) - {"write"})
    return Opening(profile=profile, rows=(*rows, *_added(allow, WORDS[1:])))


def origin(address: str) -> str:
    """Scheme, host and port, in one spelling: what two addresses of one server have in common (RFC 6454, 4)."""
    try:
        parts = urlsplit(address)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return address
    user = f"{parts.username}@" if parts.username is not None else ""
    named = f"{parts.scheme}://{user}{(parts.hostname or '').rstrip('.')}"
    return named if port in (None, _PORTS.get(parts.scheme)) else f"{named}:{port}"


def _added(allow: Allow | Literal["everything"], words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((word, value) for word in words for value in getattr(allow, word))


def _is_within(path: str, place: str) -> bool:
    way = PurePosixPath(path)
    if ".." in way.parts:
        return False
    above, _, name = place.partition("/**/")
    return way.is_relative_to(above) and name in ("", way.name)
