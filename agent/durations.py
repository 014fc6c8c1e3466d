"""Durations as people write them, in the settings and on the command line; a commit's have the same form."""

from __future__ import annotations

import re

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(f"([1-9][0-9]{{0,5}})([{''.join(_SECONDS)}])")


def read_duration(text: str) -> float | None:
    """The seconds in `90s`, `30m`, `2h`, `1d` or `2w`; None for anything else."""
    found = _DURATION.fullmatch(text)
    return None if found is None else int(found[1]) * _SECONDS[found[2]]
