"""Whether a version is what was wanted: the words, beginnings and ranges of `desired/forms.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any

_BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt, "=": eq, "!=": ne}


def is_wanted(version: str, wanted: str) -> bool:
    """Whether a version that is there (`13.0.1-1`) will do. `latest` cannot be told from it, and counts as no.

    A bound looks as far as it is written: 13.0.1 is no more than 13.0, and not above it. So is Debian's epoch left
    aside (`1:2.3-1` begins with 2.3), unless it is written.
    """
    if ":" not in wanted:
        version = version.partition(":")[2] or version
    if wanted == "present":
        return True
    bounds = re.findall(r"(>=|<=|!=|>|<|=) ?([^, ]+)", wanted)
    if not bounds:
        return re.match(rf"{re.escape(wanted)}(?![0-9A-Za-z])", version) is not None
    return all(_meets(_numbers(version), sign, _numbers(bound)) for sign, bound in bounds)


def _meets(version: tuple[int, ...], sign: str, bound: tuple[int, ...]) -> bool:
    length = len(bound)
    return _BOUNDS[sign]((*version, *[0] * length)[:length], bound)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall("[0-9]+", version))
