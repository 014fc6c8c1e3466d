"""Which of Prosody's lines a host's options must be right for."""

from __future__ import annotations

import re

from schemas.options import LINES


def lines_of(said: str | None, found: str | None = None) -> tuple[str, ...]:
    """The lines that `prosody.version` leaves open, the older first; `found` is the version that the host has.

    Empty for a version that there is no table for: then nothing can be said of its options.
    """
    wanted = [line for line in LINES if _may_be(line, said or "present")]
    if found is not None and said in (None, "present"):
        return tuple(line for line in wanted if _begins(found, line))
    return tuple(wanted)


def _may_be(line: str, said: str) -> bool:
    """Whether a version of this line can be what was said: a word, a beginning, or a range."""
    if said in ("present", "latest"):
        return True
    bounds = re.findall(r"(>=|<=|>|<|=)\s*([\d.]+)", said)
    if not bounds:
        return _begins(said, line) or _begins(line, said)
    return all(_meets(line, bound, number) for bound, number in bounds)


def _meets(line: str, bound: str, number: str) -> bool:
    """Whether some version of the line meets one bound of a range."""
    mine, theirs = _numbers(line), _numbers(number)
    beginning = theirs[: len(mine)]
    if beginning == mine[: len(beginning)]:  # the bound lies within this line
        return bound != "<" or len(theirs) > len(mine)
    return mine > theirs if bound in (">", ">=") else mine < theirs and bound != "="


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)


def _begins(version: str, line: str) -> bool:
    """Whether a version is of this line: `13.0.1-1` of `13.0`, but not `13.01`."""
    return re.match(rf"{re.escape(line)}(?!\d)", version) is not None
