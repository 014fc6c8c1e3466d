"""Time zones: a name is one of the tz database's, as far as this machine has it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.desired.forms import ZONE
from schemas.errors import Mark
from schemas.findings import Findings, nearest
from schemas.nodes import Map, Scalar
from schemas.places import places

_ZONE_LIKE = 0.8
"""How near a name must be: all of Europe begins alike."""


def check_zones(root: Map, findings: Findings) -> None:
    """Every `zone` of a window. Where there is no tz database, as on some laptops, it is noted that nobody looked."""
    zones = (node for _, node in places(root, "maintenance", "*", "zone") if isinstance(node, Scalar))
    said = ((zone.mark, zone.value) for zone in zones if isinstance(zone.value, str) and re.fullmatch(ZONE, zone.value))
    unknown = [(mark, zone) for mark, zone in said if not _is_known(zone)]
    if unknown:
        _tell(unknown, findings)


def _is_known(zone: str) -> bool:
    """By opening this one; to list them all takes half a second."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(zone)
    except (LookupError, ValueError, OSError):  # not there, no such data, a directory
        return zone == "UTC"
    return True


def _tell(unknown: Sequence[tuple[Mark, str]], findings: Findings) -> None:
    from zoneinfo import available_timezones

    known = sorted(available_timezones())
    for mark, zone in unknown:
        if known:
            close = _at(zone, known) or nearest(zone, known, cutoff=_ZONE_LIKE) or "Europe/Berlin, say"
            findings.add(mark, f'there is no time zone "{zone}" in the tz database; write {close}')
        else:
            findings.note(mark, f"whether there is a time zone {zone} is not known here, without the tz database")


def _at(city: str, known: Sequence[str]) -> str:
    """The zone of a city that was written alone."""
    return next((zone for zone in known if zone.lower().endswith(f"/{city.lower()}")), "")
