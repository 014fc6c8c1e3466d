"""Where a repository is: a path, file://, ssh or https. Nothing here ever prints a password."""

from __future__ import annotations

import enum
import os
import re

from msgspec import Struct

from schemas.secret import Secret


class Transport(enum.Enum):
    """How a repository is reached."""

    LOCAL = "local"
    SSH = "ssh"
    HTTPS = "https"


class Address(Struct, frozen=True, kw_only=True):
    """A repository's address, taken apart.

    `url` is safe to print and to hand to git: a password that stood in it is in `password` alone. For a
    repository on this disk it is the absolute path. `user` is empty where none was given.
    """

    transport: Transport
    url: str
    user: str = ""
    password: Secret | None = None

    def __str__(self) -> str:
        return self.url


class BadAddress(ValueError):
    """Not an address that the agent can fetch from. The text says what to write and holds no password."""


_SCP_LIKE = re.compile(r"(?:(?P<user>[^/@:]+)@)?(?P<host>\[[^\]]+\]|[^/:@]+):(?P<path>[^:].*)", re.DOTALL)


def parse_address(text: str, *, base: str = "/") -> Address:
    """The address that `repository` gives; a relative path begins at `base`. Raises BadAddress."""
    if any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in text) or not text.strip():
        raise BadAddress("is empty or holds control characters; write a path, or an ssh or https URL")
    scheme, separator, rest = text.partition("://")
    if separator:
        return _parse_url(scheme.lower(), rest)
    if not text.startswith((".", "/", "~")) and (found := _SCP_LIKE.fullmatch(text)):
        user = found["user"] or "git"
        return Address(
            transport=Transport.SSH,
            url=f"ssh://{user}@{found['host']}/{found['path'].lstrip('/')}",
            user=user,
        )
    return Address(transport=Transport.LOCAL, url=os.path.normpath(os.path.join(base, os.path.expanduser(text))))


def _parse_url(scheme: str, rest: str) -> Address:
    authority, slash, path = rest.partition("/")
    userinfo, _, host = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    if scheme == "file":
        if host not in ("", "localhost"):
            raise BadAddress("names another host, but file:// is for this one; write file:///path")
        return Address(transport=Transport.LOCAL, url=os.path.normpath("/" + _unquoted(path)))
    if scheme not in ("ssh", "git+ssh", "https"):
        raise BadAddress(
            f"is reached by {scheme}://, which proves nobody's identity; write an ssh:// or https:// URL"
            if scheme in ("http", "git", "ftp")
            else "has a scheme that is not known; write a path, or an ssh:// or https:// URL"
        )
    if not host or not slash or not path:
        raise BadAddress(f"has no host or no path; write {scheme}://host/path")
    secret = Secret(_unquoted(password)) if password else None
    if scheme == "https":
        return Address(transport=Transport.HTTPS, url=f"https://{host}/{path}", user=_unquoted(user), password=secret)
    user = _unquoted(user) or "git"
    return Address(transport=Transport.SSH, url=f"ssh://{user}@{host}/{path}", user=user, password=secret)


def _unquoted(text: str) -> str:
    """Percent-decoded. By hand, because urllib costs the command line 4 ms of start time."""
    if "%" not in text:
        return text
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), os.fsencode(text)).decode("utf-8", "replace")
