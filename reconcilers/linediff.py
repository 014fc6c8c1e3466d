"""What would change in a file, line by line. Whether that may be shown is for the caller to know."""

from __future__ import annotations

from pathlib import PurePosixPath

_MOST = 20_000
"""Lines of both together: beyond that it is not worth the wait."""


def diff_lines(path: PurePosixPath, live: bytes, wish: bytes) -> tuple[str, ...]:
    """From what lies there to what git wants."""
    from difflib import unified_diff  # an agent that finds everything in its place never needs it

    try:
        have, want = live.decode().splitlines(), wish.decode().splitlines()
    except UnicodeDecodeError:
        return ("(binary)",)
    if len(have) + len(want) > _MOST:
        return ("(too long to compare line by line)",)
    return tuple(unified_diff(have, want, f"{path} (live)", f"{path} (git)", lineterm=""))
