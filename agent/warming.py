"""What is built when a document first needs it, built before the fork: every child that reads a commit inherits it.

A part of the language that few hosts use costs a child 3 to 10 ms, and an agent up to 0.2 MiB for good. So an agent
builds the parts that its own host uses, once, and no others. The tables of Prosody's options stay out: each is read
in a millisecond, and takes 0.1 to 0.25 MiB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from schemas.desired import Host
from schemas.load import Blob, Facts, load

_PARTS: Mapping[str, str] = {
    "policy": "policy: {tls: modern}",
    "requires": "requires: {lua: '>=5.1'}",
    "unmanaged": "unmanaged: {packages: ignore}",
    "maintenance": "maintenance: [{allow: '0 3 * * *', for: 1h}]",
    "apt_sources": "apt_sources: {a: {uris: https://a.test/, suites: a, components: a, signed_by: key}}",
    "packages": "packages: {apt: {a: present}}",
    "certificates": "certificates: {a.test: {issuers: letsencrypt, challenge: http-01}}",
    "accounts": "accounts: {a@a.test: {role: admin}}",
    "services": "services: {a: {running: true}}",
    "jobs": "jobs: {a: {run: [/bin/a], schedule: daily}}",
    "users": "users: {a: {}}",
    "databases": "databases: {a: {}}",
    "prosody.plugins": "  plugins: {a: {hg: https://a.test/a, revision: abcdef012345}}",
    "prosody.package": "  package: {name: prosody}",
}
"""Part → what says a little of it, below a document's `prosody`."""


def warm(host: Host | None = None) -> None:
    """Build what reading such a host needs; None: what reading any host does."""
    _build("")
    for part in _said(host) if host is not None else ():
        if part in _PARTS:
            _build(_PARTS[part])


def warm_all() -> None:
    """What a child makes ready that will read a commit, templates and all."""
    warm()
    warm_templates()


def warm_templates() -> None:
    """Import what renders templates, and what tells their mistakes: not in an agent, where it would stay, 2 MiB."""
    import reconcilers.render  # noqa: F401


def _said(host: Host) -> Iterator[str]:
    yield from host.model_fields_set
    if host.prosody is not None:
        yield from (f"prosody.{key}" for key in host.prosody.model_fields_set)


@cache
def _build(lines: str) -> None:
    text = f"profile: debian\nprosody:\n  virtual_hosts: [a.test]\n{lines}\n"
    load({"hosts/warm.yaml": Blob(data=text.encode()), "key": Blob(data=b"")}, "warm", Facts())
