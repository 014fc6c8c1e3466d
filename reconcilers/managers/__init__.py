"""How a host runs Prosody: one module for each service manager. Read `Manager` first."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from reconcilers.contract import Process, Reader, Site
from schemas.actions import Action


class Running(Struct, frozen=True, kw_only=True):
    """How the manager has Prosody now. `wanted` and `live` name the two states; `live` None: it does not run."""

    process: Process | None
    wanted: str
    live: str | None
    why: str = ""
    """What is not as it is wanted, as a clause; empty when nothing is."""
    actions: tuple[Action, ...] = ()
    """What puts it right."""


class Manager(Protocol):
    """The shape of a manager module. What it gives are actions: it does nothing itself."""

    def look(self, reader: Reader, site: Site, *, enabled: bool, running: bool) -> Running:
        """How Prosody is run now, and what makes it start with the host and run. Only asked where one is installed."""

    def process(self, reader: Reader) -> Process | None:
        """The living Prosody of this manager's."""

    def hold_back(self) -> tuple[Action, ...]:
        """Keep a Prosody that is installed next from being started before its configuration is there, at a boot too."""

    def reload(self, site: Site) -> tuple[Action, ...]:
        """Have it read its configuration again."""

    def restart(self, site: Site) -> tuple[Action, ...]:
        """End it and start it."""

    def end(self, reader: Reader, *, is_owned: bool) -> tuple[Action, ...]:
        """End it for good, when it is ours: Prosody is gone from git. `is_owned`: the inventory has it."""
