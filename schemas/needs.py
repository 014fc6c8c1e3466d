"""What a host must open in its own settings before a push may do what the document says: notes for a laptop.

Only the host knows its `allow`, and judges by it; this is the table of the page, under "Root".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from schemas.desired import File, Host, HostFile, HostSpec
from schemas.errors import Mark, Mistake
from schemas.nodes import Way

_AS_ROOT = ("debian", "slackware")
"""Profiles under which the agent is root. Under any other only the home is open, whatever is allowed."""
OPEN_TO_WRITING = (
    *("/etc/prosody", "/var/lib/prosody", "/srv", "/var/www", "/etc/motd"),
    *("/usr/local/share/prosody", "/usr/local/lib/prosody"),
)
"""Where a push may write although the agent is root: what Prosody alone reads or runs, and what is only served."""
OPEN_TO_READING = ("/etc/prosodist/secrets", "/var/lib/tor", "/etc/letsencrypt", "/etc/prosody", "/var/lib/prosody")
_OWN_SOURCES = ("https://packages.prosody.im", "https://prosody.im")
_CLOSED_IN_HOMES = ("<home>/.ssh",)
"""Who may write there may log in. What is the agent's own only the host knows."""
_HOLDS_MORE = ("tree", "directory", "git", "hg", "archive")
"""Kinds of files that are directories."""
_OWN_VARIABLES = ("LD_", "LUA_", "PATH")
_PROSODY = "prosody"


class Need(NamedTuple):
    """`allow: {word: [value]}`, for what stands there."""

    way: Way
    word: str
    value: str


def needs(spec: HostSpec) -> Iterator[Mistake]:
    """A note for each place that takes more than every host allows."""
    told: set[tuple[str, str]] = set()
    for way, word, value in _needs(spec):
        if (word, value) not in told:
            told.add((word, value))
            mark = spec.origin(*way) or Mark(f"hosts/{spec.name}.yaml")
            text = f"needs allow: {{{word}: [{value}]}} in agent.yaml on the host"
            if word == "closed":
                text = "is closed to a push, whatever the host allows; choose another path"
            elif word == "home":
                text = f"under the profile {spec.host.profile} only what lies below <home> is open to a push"
            yield Mistake(mark=mark, subject=".".join(map(str, way)), text=text)


def _needs(spec: HostSpec) -> Iterator[Need]:
    host = spec.host
    if host.profile not in _AS_ROOT:
        for path in host.files:
            if _is_below(path, _CLOSED_IN_HOMES):
                yield Need(("files", path), "closed", path)
            elif not path.startswith("<home>/"):
                yield Need(("files", path), "home", path)
        return
    for path, file in host.files.items():
        if not _is_below(path, OPEN_TO_WRITING):
            yield Need(("files", path), "write", path if _is_directory(file) else str(PurePosixPath(path).parent))
        if file.check:
            yield Need(("files", path, "check"), "run", file.check[0])
    yield from (Need(way, "read", path) for way, path in _read(spec) if not _is_below(path, OPEN_TO_READING))
    yield from _certificates(host)
    yield from _software(host)
    yield from _running(host)
    yield from _users(host)


def _is_directory(file: File) -> bool:
    return any(getattr(file, kind) is not None for kind in _HOLDS_MORE)


def _is_below(path: str, places: tuple[str, ...]) -> bool:
    return any(PurePosixPath(path).is_relative_to(place) for place in places)


def _read(spec: HostSpec) -> Iterator[tuple[Way, str]]:
    """Files on the host that the agent reads for git."""
    for name, value in spec.host.vars.items():
        if not isinstance(value, str):
            yield ("vars", name), value.read
    yield from ((way, secret.host_file) for way, secret in spec.secrets if isinstance(secret, HostFile))
    for name, certificate in spec.host.certificates.items():
        if certificate.path is not None:
            pair = certificate.path
            said = filter(None, (pair.directory, pair.certificate, pair.key))
            yield from ((("certificates", name, "path"), path) for path in said)


def _certificates(host: Host) -> Iterator[Need]:
    for name, certificate in host.certificates.items():
        challenge = certificate.challenge
        if challenge is not None and challenge.dns_01 is not None and challenge.dns_01.hook is not None:
            yield Need(("certificates", name, "challenge"), "run", challenge.dns_01.hook)
        if certificate.install is not None and not _is_below(certificate.install.directory, OPEN_TO_WRITING):
            yield Need(("certificates", name, "install"), "write", certificate.install.directory)


def _software(host: Host) -> Iterator[Need]:
    for name, source in host.apt_sources.items():
        yield from (Need(("apt_sources", name), "sources", _origin(uri)) for uri in source.uris if _is_foreign(uri))
    own = host.prosody.package if host.prosody is not None else None
    if own is not None and own.url and _is_foreign(own.url):
        yield Need(("prosody", "package", "url"), "sources", _origin(own.url))
    if host.packages is None:
        return
    for name, package in host.packages.pkgtools.items():
        if package.url and _is_foreign(package.url):
            yield Need(("packages", "pkgtools", name), "sources", _origin(package.url))
    for manager in ("apt", "pkgtools"):
        for name, package in getattr(host.packages, manager).items():
            if package.version == "absent":
                yield Need(("packages", manager, name), "packages", name)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _is_foreign(address: str) -> bool:
    return _origin(address) not in _OWN_SOURCES


def _running(host: Host) -> Iterator[Need]:
    for name, service in host.services.items():
        if service.check:
            yield Need(("services", name, "check"), "run", service.check[0])
        if not (service.enabled and service.running):
            yield Need(("services", name), "services", name)
        foreign = name != _PROSODY or any(variable.startswith(_OWN_VARIABLES) for variable in service.environment)
        if service.environment and foreign:
            yield Need(("services", name, "environment"), "services", name)
    for name, job in host.jobs.items():
        if job.user != _PROSODY:
            yield Need(("jobs", name, "user"), "users", job.user)
            yield Need(("jobs", name), "run", job.run[0] if job.run else str(job.script))


def _users(host: Host) -> Iterator[Need]:
    for name, user in host.users.items():
        if name != _PROSODY:
            yield Need(("users", name), "users", name)
        yield from (Need(("users", name, "groups"), "users", group) for group in user.groups if group != _PROSODY)
