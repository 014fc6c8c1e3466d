"""`services`: what runs beside Prosody, and Prosody itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from schemas.desired.forms import Line, Program, Variable
from schemas.desired.texts import Mode, Name
from schemas.desired.things import Thing

Resource: TypeAlias = Literal["as", "core", "cpu", "data", "fsize", "memlock", "nofile", "nproc", "stack"]
"""getrlimit(2)'s names."""
Limit: TypeAlias = Annotated[int, Field(ge=0)]


class Service(Thing):
    """A service. Prosody's is named `prosody`."""

    enabled: bool = Field(default=True, description="whether it starts with the host")
    running: bool = Field(default=True, description="whether it is to run")
    manager: Literal["systemd", "systemd-user", "daemontools", "supervisord", "rc.d", "child"] | None = Field(
        default=None, description="what keeps it; the kind of host knows"
    )
    check: Program | None = Field(
        default=None, description="a program and its arguments: whether the new files are good; known for some"
    )
    on_change: Literal["reload", "restart", "report"] | None = Field(
        default=None, description="what a notify brings; report: told, left to a person; known for some, else restart"
    )
    rlimits: Mapping[Resource, Limit] = Field(
        default_factory=dict, description="limits on its resources: {nofile: 65536}"
    )
    environment: Mapping[Variable, Line] = Field(default_factory=dict, description="variables of its environment")
    umask: Mode | None = Field(default=None, description='octal, quoted: "0027"')


Services: TypeAlias = Mapping[Name, Service]
