"""`jobs`: what runs from time to time, as a timer of systemd or a line of cron."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import Field

from schemas.desired.forms import Program, Schedule
from schemas.desired.texts import Name, RepositoryPath
from schemas.desired.things import Thing


class Job(Thing):
    """A job. Exactly one of `run` and `script` is set."""

    schedule: Schedule = Field(description="five cron fields, or hourly, daily, weekly, monthly")
    run: Program | None = Field(default=None, description="a program and its arguments")
    script: RepositoryPath | None = Field(default=None, description="a file of the repository")
    user: Name = Field(default="prosody", description="as whom it runs")


Jobs: TypeAlias = Mapping[Name, Job]
