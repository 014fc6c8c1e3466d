"""Has a program look at a file before the file takes its place, and remembers what it found wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from agent import processes
from reconcilers.files.checking import AGAIN_AFTER
from schemas.actions import CHECKS, Check
from schemas.errors import CheckRefused, Excessive
from schemas.record import Record

_TIMEOUT = 30.0
"""Seconds."""
_MOST_WORDS = 500
"""Characters of what is remembered and told."""

Inspect = Callable[[PurePosixPath], None]
"""Looks at a candidate; what it raises stops us from giving it its name."""


class Inspector:
    """Runs checks as the agent's own user, and keeps the record of what they refused."""

    def __init__(
        self,
        *,
        recall: Callable[[str], Record | None],
        remember: Callable[[str, Mapping[str, Any]], None],
        clock: Callable[[], float],
    ) -> None:
        self._recall, self._remember, self._clock = recall, remember, clock

    def inspector(self, path: PurePosixPath, check: Check | None, *, is_secret: bool) -> Inspect | None:
        """What looks at candidates for `path`. What it says of a secret is told to nobody."""
        return None if check is None else partial(self._inspect, path, check, is_secret)

    def _inspect(self, path: PurePosixPath, check: Check, is_secret: bool, candidate: PurePosixPath) -> None:
        """Raises CheckRefused, and Temporary when the program cannot be run."""
        argv = tuple(word.replace("<file>", str(candidate)) for word in check.argv)
        known = dict(record.value) if (record := self._recall(CHECKS)) else {}
        try:
            ended = processes.run(argv, timeout=_TIMEOUT, limits=processes.CHECK)
            words = "" if ended.code == 0 else _words(ended.stderr or ended.stdout, is_secret, candidate, path)
            what = f"exit status {ended.code}: {words}"
        except Excessive as error:
            words = what = error.words
        if not words:
            if known.pop(str(path), None) is not None:
                self._remember(CHECKS, known)
            return
        text = f"{check.argv[0]} finds it wrong, {what}; correct it in git"
        now = self._clock()
        known = {id_: said for id_, said in known.items() if now < said["at"] + AGAIN_AFTER}  # the rest is void
        self._remember(CHECKS, {**known, str(path): {"wish": check.wish, "words": text, "at": now}})
        raise CheckRefused(f"{path}: {text}")


def _words(said: bytes, is_secret: bool, candidate: PurePosixPath, path: PurePosixPath) -> str:
    """The last lines, about the file by the name that people know."""
    if is_secret:
        return "it was shown a secret, so what it said is not told"
    lines = said.decode(errors="replace").replace(str(candidate), str(path)).strip().splitlines()[-5:]
    return " / ".join(lines)[-_MOST_WORDS:] or "it said nothing"
