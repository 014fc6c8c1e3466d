"""A value that prints as ***.

A plain class and no struct, because `asdict` and `repr` would print the value.
"""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """Bytes that only the hands and the templates may look at, by calling `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """The value itself. Whoever calls this answers for where it goes."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __iter__(self) -> NoReturn:
        raise TypeError("a secret is not a sequence")
