"""`files`: anything else on the host, by absolute path."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.desired.forms import Address, Duration, Line, Notice, Program, Revision, Sha256
from schemas.desired.texts import Flag, LinkTarget, Mode, Name, RepositoryPath
from schemas.desired.things import Thing
from schemas.desired.values import Content, FileVariables


class File(Thing):
    """One path. Exactly one of the kind keys is set; `absent` may also be written as a bare word."""

    content: Content | None = Field(default=None, description="the text itself, or a secret")
    source: RepositoryPath | None = Field(default=None, description="a file of the repository, copied")
    template: RepositoryPath | None = Field(default=None, description="a template of the repository, rendered")
    tree: RepositoryPath | None = Field(
        default=None, description="a directory of the repository with all that is in it"
    )
    directory: Flag | None = Field(default=None, description="true: a directory")
    link: LinkTarget | None = Field(default=None, description="the target of a symbolic link")
    git: Address | None = Field(default=None, description="a git repository, at `revision`")
    hg: Address | None = Field(default=None, description="a Mercurial repository, at `revision`")
    archive: Address | None = Field(default=None, description="an archive, unpacked; `sha256` pins it")
    dhparam: Literal[2048, 3072, 4096] | None = Field(default=None, description="parameters of so many bits, made here")
    absent: Flag | None = Field(default=None, description="true: nothing is to be there")
    vars: FileVariables = Field(default_factory=dict, description="for `template`: further variables; may be secrets")
    revision: Revision | None = Field(default=None, description="git, hg: what is taken; a branch wants `refresh`")
    refresh: Duration | None = Field(default=None, description="git, hg: how often a branch is looked at")
    sha256: Sha256 | None = Field(default=None, description="archive: of what lies there")
    recurse: bool = Field(default=False, description="directory: owner and group of all in it, mode of directories")
    block: bool = Field(default=False, description="true: a block in the file; the rest is not ours")
    comment: Line = Field(default="#", description="block: what begins a comment there")
    check: Program | None = Field(default=None, description="a program and its arguments; <file> is the candidate")
    notify: tuple[Notice, ...] = Field(
        default=(), description="services that read it, prosody, or prosody/MODULE to reload"
    )
    mode: Mode | None = Field(
        default=None,
        description='octal, quoted; "0644", a directory or what git has executable "0755", a secret "0640"',
    )
    owner: Name | None = Field(default=None, description="a user's name; the place's")
    group: Name | None = Field(default=None, description="a group's name; the place's")
