"""Which packages git wants of apt, in one list whoever asked for them: `packages.apt`, and Prosody itself."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from reconcilers.apt.choose import Wish
from reconcilers.contract import Site
from reconcilers.profiles import has_package
from schemas.desired import HostSpec
from schemas.errors import Mark
from schemas.plan import Policy

PROSODY = "prosody"
ABSENT = "absent"
HELD = ", held"
"""How the words of a wish end, and those of what is there, when no other program may upgrade it."""
OWN = f"package:{PROSODY}"
"""The id of Prosody's own package, whatever its name is."""


class Wanted(Struct, frozen=True, kw_only=True):
    """A package that git speaks of. `touches` are the services that its files belong to: that of its own name."""

    id: str
    name: str
    wish: Wish
    hold: bool = False
    touches: frozenset[str]
    policy: Policy = Policy.CORRECT
    origin: Mark | None = None

    @property
    def is_absent(self) -> bool:
        """Whether git wants it not to be there."""
        return self.wish.version == ABSENT

    def __str__(self) -> str:
        """What the inventory remembers of it: an upgrade within the same words is no new wish."""
        return f"{self.wish.version}{f' from {self.wish.suite}' if self.wish.suite else ''}{HELD if self.hold else ''}"


def wanted(spec: HostSpec, site: Site) -> tuple[Wanted, ...]:
    """Prosody first: what of the others cannot be had must not keep it waiting."""
    if not has_package(site):
        return ()
    named = (*_prosody(spec), *_said(spec))
    return (*named, *(one for one in _modules(spec) if one.name not in {other.name for other in named}))


def own_name(spec: HostSpec) -> str:
    """The name of Prosody's own package."""
    package = spec.host.prosody.package if spec.host.prosody is not None else None
    return (package.name if package else None) or PROSODY


def _prosody(spec: HostSpec) -> Iterator[Wanted]:
    prosody = spec.host.prosody
    if prosody is None:
        return
    package = prosody.package
    yield Wanted(
        id=OWN,
        name=own_name(spec),
        wish=Wish(version=prosody.version, suite=package.suite if package else None),
        hold=package.hold if package else False,
        touches=frozenset({PROSODY}),
        origin=spec.origin("prosody", "version"),
    )


def _said(spec: HostSpec) -> Iterator[Wanted]:
    for name, package in (spec.host.packages.apt if spec.host.packages else {}).items():
        yield Wanted(
            id=f"package:{name}",
            name=name,
            wish=Wish(version=package.version, suite=package.suite),
            hold=package.hold,
            touches=frozenset({name}),
            policy=package.drift or spec.host.drift,
            origin=spec.origin("packages", "apt", name),
        )


def _modules(spec: HostSpec) -> Iterator[Wanted]:
    """Packages that `prosody.plugins` names; what `packages.apt` says of one counts."""
    plugins = spec.host.prosody.plugins if spec.host.prosody is not None else {}
    sources = {plugin.package: (name, plugin) for name, plugin in plugins.items() if plugin.package is not None}
    for package, (name, plugin) in sources.items():
        yield Wanted(
            id=f"package:{package}",
            name=package,
            wish=Wish(version=plugin.version),
            touches=frozenset({PROSODY}),
            policy=plugin.drift or spec.host.drift,
            origin=spec.origin("prosody", "plugins", name),
        )
