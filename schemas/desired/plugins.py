"""`prosody.plugins`: where modules come from that Prosody lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import Field

from schemas.desired.forms import Address, Pin, Sha256, Version
from schemas.desired.texts import ModuleName, Name, PackageName, RepositoryPath
from schemas.desired.things import Thing


class Plugin(Thing):
    """A source of modules. Exactly one of hg, git, archive, rock, package and source is set."""

    hg: Address | None = Field(default=None, description="a Mercurial repository; `revision` pins it")
    git: Address | None = Field(default=None, description="a git repository; `revision` pins it")
    archive: Address | None = Field(default=None, description="an archive; `sha256` pins it")
    rock: PackageName | None = Field(default=None, description="a rock of LuaRocks")
    package: PackageName | None = Field(default=None, description="a package of the host's own manager")
    source: RepositoryPath | None = Field(default=None, description="a directory of this repository")
    revision: Pin | None = Field(default=None, description="hg, git: the revision, in hexadecimal digits")
    sha256: Sha256 | None = Field(default=None, description="archive: of what lies there")
    version: Version = Field(default="present", description="rock, package: its version")
    server: Address | None = Field(default=None, description="rock: where it lies; luarocks.org")
    modules: tuple[ModuleName, ...] = Field(default=(), description="just these, from here; all that it has")


Plugins: TypeAlias = Mapping[Name, Plugin]
