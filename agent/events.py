"""One event, told once: a line in the log, and an entry in the history where a person would look for it later."""

from __future__ import annotations

import time
from typing import Any

from agent.log import LOG, redacted
from agent.state import State
from agent.state.facts import Entry
from schemas.errors import AgentError
from schemas.plan import Change


class Events:
    """Tells. Nothing here may stop a pass or a rollback: a history that cannot be written is logged instead."""

    def __init__(self, state: State) -> None:
        self._state = state

    def tell(self, event: str, *, level: str = "info", revision: str | None = None, **fields: Any) -> None:  # noqa: ANN401
        """`event` is a constant name from `agent.log.EVENTS`. What is known to be a secret is masked."""
        fields = {name: redacted(value) for name, value in fields.items()}
        getattr(LOG, level)(event, revision=revision, **fields)
        try:
            self._state.append(Entry(at=time.time(), kind=event, revision=revision, event=fields))
        except AgentError as error:
            LOG.error("history.failed", reason=str(error))

    def change(self, event: str, change: Change, *, revision: str, level: str = "info", **more: Any) -> None:  # noqa: ANN401
        """An event about one change."""
        self.tell(
            event,
            level=level,
            revision=revision,
            object=change.object,
            kind=change.kind.value,
            reason=change.why,
            diff=list(change.diff),
            **{"class": change.drift.value},
            **more,
        )
