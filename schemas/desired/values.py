"""Values that are not plain data: secrets by reference, and Lua."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """What every part of the language shares: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class HostFile(Model):
    """A secret that the host's admin has put into a file there."""

    host_file: str = Field(description="absolute path on the host; one newline at its end is no part of the secret")


class Generated(Model):
    """A secret that the host draws when it is first needed: 32 random bytes as base64url, the same for the same name."""

    generated: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$", description="its name on this host")]


class Lua(Model):
    """A Lua expression, written as it stands."""

    lua: str = Field(description="one Lua expression")


SecretRef: TypeAlias = HostFile | Generated

OptionValue: TypeAlias = (
    "bool | int | float | str | HostFile | Generated | Lua | tuple[OptionValue, ...] | Mapping[str | int, OptionValue]"
)
"""Any value of a Prosody option: a map is a table, a list a list, an integer key an index."""
