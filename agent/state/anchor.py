"""The second copy of the newest accepted revision, beside the settings: it outlives a lost state."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from agent import durable
from schemas.errors import SettingsError

REVISION = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\n?")


class Anchor(Struct, frozen=True):
    """A file that holds one full revision and nothing else."""

    path: Path

    def read(self) -> str | None:
        """The revision; None where there is no file. Raises SettingsError when it cannot be made out.

        It does not pass for absent then: that would let a rewritten history in.
        """
        try:
            text = self.path.read_text("ascii", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SettingsError(
                f"{self.path}: cannot be read ({error.strerror}); make it readable for the agent"
            ) from error
        if not REVISION.fullmatch(text):
            raise SettingsError(
                f"{self.path}: holds no revision; write the full id of the newest accepted commit there, or remove it"
            )
        return text.strip()

    def write(self, revision: str) -> str:
        """Put this revision there, unless it is. Returns why that was not possible, empty when it was."""
        data = f"{revision}\n".encode("ascii")
        try:
            if not (self.path.is_file() and self.path.read_bytes() == data):
                durable.replace(self.path, data, mode=0o644)
        except OSError as error:
            return f"{self.path}: the second copy of the accepted revision cannot be written ({error.strerror})"
        return ""
