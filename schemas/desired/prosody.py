"""`prosody`: options by Prosody's own names in Prosody's own scopes, virtual hosts and components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from schemas.desired.values import Model
from schemas.plan import Policy


class Scope(Model):
    """What may stand in every scope. `options` holds whatever is no word of ours, in the order it was written."""

    modules_enabled: tuple[str, ...] = Field(default=(), description="modules to load in this scope")
    modules_disabled: tuple[str, ...] = Field(default=(), description="modules not to load in this scope")
    lua: str = Field(default="", description="Lua text, appended to this scope")
    options: Mapping[str, Any] = Field(default_factory=dict, description="any other option, by Prosody's name")


class Component(Scope):
    """A component: an internal one is named by its module."""

    module: str = Field(default="component", description="the module; `component` is an external component")


class VirtualHost(Scope):
    """A virtual host; a component's name without a dot is a label before the host's own name (already joined here)."""

    components: Mapping[str, Component] = Field(default_factory=dict)


class Prosody(Scope):
    """The global scope and all that lies below it."""

    include: tuple[str, ...] = Field(default=(), description="absolute paths, one Include line each; read as global")
    template: str | None = Field(default=None, description="a template in the repository that renders the main file")
    drift: Policy | None = Field(default=None, description="detect, correct or ignore, for the whole configuration")
    virtual_hosts: Mapping[str, VirtualHost] = Field(default_factory=dict)
    components: Mapping[str, Component] = Field(default_factory=dict)
