"""What a plan is made of: the three verdicts, the plan itself, and what makes it live.

A plan is data. It can be compared, counted, printed and refused before anything is done; secrets in it print as ***.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from msgspec import Struct

from schemas.actions import Action, Run, Spawn
from schemas.errors import Mark


class Kind(enum.Enum):
    """What happens to an object; past tense, as logs and history say it."""

    CREATED = "created"
    CHANGED = "changed"
    REMOVED = "removed"
    RELEASED = "released"  # no longer ours, left where it is


class DriftClass(enum.Enum):
    """Wanted by git, last applied by us, live on the host: which of the three moved."""

    INTENDED = "intended"
    CORRECTIVE = "corrective"
    CONFLICT = "conflict"
    PRUNE = "prune"
    UNMANAGED = "unmanaged"


class Policy(enum.Enum):
    """The word `drift` of the desired state."""

    CORRECT = "correct"
    DETECT = "detect"
    IGNORE = "ignore"


class Disruption(enum.IntEnum):
    """What an activation costs those who are connected; for display and for windows."""

    NONE = 0
    RELOAD = 1
    MODULES = 2
    RESTART = 3


class Holds(Struct, frozen=True, kw_only=True):
    """The object is as it is wanted. `wanted` and `live` are digests, as in `Change`."""

    id: str
    wanted: str
    live: str


class Change(Struct, frozen=True, kw_only=True):
    """The object is not as it is wanted (or no longer wanted, and ours).

    `wanted` and `live` are digests (None: absent). `drift` is filled in by `reconcilers.drift`, in one place.
    `needs_word` says why a person must `confirm` first; empty when nobody need. `removes` is how many things go
    with it (`prune.confirm_above`); None: itself, when it is removed.
    """

    id: str
    kind: Kind
    why: str
    actions: tuple[Action, ...]
    wanted: str | None
    live: str | None
    origin: Mark | None = None
    policy: Policy = Policy.CORRECT
    drift: DriftClass = DriftClass.INTENDED
    touches: frozenset[str] = frozenset()
    diff: tuple[str, ...] = ()
    loses_data: bool = False
    needs_word: str = ""
    removes: int | None = None

    @property
    def object(self) -> str:
        """The path, JID or name, as logs give it: the id without its kind."""
        return self.id.partition(":")[2]

    @property
    def is_removal(self) -> bool:
        """Whether the object itself goes, and is not only put aside for another."""
        return self.kind is Kind.REMOVED and self.wanted is None


class Instant(Struct, frozen=True):
    """Seconds since the epoch."""

    at: float


class PathChanges(Struct, frozen=True):
    """Something must appear or change at this path."""

    path: PurePosixPath


class Word(Struct, frozen=True):
    """A person must say so: `prosodist confirm`."""


class ByHand(Struct, frozen=True):
    """A person must act: on the host, or in git."""


class NextRound(Struct, frozen=True):
    """An earlier step of this pass brings it."""


class Wait(Struct, frozen=True, kw_only=True):
    """The object cannot be judged or changed yet. Not done, and no failure."""

    id: str
    why: str
    until: Instant | PathChanges | Word | ByHand | NextRound
    origin: Mark | None = None


Verdict = Holds | Change | Wait


class Activation(Struct, frozen=True, kw_only=True):
    """What makes changes live in one service: computed once per round.

    `check` says first whether the new files are good. `unit` is looked at in the end; empty: Prosody's, which is proved
    well. Without `after` there is nothing to do but to check: the service does not run, or was started meanwhile.
    """

    service: str
    after: tuple[Action, ...]
    reason: str
    disruption: Disruption
    check: Run | None = None
    unit: str = ""


class Unmanaged(Struct, frozen=True, kw_only=True):
    """A thing that never was in git, told and left alone: a package, plugin, host or file, by its path or name."""

    kind: str
    object: str
    why: str


class Plan(Struct, frozen=True, kw_only=True):
    """One round: every verdict, the activations owed, and what is held until a person confirms."""

    verdicts: tuple[Verdict, ...] = ()
    activations: tuple[Activation, ...] = ()
    """One for each service; Prosody's first, since a commit that fails there is gone back from as a whole."""
    held: tuple[Change, ...] = ()
    reported: tuple[Change, ...] = ()
    """Seen, told and left as it is: `drift: detect`."""
    unmanaged: tuple[Unmanaged, ...] = ()
    """No difference between git and host, since git says nothing of it."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """What may be done now."""
        return tuple(v for v in self.verdicts if isinstance(v, Change))

    @property
    def waits(self) -> tuple[Wait, ...]:
        """What cannot be done yet."""
        return tuple(v for v in self.verdicts if isinstance(v, Wait))

    def activation(self, service: str) -> Activation | None:
        """What is owed to this service."""
        return next((owed for owed in self.activations if owed.service == service), None)

    @property
    def in_sync(self) -> bool:
        """No difference of any sort between git and host. A Wait counts as one."""
        return not (self.changes or self.waits or self.held or self.reported or self.activations)

    def problems(self) -> Iterator[str]:
        """What makes this plan unfit to be carried out; a bug of a reconciler, not of a commit."""
        ids = Counter(v.id for v in (*self.verdicts, *self.held, *self.reported))
        for id_, count in ids.items():
            if count > 1:
                yield f"{id_} has {count} verdicts; a reconciler must give exactly one"
        for change in (*self.changes, *self.held):
            for action in change.actions:
                if isinstance(action, Run | Spawn):
                    if not action.argv[0].startswith("/"):
                        yield f"{change.id} would run {action.argv[0]!r}; a program is named by its absolute path"
                    if any(not isinstance(word, str) for word in action.argv):
                        yield f"{change.id} has something other than text in an argv"
