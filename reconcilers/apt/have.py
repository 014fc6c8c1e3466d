"""What was seen of packages: what of them git wants, what dpkg remembers, and what apt has on offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from reconcilers import dpkg
from reconcilers.apt import offers
from reconcilers.apt.choose import Candidate, is_met
from reconcilers.apt.kept import kept
from reconcilers.apt.offers import Asking, Offers
from reconcilers.apt.wanted import HELD, OWN, Wanted
from reconcilers.contract import Reader, Site


class Have(Struct, frozen=True, kw_only=True):
    """Package → installed version; those left half done; those that no program upgrades; what is on offer, and why
    that is asked anew.

    `needed` is what is to go → a package that stays and needs it; `said` names what is said to apt of sources.
    """

    wanted: tuple[Wanted, ...] = ()
    installed: Mapping[str, str] = {}
    half_done: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    needed: Mapping[str, str] = {}
    offers: Offers | None = None
    asking: Asking | None = None
    said: str = ""
    kept: tuple[Candidate, ...] = ()
    """Versions of Prosody that were replaced here, and can be had again without any source."""

    @property
    def open(self) -> tuple[Wanted, ...]:
        """Those of which what is installed does not say that all is well."""
        return tuple(one for one in self.wanted if is_open(one, self.installed))

    def live(self, name: str) -> str | None:
        """What is there, as the inventory remembers it; None: nothing."""
        version = self.installed.get(name)
        return None if version is None else f"{version}{HELD if name in self.held else ''}"


def is_open(one: Wanted, installed: Mapping[str, str]) -> bool:
    """Whether apt has to be asked of it."""
    return not one.is_absent and not is_met(one.wish, installed.get(one.name))


def look(reader: Reader, site: Site, all_: tuple[Wanted, ...], *, leaving: Iterable[str]) -> Have:
    """Read what dpkg wrote, and recall what apt said, when something is to be installed. `leaving`: what may go."""
    status = reader.read(dpkg.STATUS) or b""
    installed = dpkg.installed(status)
    going = frozenset(leaving) & installed.keys()
    seen = Have(
        wanted=all_,
        installed=installed,
        half_done=dpkg.half_done(status),
        held=dpkg.held(status),
        needed=dpkg.needed_by(status, going) if going else {},
    )
    return _with_offers(reader, site, seen) if seen.open else seen


def _with_offers(reader: Reader, site: Site, seen: Have) -> Have:
    latest = [one.name for one in seen.open if one.wish.version == "latest" and one.name in seen.installed]
    own = tuple(version for one in seen.open if one.id == OWN for version in kept(reader, one.name))
    missing = [one.name for one in seen.open if one.name not in latest]
    known, said = offers.recall(reader), offers.name_sources(reader, site)
    asking = offers.must_ask(reader, known, said, missing=missing, latest=latest)
    if asking is not None:
        asking = offers.spare(reader, asking, said)
    return replace(seen, offers=known, asking=asking, said=said, kept=own)
