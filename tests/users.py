"""Users that tests act as."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An ordinary user that tests may act as."""

    name: str
    uid: int
    gid: int

    def run_as(self) -> dict[str, Any]:
        """Keywords for subprocess that make a child this user's: none when we are that user already."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}
