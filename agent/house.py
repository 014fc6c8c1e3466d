"""What a pass works with, and what every room of it is given."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from agent.ending import Interrupted
from agent.events import Events
from agent.host import LocalHost
from agent.kept import Kept
from agent.reading import Renderer
from agent.state import State
from reconcilers.contract import Reader, Site
from schemas.actions import Action


class House(Struct, frozen=True, kw_only=True):
    """What a pass works with."""

    host: LocalHost
    state: State
    events: Events
    kept: Kept
    site: Callable[[Reader], Site]
    """Looks the site up through a reader, so that the proof of an idle pass covers it."""
    renderer: Renderer
    clock: Callable[[], float] = time.time
    stopping: Callable[[], bool] = lambda: False

    def perform(self, actions: tuple[Action, ...]) -> None:
        """One after the other. Raises as `LocalHost.perform`."""
        for action in actions:
            self.host.perform(action)

    def heed(self) -> None:
        """End the pass here when the agent is asked to end. Raises Interrupted."""
        if self.stopping():
            raise Interrupted
