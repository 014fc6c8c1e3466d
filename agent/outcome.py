"""How a pass ended. An outcome is a value: it is returned and recorded, and unwinds nothing."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from schemas.errors import AgentError, Mark, Mistake, SpecError
from schemas.plan import Activation, Change, Plan, Unmanaged, Wait


class Result(enum.Enum):
    """The word for a whole pass."""

    IN_SYNC = "in_sync"
    CHANGED = "changed"
    HELD = "held"  # something waits for `prosodist confirm`
    REFUSED = "refused"  # the source offers nothing that may be taken, and nothing older is known
    INVALID = "invalid"  # the commit has mistakes; the last good state is kept
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    STALLED = "stalled"
    SUSPENDED = "suspended"


class Outcome(Struct, frozen=True, kw_only=True):
    """What a pass did and found. `failures` are sentences; `revision` is the full id that was enforced."""

    result: Result
    revision: str | None = None
    made: tuple[Change, ...] = ()
    activated: tuple[Activation, ...] = ()
    reported: tuple[Change, ...] = ()
    held: tuple[Change, ...] = ()
    waits: tuple[Wait, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    failures: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether a person should look."""
        return self.result not in (Result.IN_SYNC, Result.CHANGED, Result.HELD, Result.SUSPENDED)

    def exit_code(self, *, detailed: bool) -> int:
        """For `reconcile`: 0 in sync, 2 changed, 4 failures, 6 both, 75 held, 77 refused.

        Without detail 2 counts as 0, and 4 and 6 as 1.
        """
        if self.result is Result.REFUSED:
            return 77
        if self.held and not self.failed:
            return 75
        code = (2 if self.made or self.activated else 0) | (4 if self.failed or self.failures else 0)
        if detailed:
            return code
        return 1 if code & 4 else 0

    def to_json(self) -> dict[str, Any]:
        """For `-o json` and the control socket."""
        return {
            "result": self.result.value,
            "revision": self.revision,
            "changes": [change_json(change) for change in self.made],
            "activations": [activation_json(activation) for activation in self.activated],
            "reported": [change_json(change) for change in self.reported],
            "held": [change_json(change) for change in self.held],
            "waits": [wait_json(wait) for wait in self.waits],
            "mistakes": [mistake_json(mistake) for mistake in self.mistakes],
            "failures": list(self.failures),
            "seconds": round(self.seconds, 3),
        }


def change_json(change: Change) -> dict[str, Any]:
    """A change without its actions' contents."""
    return {
        "id": change.id,
        "object": change.object,
        "kind": change.kind.value,
        "class": change.drift.value,
        "why": change.why,
        "origin": str(change.origin) if change.origin else None,
        "diff": list(change.diff),
        "needs_word": change.needs_word,
        "loses_data": change.loses_data,
    }


def activation_json(activation: Activation) -> dict[str, Any]:
    """What makes a round live, and what it costs."""
    return {
        "service": activation.service,
        "disruption": activation.disruption.name,
        "reason": activation.reason,
    }


def wait_json(wait: Wait) -> dict[str, Any]:
    """A wait, and what ends it in words."""
    return {
        "id": wait.id,
        "why": wait.why,
        "until": type(wait.until).__name__,
        "origin": str(wait.origin) if wait.origin else None,
    }


def unmanaged_json(found: Unmanaged) -> dict[str, Any]:
    """What never was in git, and is left alone."""
    return {"kind": found.kind, "object": found.object, "why": found.why}


def mistake_json(mistake: Mistake) -> dict[str, Any]:
    """A mistake in parts, and as the line that people see."""
    return {
        "file": mistake.mark.file,
        "line": mistake.mark.line,
        "column": mistake.mark.column,
        "subject": mistake.subject,
        "text": mistake.text,
        "message": str(mistake),
    }


def mistake_from_json(value: Mapping[str, Any]) -> Mistake:
    """The inverse of `mistake_json`."""
    mark = Mark(value["file"], value["line"], value["column"])
    return Mistake(mark=mark, subject=value["subject"], text=value["text"])


def plan_json(
    plan: Plan, *, revision: str | None, digest: str | None = None, refusal: AgentError | None = None
) -> dict[str, Any]:
    """A plan as `prosodist plan -o json` prints it; `digest` names a held plan.

    `refusal` is why this is the plan of what was right before, and not of the newest commit.
    """
    mistakes = refusal.mistakes if isinstance(refusal, SpecError) else ()
    return {
        "in_sync": plan.in_sync,
        "revision": revision,
        "digest": digest,
        "changes": [change_json(change) for change in plan.changes],
        "held": [change_json(change) for change in plan.held],
        "reported": [change_json(change) for change in plan.reported],
        "waits": [wait_json(wait) for wait in plan.waits],
        "unmanaged": [unmanaged_json(found) for found in plan.unmanaged],
        "activations": [activation_json(activation) for activation in plan.activations],
        "mistakes": [mistake_json(mistake) for mistake in mistakes],
        "failures": [] if refusal is None or mistakes else [str(refusal)],
    }
