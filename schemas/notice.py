"""What is owed to the services that read what we write, and what one of them refused: remembered between passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, convert, field, to_builtins

from schemas.record import Owned

NOTICES = "notices"
"""The record of them."""


class Told(Struct, frozen=True, kw_only=True):
    """An object that is written for a service: what git wants of it, and what was there before.

    `wish` is the digest of what is wanted (empty: nothing). `former` is path → id of the kept copy; None: nothing was
    there. `owned` is how the inventory had it.
    """

    wish: str
    former: Mapping[str, str | None] = field(default_factory=dict)
    owned: Owned | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    """What a check said no to, or a service died of: id → wish, and the words. The same is not tried again."""

    wishes: Mapping[str, str]
    words: str


class Debt(Struct, frozen=True, kw_only=True):
    """What was written for a service since `run`, which names that run of it: another one has read it by itself.

    `checked`: its check was content with all of it. `failed`: with what it was told last, and was not up after it.
    """

    run: str
    objects: Mapping[str, Told]
    checked: bool = False
    failed: Refusal | None = None

    @property
    def wishes(self) -> dict[str, str]:
        """Id → wish of all that was written."""
        return {id_: told.wish for id_, told in self.objects.items()}


class Notices(Struct, frozen=True, kw_only=True):
    """Service → what is owed to it, and what it refused.

    `readers` is id → services, of what was written for them: when it is gone from git, git no longer says who reads it.
    """

    owed: Mapping[str, Debt] = field(default_factory=dict)
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As a record's value."""
        plain: dict[str, Any] = to_builtins(self)
        return plain

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Notices:
        """The inverse of `to_json`."""
        return convert(dict(value), cls)
