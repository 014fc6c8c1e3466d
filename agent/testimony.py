"""What an agent that ends leaves behind for `prosodist plan`: its last answer, and what that answer hangs on.

It is one file in the state directory. Whoever takes the directory to write there takes the file away first, and
leaves a new one when it ends with a proof; so where the file lies, nothing that is remembered has changed. All else is
compared here: who asks and by which program, the settings, the branch's tip, and everything the agent's look depended
on, which may be files, processes and instants. A repository on another machine and a unit of systemd's cannot be asked
so cheaply: with either there is no testimony. Light to import: see agent/ask.py.
"""

from __future__ import annotations

import json
import os
import sys
import time
from types import SimpleNamespace

from agent import where
from agent.refs import read_tip
from agent.signs import still_so
from agent.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAME = "testimony"
"""The file, in the state directory."""


def hear(config: str, state_dir: str) -> dict[str, Any] | None:
    """The answer to `plan` that an ended agent left, when it is still right; else None, which proves nothing.

    Costs an lstat for each path that the answer hangs on.
    """
    try:
        with open(os.path.join(state_dir, NAME), encoding="utf-8") as file:
            left = json.load(file)
        seen = SimpleNamespace(**left["seen"])
        seen.paths, seen.ways = _pairs(seen.paths), _pairs(seen.ways)
        is_right = (
            left["circumstances"] == circumstances(config)
            and read_tip(left["repository"], left["branch"]) == left["answer"]["revision"]
            and still_so(seen, time.time())
        )
        answer: dict[str, Any] = left["answer"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return answer if is_right else None


def circumstances(config: str) -> list[object]:
    """Who asks, with which program and from what home: what the settings leave open is found by these."""
    return [
        VERSION,
        sys.version,
        sys.prefix,
        os.path.dirname(os.path.abspath(__file__)),
        os.path.abspath(config),
        os.geteuid(),
        os.uname().nodename,
        os.path.expanduser("~"),
        where.default_state_dir(),
        where.default_age_key(),
        where.default_control_socket(where.default_state_dir()),
        None if os.geteuid() == 0 else where.which("prosody"),  # root does not go by PATH
    ]


def _pairs(signs: list[list[Any]]) -> list[tuple[str, tuple[int, ...]]]:
    return [(path, tuple(sign)) for path, sign in signs]
