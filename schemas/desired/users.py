"""`users`: the host's own, such as Prosody's, and the groups that they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import Field

from schemas.desired.texts import HostPath, Name
from schemas.desired.things import Thing


class User(Thing):
    """A user. Groups are added, never taken away; the other keys are for a user yet to be made."""

    groups: tuple[Name, ...] = Field(default=(), description="groups that the user is in, beside those it has")
    system: bool = Field(default=False, description="true: a user of the system")
    home: HostPath | None = Field(default=None, description="its home")
    shell: HostPath | None = Field(default=None, description="its shell")


Users: TypeAlias = Mapping[Name, User]
