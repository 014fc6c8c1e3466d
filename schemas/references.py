"""What names another thing: that thing must be there. Looked at in the combined nodes."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.errors import Mark
from schemas.findings import Findings, nearest
from schemas.nodes import List, Map, Node, Scalar
from schemas.shape import HOST

KNOWN_SERVICES = ("nginx", "tor", "coturn", "postgresql", "nftables", "systemd-sysctl")
"""Their checks and what a change brings are known; a `notify` may name them without an entry in `services`."""

MANAGERS = {
    "debian": ("apt", "luarocks"),
    "uberspace": ("toast", "luarocks"),
    "slackware": ("pkgtools", "luarocks"),
    "local": (),
}
"""The package managers of each kind of host; the first installs Prosody itself."""
PACKAGE = HOST.below("prosody").below("package")
"""Prosody's own: a name, and the keys of any manager."""
_WANTS_DNS = "wants a record in the DNS; write challenge: {dns-01: …} beside it"
_MANAGERS = frozenset().union(*MANAGERS.values())


def check_references(root: Map, findings: Findings) -> None:
    """Services, hosts, packages and managers that are named."""
    hosts = {name for name, _ in _things(root, "prosody", "virtual_hosts")}
    _check_notices(root, findings)
    _check_certificates(root, hosts, findings)
    _check_accounts(root, hosts, findings)
    _check_packages(root, findings)


def _check_notices(root: Map, findings: Findings) -> None:
    known = {"prosody", *KNOWN_SERVICES, *(name for name, _ in _things(root, "services"))}
    for part in ("files", "certificates"):
        for _, (_, thing) in _things(root, part):
            for name, mark in _texts(thing, "notify"):
                if name not in known and not name.startswith("prosody/"):
                    plain = name.removesuffix(".service")
                    close = plain if plain in known else nearest(name, known)
                    hint = f"write {close}" if close else "add it there"
                    findings.miss(mark, f"there is no {name} in services, and it is none of the known ones; {hint}")


def _check_certificates(root: Map, hosts: set[str], findings: Findings) -> None:
    alone = {name for name, _ in _things(root, "prosody", "components")}
    served = hosts | alone
    below = {
        component: host
        for host, (_, said) in _things(root, "prosody", "virtual_hosts")
        if isinstance(said, Map)
        for component, _ in _things(said, "components")
    }
    taken: dict[str, Mark] = {}
    for name, (mark, thing) in _things(root, "certificates"):
        by_its_name = isinstance(thing, Map) and "hosts" not in thing.entries
        is_none = _below(thing, "none") is not None
        if by_its_name and (around := below.get(name)) is not None:
            findings.add(mark, f"{name} is a component of {around}, whose certificate serves it; take it out")
        elif by_its_name and name not in served:
            findings.miss(mark, f"there is no virtual host {name}; {_near(name, served)}, or say hosts: [HOST]")
        for host, at in [(name, mark)] if by_its_name else _texts(thing, "hosts"):
            if host in taken and host == "all":
                text = f"another certificate serves all the others already ({taken[host]}); name the hosts"
                findings.add(at, text)
            elif host in taken and (by_its_name or not is_none):
                findings.add(at, f"{host} has a certificate already ({taken[host]}); take one of them out")
            elif host != "all" and host not in served and not by_its_name:
                findings.miss(at, f"there is no virtual host {host}; {_near(host, served)}")
            taken.setdefault(host, at)
        if isinstance(thing, Map) and thing.entries.keys().isdisjoint(("path", "self_signed", "none")):
            _check_wants_dns(thing, findings)  # of those kinds it is told that such a key does not belong there


def _check_wants_dns(thing: Map, findings: Findings) -> None:
    """A wildcard is proved by a record alone (RFC 8555, 8.4), and a TLSA record needs a server that takes it."""
    challenge = thing.entries["challenge"].value if "challenge" in thing.entries else None
    if isinstance(challenge, Map) and "dns-01" in challenge.entries:
        return
    for key in ("wildcard", "dane"):
        value = thing.entries[key].value if key in thing.entries else None
        if isinstance(value, Scalar) and value.value is True:
            findings.miss(thing.entries[key].mark, _WANTS_DNS)
    for name, mark in _texts(thing, "names"):
        if name.startswith("*."):
            findings.miss(mark, f"{name} {_WANTS_DNS}")


