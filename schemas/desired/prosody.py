"""`prosody`: options by Prosody's own names in Prosody's own scopes, virtual hosts and components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from schemas.desired.forms import Version
from schemas.desired.part import Part
from schemas.desired.texts import HostName, HostPath, ModuleName, RepositoryPath, Text
from schemas.desired.values import Model, Word

if TYPE_CHECKING:
    from schemas.desired.packages import ProsodyPackage
    from schemas.desired.plugins import Plugins
else:
    ProsodyPackage = Annotated[Any, Part("packages.ProsodyPackage")]
    Plugins = Annotated[Any, Part("plugins.Plugins")]


class Scope(Model):
    """What may stand in every scope. `options` holds whatever is no word of ours, in the order of writing."""

    modules_enabled: tuple[ModuleName, ...] = Field(default=(), description="modules to load in this scope")
    modules_disabled: tuple[ModuleName, ...] = Field(default=(), description="modules not to load in this scope")
    lua: Text = Field(default="", description="Lua text, appended to this scope")
    options: Mapping[str, Any] = Field(default_factory=dict, description="any other option, by Prosody's name")


class Component(Scope):
    """A component: an internal one is named by its module."""

    module: ModuleName = Field(default="component", description="the module; `component` is an external component")


class VirtualHost(Scope):
    """A virtual host. A component's name without a dot was a label before the host's; here it is whole."""

    components: Mapping[HostName, Component] = Field(
        default_factory=dict, description="its components; a name without a dot is a label before the host's"
    )


class Prosody(Scope):
    """The global scope and all that lies below it."""

    version: Version = Field(default="present", description="Prosody's version; options are checked against it")
    package: ProsodyPackage | None = Field(
        default=None, description="where Prosody comes from: its package's name, and a package's other keys"
    )
    plugins: Plugins = Field(default_factory=dict, description="where modules come from that Prosody lacks, by name")
    include: tuple[HostPath, ...] = Field(
        default=(), description="absolute paths, one Include line each; read as global"
    )
    template: RepositoryPath | None = Field(
        default=None, description="a template in the repository that renders the main file"
    )
    drift: Word | None = Field(default=None, description="detect, correct or ignore, for the whole configuration")
    virtual_hosts: Mapping[HostName, VirtualHost] = Field(
        default_factory=dict, description="the domains that people have accounts at; .default is a body for all"
    )
    components: Mapping[HostName, Component] = Field(
        default_factory=dict, description="components that belong to no one virtual host, by their full name"
    )
