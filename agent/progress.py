"""What takes over a second says on the terminal what it is at, and leaves no trace there."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # see agent/ask.py
if TYPE_CHECKING:
    from threading import Timer
    from types import TracebackType
    from typing import Self

_QUIET_SECONDS = 1.0
_ERASE = "\r\x1b[K"


class Progress:
    """One line on stderr, where that is a terminal. `say` may be called from any thread."""

    def __init__(self) -> None:
        self._text = ""
        self._shown = False
        self._timer: Timer | None = None

    def say(self, text: str) -> None:
        """What is done now; seen only once a second has gone by."""
        self._text = text
        if self._shown:
            self._show()

    def __enter__(self) -> Self:
        if sys.stderr is not None and sys.stderr.isatty():
            from threading import Timer

            self._timer = Timer(_QUIET_SECONDS, self._begin)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._shown:
            self._shown = False
            self._write(_ERASE)

    def _begin(self) -> None:
        self._shown = True
        self._show()

    def _show(self) -> None:
        from agent.printable import escape

        self._write(f"{_ERASE}{escape(self._text or 'waiting for the agent')} …")

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            return
