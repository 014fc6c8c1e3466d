"""What a document takes of its host: everything that a push might not be allowed to do.

Whether it is allowed is said by `schemas.opening`: the same table on a laptop, where it makes notes, and on the host,
where it makes mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from schemas.desired import File, Host, HostFile, HostSpec
from schemas.errors import Mark, Mistake
from schemas.nodes import Way
from schemas.opening import AS_ROOT, Allow, Opening, opening, origin

_HOLDS_MORE = ("tree", "directory", "git", "hg", "archive")
"""Kinds of files that are directories."""
_SHOWN_BY_ROOT = "/etc/motd"
_OWN_VARIABLES = ("LD_", "LUA_", "PATH")
_PROSODY = "prosody"
_OF_SYSTEMD = re.compile(
    r"(?!systemd-sysctl(\.service)?$)(systemd-.*|initrd-.*|rescue|emergency|debug-shell"
    r"|(console-|container-|serial-)?getty(@.*)?|autovt@.*|kmod|quotaon|rc-local|halt-local|user(-runtime-dir)?@.*|dbus(-broker|-org\.freedesktop\..*)?)"
    r"(\.(service|socket|timer|path))?"
)
"""Units that come with systemd, and their aliases: one powers the host off, another gives a shell to anybody."""

_OF_THE_HOST = re.compile(r".*\.(target|slice|scope|device|mount|automount|swap)")
"""Kinds of units that are no program of their own: to start one may end all others (poweroff.target)."""
_OF_DISTRIBUTIONS = re.compile(r"(debian|ubuntu|devuan|raspbian|raspi)([-_.].*)?")
"""Names under which they keep their own sources of packages: who replaces one ends the host's security updates."""


class Need(NamedTuple):
    """`value` of `word`, for what stands at `way`. `hint` is what to write under `allow`.

    `unless_made` are ids of the inventory, each of which makes it needless: what the agent has brought it may end.
    `unless_lacking` is a package which the agent is to bring where the host has none.
    """

    way: Way
    word: str
    value: str
    hint: str = ""
    unless_made: tuple[str, ...] = ()
    unless_lacking: str = ""


CLOSED = "closed"
"""The word of a need that no setting answers but `allow: everything`."""


def foretell(spec: HostSpec) -> Iterator[Mistake]:
    """On a machine that is not the host: a note for each place that takes more than every such host allows."""
    profile = spec.host.profile
    table = opening(profile, "<home>", Allow(), is_root=profile in AS_ROOT)
    yield from mistakes(spec, lambda need: refusal(need, table))


def mistakes(spec: HostSpec, refuse: Callable[[Need], str]) -> Iterator[Mistake]:
    """One for each thing that is refused, where it is said first."""
    told: set[tuple[str, str]] = set()
    for need in needs(spec):
        if why := refuse(need):
            said = (need.word, need.hint or need.value)
            if said not in told or need.word == CLOSED:
                told.add(said)
                mark = spec.origin(*need.way) or Mark(f"hosts/{spec.name}.yaml")
                yield Mistake(mark=mark, subject=".".join(map(str, need.way)), text=why)


def refusal(need: Need, table: Opening) -> str:
    """Why the host does not allow it; empty when it does."""
    if need.word == CLOSED:
        return "" if table.is_everything else f"is closed to a push, whatever the host allows; {need.hint}"
    if table.allows(need.word, need.value):
        return ""
    if need.word == "write" and table.profile not in AS_ROOT:
        return f"under the profile {table.profile} only what lies below <home> is open to a push"
    word = "read" if need.word == "pair" else need.word
    if word == "run" and table.allows("write", need.value):
        return "is a program that a push could write, and root would run it; name one of the host's own"
    return f"needs allow: {{{word}: [{need.hint or need.value}]}} in agent.yaml on the host"


def needs(spec: HostSpec) -> Iterator[Need]:
    """Everything that it takes, allowed or not."""
    host = spec.host
    yield from _files(host)
    yield from _read(spec)
    yield from _certificates(host)
    yield from _software(host)
    yield from _running(host)
    yield from _users(host)


def _files(host: Host) -> Iterator[Need]:
    for path, file in host.files.items():
        if ".ssh" in PurePosixPath(path).parts:
            yield Need(("files", path), CLOSED, path, "choose another path")
        elif path == _SHOWN_BY_ROOT and (file.link is not None or _is_directory(file)):
            yield Need(("files", path), CLOSED, path, "it is open to a text alone; write content, source or template")
        else:
            hint = path if _is_directory(file) else str(PurePosixPath(path).parent)
            yield Need(("files", path), "write", path, hint)
        if file.check:
            yield Need(("files", path, "check"), "run", file.check[0])
        yield from _told(("files", path, "notify"), file.notify)


