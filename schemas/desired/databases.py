"""`databases`: the database and its role, over the server's socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from schemas.desired.texts import Name
from schemas.desired.things import Thing


class Database(Thing):
    """A database."""

    owner: Name | None = Field(default=None, description="the role that owns it; its name")
    engine: Literal["postgresql"] = Field(default="postgresql", description="the server")


Databases: TypeAlias = Mapping[Name, Database]
