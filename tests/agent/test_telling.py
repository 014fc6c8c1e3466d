"""What was told is remembered as it was told: without secrets."""

from __future__ import annotations

from pathlib import Path

from agent import log
from agent.events import Events
from agent.state import State
from agent.telling import REFUSED, Telling
from schemas.errors import Mark, Mistake, SpecError
from schemas.secret import Secret

HIDDEN = "correct-horse-battery-staple-1234"


def test_no_known_secret_comes_into_the_record_of_a_refusal(home: Path) -> None:
    """Should a mistake quote one in spite of all care, the state holds it no more than the log does."""
    log.hide(Secret(HIDDEN))
    with State.open(home / "state") as state:
        telling = Telling(state, Events(state), lambda: 0.0)
        telling.refused("1" * 40, SpecError([Mistake(mark=Mark("hosts/a.yaml", 1, 1), text=f"near '{HIDDEN}'")]))
        record = state.recall(REFUSED)
        assert record is not None and HIDDEN not in str(record)
        assert [mistake.text for mistake in telling.mistakes("1" * 40)] == ["near '***'"]
