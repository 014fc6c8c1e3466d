"""`apt_sources` and `packages`: software, each version said once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from schemas.desired.forms import Address, Line, Sha256, Variable, Version
from schemas.desired.texts import Name, PackageName, RepositoryPath
from schemas.desired.things import Thing, check_some
from schemas.desired.values import Model


class AptSource(Thing):
    """A source of Debian packages, by the fields of deb822."""

    uris: Annotated[tuple[Address, ...], BeforeValidator(check_some)] = Field(description="where it lies")
    suites: tuple[Line, ...] = Field(default=(), description="its suites; the host's own")
    components: tuple[Line, ...] = Field(default=("main",), description="its components; [main]")
    signed_by: RepositoryPath | None = Field(default=None, description="its key, a file of the repository")


class Package(Thing):
    """What all managers know. A bare text is the version."""

    version: Version = Field(
        default="present", description="present, latest, absent, the beginning of a version, or a range"
    )


class AptPackage(Package):
    """A package of Debian."""

    suite: Line | None = Field(default=None, description="the suite it is taken from; the host's own")
    hold: bool = Field(default=False, description="true: no other program upgrades it")


class Rock(Package):
    """A rock of LuaRocks, built as the Prosody user."""

    variables: Mapping[Variable, Line] = Field(
        default_factory=dict, description="of the build: OPENSSL_DIR; built again when one of them changes"
    )
    server: Address | None = Field(default=None, description="where the rock lies; luarocks.org")
    needs: tuple[Line, ...] = Field(
        default=(), description="MANAGER/PACKAGE that is there before it; built again when one of them changes"
    )


class ToastPackage(Package):
    """Sources that toast builds in a home. `url` and `sha256` go together."""

    url: Address | None = Field(default=None, description="its sources; <name> and <version> stand for its own")
    sha256: Sha256 | None = Field(default=None, description="of what lies at `url`")
    configure: tuple[Line, ...] = Field(default=(), description="arguments of its configure; built again when changed")


class PkgtoolsPackage(Package):
    """A package of Slackware. `url` and `sha256` go together."""

    url: Address | None = Field(default=None, description="the package; <name> and <version> stand for its own")
    sha256: Sha256 | None = Field(default=None, description="of what lies at `url`")


class Packages(Model):
    """Manager → package → what of it. Each kind of host has managers of its own."""

    apt: Mapping[PackageName, AptPackage] = Field(default_factory=dict, description="packages of Debian")
    luarocks: Mapping[PackageName, Rock] = Field(default_factory=dict, description="rocks, for Prosody alone")
    toast: Mapping[PackageName, ToastPackage] = Field(default_factory=dict, description="sources built in a home")
    pkgtools: Mapping[PackageName, PkgtoolsPackage] = Field(default_factory=dict, description="packages of Slackware")


class ProsodyPackage(Model):
    """Where Prosody itself comes from, beside its version: the keys of the host's manager, and a name."""

    name: PackageName | None = Field(default=None, description="the package's name; the kind of host knows it")
    suite: Line | None = Field(default=None, description="apt: the suite it is taken from")
    hold: bool = Field(default=False, description="apt: true: no other program upgrades it")
    url: Address | None = Field(default=None, description="toast, pkgtools: what is downloaded")
    sha256: Sha256 | None = Field(default=None, description="toast, pkgtools: of what lies at `url`")
    configure: tuple[Line, ...] = Field(default=(), description="toast: arguments of its configure")


AptSources: TypeAlias = Mapping[Name, AptSource]
