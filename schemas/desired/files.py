"""`files`: anything else on the host, by absolute path."""

from __future__ import annotations

from pydantic import Field

from schemas.desired.texts import Flag, LinkTarget, Mode, Name, RepositoryPath
from schemas.desired.values import Content, FileVariables, Model, Word


class File(Model):
    """One path. Exactly one of the kind keys is set; `absent` may also be written as a bare word."""

    content: Content | None = Field(default=None, description="the text itself, or a secret")
    source: RepositoryPath | None = Field(default=None, description="a file of the repository, copied")
    template: RepositoryPath | None = Field(default=None, description="a template of the repository, rendered")
    tree: RepositoryPath | None = Field(
        default=None, description="a directory of the repository with all that is in it"
    )
    directory: Flag | None = Field(default=None, description="true: a directory")
    link: LinkTarget | None = Field(default=None, description="the target of a symbolic link")
    absent: Flag | None = Field(default=None, description="true: nothing is to be there")
    vars: FileVariables = Field(default_factory=dict, description="for `template`: further variables; may be secrets")
    mode: Mode | None = Field(default=None, description='octal, quoted; "0644", a directory "0755", a secret "0640"')
    owner: Name | None = Field(default=None, description="a user's name; the place's")
    group: Name | None = Field(default=None, description="a group's name; the place's")
    drift: Word | None = Field(default=None, description="detect, correct or ignore")
