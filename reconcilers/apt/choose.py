"""Which of the versions on offer git's wish comes to."""

from __future__ import annotations

from msgspec import Struct

from reconcilers.apt.order import rank
from schemas.versions import is_wanted

_INSISTS = 1000
"""A priority above this one takes an older version in the place of a newer (apt_preferences(5))."""


class Candidate(Struct, frozen=True, kw_only=True):
    """A version that apt knows of. `suites` are those it can be had from, as the sources name them; empty: none.

    `priority` is apt's own (apt_preferences(5)): below 0 a version is never taken.
    """

    version: str
    priority: int
    suites: tuple[str, ...]


class Wish(Struct, frozen=True, kw_only=True):
    """What git wants of a package. `version` is `present`, `latest`, a beginning or a range."""

    version: str = "present"
    suite: str | None = None


class Choice(Struct, frozen=True, kw_only=True):
    """The version that is to be there: what is installed already, or a candidate's. None: no candidate will do.

    `suite` is the wish's, when its dependencies have to be looked for there too; `why` says of None what there is.
    """

    version: str | None
    suite: str | None = None
    why: str = ""


def is_met(wish: Wish, installed: str | None) -> bool:
    """Whether what is installed will do, whatever else is on offer. Of `latest` that cannot be said."""
    return installed is not None and wish.version != "latest" and is_wanted(installed, wish.version)


def choose(wish: Wish, installed: str | None, candidates: tuple[Candidate, ...]) -> Choice:
    """The best version of the wish: as apt would choose among those that will do, by priority and then by order."""
    if is_met(wish, installed):
        return Choice(version=installed)
    offered = [c for c in candidates if c.suites and c.priority >= 0 and (not wish.suite or wish.suite in c.suites)]
    wanted = "present" if wish.version == "latest" else wish.version
    fitting = [c for c in offered if is_wanted(c.version, wanted)]
    if not fitting:
        return Choice(version=None, why=_words(wish, candidates))
    best = max(fitting, key=lambda c: (0 if wish.suite else c.priority, rank(c.version)))
    if wish.version == "latest" and installed is not None and best.priority <= _INSISTS:
        best_rank, own = rank(best.version), rank(installed)
        if own >= best_rank:
            return Choice(version=installed)
    newest = max(offered, key=lambda c: rank(c.version))
    return Choice(version=best.version, suite=wish.suite if best is newest else None)


def _words(wish: Wish, candidates: tuple[Candidate, ...]) -> str:
    asked = "" if wish.version in ("present", "latest") else f" {wish.version}"
    place = f" in {wish.suite}" if wish.suite else ""
    there = [f"{c.version} ({', '.join(c.suites)})" for c in candidates if c.suites]
    if not there:
        return f"no source of this host has any version{asked}{place}; look at its name, or add a source (apt_sources)"
    return f"no source of this host has a version{asked}{place}; there is {', '.join(there)}"
