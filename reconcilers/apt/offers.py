"""What apt has on offer, as it was told when it was last asked; and whether it has to be asked anew.

Asking takes apt its lock, its lists and a cache that it writes, so the hands do it; here it is only remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from reconcilers.apt.choose import Candidate
from reconcilers.contract import Reader, Site

RECORD = "apt:offers"
LISTS = PurePosixPath("/var/lib/apt/lists")
UNREAD = "apt:unread"
"""The record of lists that could not be read anew: `said`, as in `Offers`, and apt's `words`."""
PAUSE = 600.0
"""Seconds for which a mirror that did not answer is left alone."""
HOUR, DAY = 3600.0, 86400.0
"""Seconds for which an answer does for a package that is not as it is wanted, and for one that is wanted `latest`."""
_APT = PurePosixPath("/etc/apt")
_SAID_IN = ("sources.list", "preferences")
"""In these files and in directories of their names with .d: where versions come from, and which is the best."""


class Offers(Struct, frozen=True, kw_only=True):
    """Package → its candidates. `updated` is when apt's lists were last read anew, in epoch seconds.

    `said` names what was said of sources and preferences then, `lists` when its lists were last changed (nanoseconds).
    """

    updated: float
    said: str
    lists: int
    candidates: Mapping[str, tuple[Candidate, ...]]

    def to_json(self) -> dict[str, Any]:
        """As a record's value."""
        rows = {name: [(c.version, c.priority, c.suites) for c in all_] for name, all_ in self.candidates.items()}
        return {"updated": self.updated, "said": self.said, "lists": self.lists, "candidates": rows}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Offers:
        """The inverse of `to_json`."""
        candidates = {
            name: tuple(Candidate(version=row[0], priority=row[1], suites=tuple(row[2])) for row in rows)
            for name, rows in value["candidates"].items()
        }
        return cls(updated=value["updated"], said=value["said"], lists=value["lists"], candidates=candidates)


def recall(reader: Reader) -> Offers | None:
    """What apt said when it was last asked."""
    record = reader.recall(RECORD)
    return None if record is None else Offers.from_json(record.value)


def name_sources(reader: Reader, site: Site) -> str:
    """A digest of all that a person or a push says to apt of sources and preferences."""
    texts = []
    for name in _SAID_IN:
        inside = _APT / f"{name}.d"
        for path in (_APT / name, *(inside / file for file in reader.listdir(inside) or ())):
            texts.append(f"{path}\0".encode() + (reader.read(path) or b""))
    return site.digest(b"\0".join(texts))


class Asking(Struct, frozen=True, kw_only=True):
    """Why apt has to be asked, and whether its lists are read anew for it; not before `after`, a mirror being away."""

    why: str
    update: bool
    after: float | None = None


def spare(reader: Reader, asking: Asking, said: str) -> Asking:
    """Not at every poll: who could not be reached a moment ago is given some minutes, unless others are asked now."""
    failed = reader.recall(UNREAD) if asking.update else None
    if failed is None or failed.value["said"] != said or reader.due(failed.at + PAUSE):
        return asking
    return Asking(why=failed.value["words"], update=True, after=failed.at + PAUSE)


def must_ask(
    reader: Reader, offers: Offers | None, said: str, *, missing: Iterable[str], latest: Iterable[str]
) -> Asking | None:
    """Whether apt's last answer will no longer do for packages that are `missing`, or wanted `latest`."""
    missing, latest = tuple(missing), tuple(latest)
    if not missing and not latest:
        return None
    if offers is None:
        return Asking(why="were never read", update=True)
    if offers.said != said:
        return Asking(why="are older than what is said of sources", update=True)
    if reader.due(offers.updated + (HOUR if missing else DAY)):
        return Asking(why=f"are older than {'an hour' if missing else 'a day'}", update=True)
    if unknown := [name for name in (*missing, *latest) if name not in offers.candidates]:
        return Asking(why=f"were not asked about {', '.join(unknown)}", update=False)
    lists = reader.stat(LISTS)
    if lists is not None and lists.signature.mtime_ns != offers.lists:
        return Asking(why="were read anew by somebody else", update=False)
    return None


def parse_policy(text: str) -> dict[str, tuple[Candidate, ...]]:
    """What `apt-cache policy PACKAGE…` prints (apt-cache(8)); of what it does not know it prints nothing."""
    found: dict[str, tuple[Candidate, ...]] = {}
    for paragraph in re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]:
        name, _, rest = paragraph.partition(":\n")
        table = rest.partition("Version table:\n")[2]
        found[name] = tuple(map(_candidate, re.split(r"^(?=(?: {5}| \*\*\* )\S)", table, flags=re.MULTILINE)[1:]))
    return found


def _candidate(text: str) -> Candidate:
    first, *sources = text.splitlines()
    version, priority = first.removeprefix(" ***").split()[:2]
    places = [source.split() for source in sources]
    suites = tuple(dict.fromkeys(words[2].rpartition("/")[0] for words in places if len(words) > 2))
    return Candidate(version=version, priority=int(priority), suites=suites)
