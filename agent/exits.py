"""Exit codes of the command line. Light to import: see agent/ask.py."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

INTERRUPTED = 130
NOT_READ = 141
"""128 + SIGPIPE, as a shell would say it."""
HELD = 75
REFUSED = 77

_FAILED = frozenset({"refused", "invalid", "failed", "rolled_back", "stalled"})


def code_of(outcome: Mapping[str, Any], *, detailed: bool) -> int:
    """`Outcome.exit_code` of an outcome that came as JSON, without importing what an outcome is made of."""
    failed = outcome["result"] in _FAILED
    if outcome["result"] == "refused":
        return REFUSED
    if outcome["held"] and not failed:
        return HELD
    code = (2 if outcome["changes"] or outcome["activations"] else 0) | (4 if failed or outcome["failures"] else 0)
    return code if detailed else int(bool(code & 4))
