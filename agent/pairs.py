"""What certificates say, remembered beyond the agent's end: reading one takes a library as dear as a whole look."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

from agent.state import State
from agent.version import VERSION
from reconcilers.certificates import Read, read_pair
from reconcilers.contract import Answer, Apart
from schemas.errors import AgentError

RECORD = "certificates.read"
_MOST = 200
"""Pairs that are remembered; more than that are former ones, and it is begun anew."""


class Pairs:
    """An `Apart` that asks nobody about a pair that was read before.

    What is remembered is no secret, and its name, a keyed digest of both files, lets none be guessed.
    """

    def __init__(self, state: State, apart: Apart) -> None:
        self._state, self._apart = state, apart
        self._key = state.digest_key()
        record = state.recall(RECORD)
        self._known: dict[str, Any] = {} if record is None else dict(record.value)
        self._fresh: dict[str, Any] = {}

    def __call__(self, function: Callable[..., Answer], *arguments: bytes) -> Answer:
        """See `reconcilers.contract.Apart`."""
        if function is not read_pair:
            return self._apart(function, *arguments)
        name = self._name(arguments)
        said: Any = self._known.get(name)
        if said is not None:
            said = Read.from_json(said)
        else:
            said = self._apart(read_pair, *arguments)
            if said.belongs:  # what is wrong with another pair may be that this library is too old for it
                self._fresh[name] = said.to_json()
        answer: Answer = said
        return answer

    def save(self) -> None:
        """Remember what was read since the last time. What cannot be written now is with the next pass."""
        if not self._fresh:
            return
        former = self._known if len(self._known) + len(self._fresh) <= _MOST else {}
        known = former | self._fresh
        with contextlib.suppress(AgentError):
            self._state.remember(RECORD, known, time.time())
            self._known, self._fresh = known, {}

    def _name(self, arguments: tuple[bytes, ...]) -> str:
        """Of these two files, as this version reads them."""
        digests = (hashlib.sha256(argument).digest() for argument in arguments)
        return hmac.digest(self._key, b"".join((VERSION.encode(), *digests)), "sha256").hex()
