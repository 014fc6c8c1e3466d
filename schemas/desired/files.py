"""`files`: anything else on the host, by absolute path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from schemas.desired.values import Generated, HostFile, Model
from schemas.plan import Policy


class File(Model):
    """One path. Exactly one of the kind keys is set; `absent` may also be written as a bare word."""

    content: str | HostFile | Generated | None = Field(default=None, description="the text itself, or a secret")
    source: str | None = Field(default=None, description="a file of the repository, copied")
    template: str | None = Field(default=None, description="a template of the repository, rendered")
    tree: str | None = Field(default=None, description="a directory of the repository with all that is in it")
    directory: bool | None = Field(default=None, description="true: a directory")
    link: str | None = Field(default=None, description="the target of a symbolic link")
    absent: bool | None = Field(default=None, description="true: nothing is to be there")
    vars: Mapping[str, Any] = Field(default_factory=dict, description="for `template`: further variables; may be secrets")
    mode: str | None = Field(
        default=None, pattern=r"^[0-7]{3,4}$", description='octal, quoted; "0644", a directory "0755", a secret "0640"'
    )
    owner: str | None = Field(default=None, description="a user's name; the place's")
    group: str | None = Field(default=None, description="a group's name; the place's")
    drift: Policy | None = Field(default=None, description="detect, correct or ignore")