def _check_accounts(root: Map, hosts: set[str], findings: Findings) -> None:
    for name, (mark, account) in _things(root, "accounts"):
        domain = name.partition("@")[2]
        state = _below(account, "state")
        if isinstance(account, Map) and isinstance(state, Scalar) and state.value == "absent":
            for key in account.entries.keys() & {"password", "scram"}:
                text = "belongs to an account that is there, but the state here is absent; take it out"
                findings.add(account.entries[key].mark, text)
        if domain and "/" not in domain and domain.lower() not in hosts:
            findings.miss(mark, f"there is no virtual host {domain}; {_near(domain, hosts)}")


def own_manager(profile: object) -> str | None:
    """The manager that installs Prosody on this kind of host; None where nobody does, or no such kind is known."""
    return next(iter(MANAGERS.get(str(profile), ())), None)


def package_words(manager: str) -> frozenset[str]:
    """What its packages may have."""
    return HOST.below("packages").below(manager).below("").words


def _check_packages(root: Map, findings: Findings) -> None:
    packages = _below(root, "packages")
    profile = _below(root, "profile")
    name = profile.value if isinstance(profile, Scalar) else None
    managers = MANAGERS.get(name) if isinstance(name, str) else None
    if managers is not None:
        _check_own_package(root, str(name), findings)
    if not isinstance(packages, Map):
        return
    for manager, entry in packages.entries.items():
        if manager in _MANAGERS and managers is not None and manager not in managers:
            ours = f"has {' and '.join(managers)}" if managers else "has none"
            findings.add(entry.mark, f"{manager} is no package manager of {name}, which {ours}; take it out")
    for _, (_, rock) in _things(packages, "luarocks"):
        for needed, mark in _texts(rock, "needs"):
            manager, _, package = needed.partition("/")
            if package not in dict(_things(packages, manager)):
                findings.miss(mark, f"there is no {needed} in packages; write MANAGER/PACKAGE of one that is there")


def _check_own_package(root: Map, profile: str, findings: Findings) -> None:
    """Prosody's own: the keys that its manager's packages have, and its version in one place."""
    prosody, manager = _below(root, "prosody"), own_manager(profile)
    package = _below(prosody, "package")
    if isinstance(package, Map) and manager is None:
        findings.add(package.mark, f"nobody installs Prosody under the profile {profile}; take it out")
    elif isinstance(package, Map):
        for key in package.entries.keys() & (PACKAGE.words - {"name"} - package_words(str(manager))):
            findings.add(package.entries[key].mark, f"no package of {manager} has this key; take it out")
    own = _below(package, "name")
    if manager is not None and isinstance(own, Scalar) and not str(own.value).startswith("prosody"):
        findings.add(
            own.mark, f"is no package of Prosody's, whose names begin with prosody; put it into packages.{manager}"
        )
    names = {"prosody", own.value if isinstance(own, Scalar) else None}
    for name, (mark, _) in _things(root, "packages", str(manager)):
        if isinstance(prosody, Map) and name in names:
            findings.add(mark, "is Prosody itself, whose version and package stand below prosody; take it out here")


def _near(name: str, known: set[str]) -> str:
    close = nearest(name, known)
    return f"write {close}" if close else "add it"


def _things(root: Map, *way: str) -> Iterator[tuple[str, tuple[Mark, Node]]]:
    """Each thing of a map of things: its name, where it stands, what it says."""
    node: Node | None = root
    for step in way:
        node = _below(node, step)
    if isinstance(node, Map):
        yield from ((str(key), (entry.mark, entry.value)) for key, entry in node.entries.items())


def _below(node: Node | None, key: str) -> Node | None:
    return node.entries[key].value if isinstance(node, Map) and key in node.entries else None


def _texts(thing: Node, key: str) -> Iterator[tuple[str, Mark]]:
    """The texts of a list below a thing, each with its place."""
    value = _below(thing, key)
    for item in value.items if isinstance(value, List) else ():
        if isinstance(item, Scalar) and isinstance(item.value, str):
            yield item.value, item.mark
