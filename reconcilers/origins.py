"""From a line of a rendered text back to the template's line that most likely made it."""

from __future__ import annotations

_MOST = 4_000_000
"""Lines of the one times lines of the other: beyond that it is not worth the wait."""


def source_line(source: bytes, rendered: bytes, line: int) -> int:
    """The template's line (from 1) behind line `line` of what it rendered; 0 when that cannot be told."""
    wanted, made = source.split(b"\n"), rendered.split(b"\n")
    if not 0 < line <= len(made) or len(wanted) * len(made) > _MOST:
        return 0
    from difflib import SequenceMatcher

    for tag, from_, to, first, last in SequenceMatcher(None, wanted, made, autojunk=False).get_opcodes():
        if first < line <= last:
            if tag == "insert":  # a loop or a value of several lines
                return max(from_, 1)
            return min(from_ + line - first, to)
    return 0