def _told(way: Way, notices: tuple[str, ...]) -> Iterator[Need]:
    """A notice may restart what it names."""
    yield from (Need(way, "services", name) for name in notices if is_the_hosts(name))


def is_the_hosts(service: str) -> bool:
    """Whether a service of this name, or a unit, is part of what the host itself is."""
    return bool(_OF_SYSTEMD.fullmatch(service) or _OF_THE_HOST.fullmatch(service))


def _is_directory(file: File) -> bool:
    return any(getattr(file, kind) is not None for kind in _HOLDS_MORE)


def _read(spec: HostSpec) -> Iterator[Need]:
    """Files on the host that the agent reads for git."""
    for name, value in spec.host.vars.items():
        if not isinstance(value, str):
            yield Need(("vars", name), "read", value.read)
    yield from (Need(way, "read", secret.host_file) for way, secret in spec.secrets if isinstance(secret, HostFile))
    for name, certificate in spec.host.certificates.items():
        if certificate.path is not None:
            pair = certificate.path
            said = filter(None, (pair.directory, pair.certificate, pair.key))
            yield from (Need(("certificates", name, "path"), "pair", path) for path in said)


def _certificates(host: Host) -> Iterator[Need]:
    for name, certificate in host.certificates.items():
        way = ("certificates", name)
        challenge = certificate.challenge
        if challenge is not None and challenge.dns_01 is not None and challenge.dns_01.hook is not None:
            yield Need((*way, "challenge"), "run", challenge.dns_01.hook)
        if challenge is not None and challenge.http_01 is not None and challenge.http_01.webroot is not None:
            yield Need((*way, "challenge"), "write", challenge.http_01.webroot)
        if certificate.install is not None:
            yield Need((*way, "install"), "write", certificate.install.directory)
        yield from _told((*way, "notify"), certificate.notify)


def _software(host: Host) -> Iterator[Need]:
    for name, source in host.apt_sources.items():
        if _OF_DISTRIBUTIONS.fullmatch(name):
            yield Need(("apt_sources", name), CLOSED, name, "it is the name of the distribution's own; choose another")
        yield from (Need(("apt_sources", name), "sources", uri, origin(uri)) for uri in source.uris)
    own = host.prosody.package if host.prosody is not None else None
    if own is not None and own.url and host.profile in AS_ROOT:
        yield Need(("prosody", "package", "url"), "sources", own.url, origin(own.url))
    if host.packages is None:
        return
    for name, package in host.packages.pkgtools.items():
        if package.url:
            yield Need(("packages", "pkgtools", name), "sources", package.url, origin(package.url))
    for manager in ("apt", "pkgtools"):
        for name, package in getattr(host.packages, manager).items():
            way, ours = ("packages", manager, name), (f"package:{name}",)
            if package.version == "absent":
                yield Need(way, "packages", name, unless_made=ours)
            if getattr(package, "hold", False):  # who holds what the admin installed ends its security upgrades
                yield Need((*way, "hold"), "packages", name, unless_made=ours, unless_lacking=name)


def _running(host: Host) -> Iterator[Need]:
    for name, service in host.services.items():
        way = ("services", name)
        if service.check:
            yield Need((*way, "check"), "run", service.check[0])
        if is_the_hosts(name):
            yield Need(way, "services", name)
        if not (service.enabled and service.running):
            ours = (f"package:{name}", f"service:{name}")
            yield Need(way, "services", name, unless_made=ours, unless_lacking=_brought_for(name, host))
        for key in ("environment", "rlimits", "umask"):
            if getattr(service, key) and (name != _PROSODY or (key == "environment" and _steers(service.environment))):
                yield Need((*way, key), "services", name)
    for name, job in host.jobs.items():
        if job.user != _PROSODY:
            yield Need(("jobs", name, "user"), "users", job.user)
            yield Need(("jobs", name), "run", job.run[0] if job.run else str(job.script))


def _brought_for(service: str, host: Host) -> str:
    """The package which this document brings, and with it the service of its name; empty: none."""
    if service == _PROSODY and host.prosody is not None:
        return (host.prosody.package.name if host.prosody.package is not None else None) or _PROSODY
    package = host.packages.apt.get(service) if host.packages is not None else None
    return service if package is not None and package.version != "absent" else ""


def _steers(environment: Mapping[str, str]) -> bool:
    """Whether it decides what code Prosody loads, which its modules do not."""
    return any(variable.startswith(_OWN_VARIABLES) for variable in environment)


def _users(host: Host) -> Iterator[Need]:
    for name, user in host.users.items():
        yield Need(("users", name), "users", name)
        yield from (Need(("users", name, "groups"), "users", group) for group in user.groups)
