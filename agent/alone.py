"""What a verb answers where no agent runs: an engine for this one verb does its work, or the state is looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.settings import Settings

_READING = frozenset({"plan", "reconcile", "confirm", "accept"})
"""Verbs that read a commit: for any other two children would make ready for nothing."""


def answer(
    settings: Settings, config: Path, verb: str, arguments: Mapping[str, Any], progress: Callable[[str], None]
) -> dict[str, Any]:
    """The answer of an engine that lives for this verb. Raises AgentError."""
    from agent.reading import beforehand

    with beforehand() if verb in _READING else contextlib.nullcontext() as workers:
        from agent import log, loop  # with git, and all that judges a host: as much again as was imported till now

        log.configure(settings.log.format, settings.log.level)
        with loop.single(settings, config, workers) as engine:
            return engine.answer(verb, arguments, progress)


def look(settings: Settings, state_dir: str, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`status`, `drift` or `history`, from what is remembered there. Raises StateUnusable."""
    from agent import answers
    from agent.state import State

    view = State.peek(Path(state_dir))
    if view is None:
        return _nothing_yet(verb, settings)
    with view:
        if verb == "status":
            return answers.status(settings, view, None)
        return answers.drift(view) if verb == "drift" else answers.history(view, arguments["limit"])


def _nothing_yet(verb: str, settings: Settings) -> dict[str, Any]:
    """The answer where no agent has ever run."""
    if verb != "status":
        return {verb: []}
    revisions = dict.fromkeys(("attempted", "accepted", "applied", "good", "rejected"))
    condition = {"type": "Ready", "status": "Unknown", "reason": "NoState", "message": "no agent has run here yet"}
    return {
        "host": settings.host,
        "profile": settings.profile,
        "repository": str(settings.address),
        "branch": settings.branch,
        **revisions,
        "pins": {},
        "sync": "Unknown",
        "health": "Unknown",
        "suspended": None,
        "conditions": [condition],
        "last": None,
    }
