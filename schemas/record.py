"""What is remembered between passes: frozen types, keyed digests, no prose and no secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field


class Owned(Struct, frozen=True, kw_only=True):
    """One object of the inventory: we made it or took it over, so we may change and remove it.

    `wish` is the digest of what git wanted when we last wrote; `digest` that of the live object as we then saw it,
    empty when the agent died before it could look. Two digests, because what is wanted may leave things open (an
    owner, say) that the live object has. `made` says that nothing was there before us.
    """

    id: str
    reconciler: str
    wish: str
    digest: str
    revision: str
    made: bool = True


class Record(Struct, frozen=True, kw_only=True):
    """A value that must outlive a pass (chosen ports, a child process), and when it was written (epoch seconds)."""

    value: Mapping[str, Any]
    at: float


class Loaded(Struct, frozen=True, kw_only=True):
    """What a Prosody has loaded, or would load: the baseline and the target of an activation.

    `options` maps scope (`*` is global) to option to keyed digest; `files` maps path to keyed digest, for what is
    read beside the configuration (certificates, keys). `modules` is the same of code that is not Prosody's own.
    """

    version: str
    options: Mapping[str, Mapping[str, str]]
    files: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As a record's value."""
        return {
            "version": self.version,
            "options": {scope: dict(options) for scope, options in self.options.items()},
            "files": dict(self.files),
            "modules": dict(self.modules),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Loaded:
        """The inverse of `to_json`."""
        former = value.get("modules", {})  # an earlier version's record lacks the word
        return cls(version=value["version"], options=value["options"], files=value["files"], modules=former)


class OpenDrift(Struct, frozen=True, kw_only=True):
    """A difference that someone else made and that is still to be told about, or was told and still stands."""

    id: str
    drift: str
    live: str | None
    why: str
    since: float
    corrected: int = 0
    last_corrected: float = 0.0


class Marks(Struct, frozen=True, kw_only=True):
    """Revisions by what became of them (full ids), and the digests of inputs that were rejected."""

    attempted: str | None = None
    accepted: str | None = None
    applied: str | None = None
    good: str | None = None
    rejected: str | None = None
