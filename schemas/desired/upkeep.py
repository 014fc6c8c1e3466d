"""How a host is kept up: when a pass may disturb it, what it must find there, what it tells of things not in git."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from schemas.desired.forms import Cron, Duration, VersionRange, Zone
from schemas.desired.texts import Name
from schemas.desired.values import Model

_Unmanaged: TypeAlias = Literal["report", "ignore"]


class Unmanaged(Model):
    """What is done about things that never were in git: told, or nothing."""

    accounts: _Unmanaged = Field(default="report", description="accounts of the wanted hosts")
    packages: _Unmanaged = Field(default="report", description="packages `prosody*` and `lua-*` installed by hand")
    plugins: _Unmanaged = Field(default="report", description="modules in the plugin paths outside the package")
    hosts: _Unmanaged = Field(default="report", description="hosts that live in Prosody")
    files: _Unmanaged = Field(
        default="report", description="files in the directories of Prosody's configuration and certificates"
    )


class Window(Model):
    """A time at which restarts and upgrades may, or may not, be made. Exactly one of `allow` and `deny` is set."""

    allow: Cron | None = Field(default=None, description="five cron fields: when the window opens")
    deny: Cron | None = Field(default=None, description="five cron fields: when a time begins that is closed")
    for_: Duration = Field(alias="for", description="how long, from then on: 90s, 15m, 6h, 7d, 2w")
    zone: Zone = Field(default="UTC", description="IANA's name of the time zone of the fields")


Windows: TypeAlias = tuple[Window, ...]
Requirements: TypeAlias = Mapping[Name, VersionRange]
