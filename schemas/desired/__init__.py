"""HostSpec: everything that git says about one host, combined and checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Struct, field
from msgspec.structs import force_setattr
from pydantic import Field

from schemas.desired.files import File
from schemas.desired.forms import Duration
from schemas.desired.part import Part
from schemas.desired.prosody import Component, Prosody, VirtualHost
from schemas.desired.texts import HostPath, Text
from schemas.desired.things import HostValue
from schemas.desired.values import Age, Generated, HostFile, Lua, Model, SecretRef, Way, Word, find_secrets
from schemas.errors import Mark, Mistake
from schemas.plan import Policy

if TYPE_CHECKING:
    from schemas.desired.accounts import Accounts
    from schemas.desired.certificates import Certificates
    from schemas.desired.databases import Databases
    from schemas.desired.jobs import Jobs
    from schemas.desired.packages import AptSources, Packages
    from schemas.desired.policy import Bundles
    from schemas.desired.services import Services
    from schemas.desired.upkeep import Requirements, Unmanaged, Windows
    from schemas.desired.users import Users
else:
    Accounts = Annotated[Any, Part("accounts.Accounts")]
    AptSources = Annotated[Any, Part("packages.AptSources")]
    Bundles = Annotated[Any, Part("policy.Bundles")]
    Certificates = Annotated[Any, Part("certificates.Certificates")]
    Databases = Annotated[Any, Part("databases.Databases")]
    Jobs = Annotated[Any, Part("jobs.Jobs")]
    Packages = Annotated[Any, Part("packages.Packages")]
    Requirements = Annotated[Any, Part("upkeep.Requirements")]
    Services = Annotated[Any, Part("services.Services")]
    Unmanaged = Annotated[Any, Part("upkeep.Unmanaged")]
    Users = Annotated[Any, Part("users.Users")]
    Windows = Annotated[Any, Part("upkeep.Windows")]


class Prune(Model):
    """How much may be removed without a person's word."""

    confirm_above: int = Field(default=3, ge=0, description="more removals in one pass wait for `prosodist confirm`")
    grace: Duration = Field(default="7d", description="how long an account that is gone from git can be had back")


class Host(Model):
    """The document `hosts/<name>.yaml`, combined. Bodies (`.default`) and `extends` are spent by then."""

    profile: Text = Field(description="the kind of host; must agree with what the host says it is")
    policy: Bundles | None = Field(default=None, description="bundles that come with prosodist, merged first")
    vars: Mapping[Text, HostValue] = Field(default_factory=dict, description="names for angle brackets and templates")
    requires: Requirements = Field(default_factory=dict, description="ranges for what is only observed, by its name")
    drift: Word = Field(default=Policy.CORRECT, description="detect, correct or ignore, where nothing nearer says so")
    unmanaged: Unmanaged | None = Field(default=None, description="what is done about things that never were in git")
    prune: Prune = Field(default_factory=Prune, description="how much may be removed without a person's word")
    maintenance: Windows = Field(default=(), description="when restarts and upgrades may be made; []: always")
    apt_sources: AptSources = Field(default_factory=dict, description="sources of Debian packages, by name")
    packages: Packages | None = Field(default=None, description="manager, package, and what of it")
    prosody: Prosody | None = Field(default=None, description="Prosody; without it none is installed or touched")
    certificates: Certificates = Field(
        default_factory=dict, description="by the virtual host that one serves, or by a name of its own"
    )
    accounts: Accounts = Field(default_factory=dict, description="who has an account, by JID")
    files: Mapping[HostPath, File] = Field(default_factory=dict, description="anything else, by absolute path")
    services: Services = Field(default_factory=dict, description="what runs, by name")
    jobs: Jobs = Field(default_factory=dict, description="what runs from time to time, by name")
    users: Users = Field(default_factory=dict, description="the host's own users, by name")
    databases: Databases = Field(default_factory=dict, description="databases and their roles, by name")

    @cached_property
    def secrets(self) -> tuple[tuple[Way, SecretRef], ...]:
        """Every reference to a secret, with the way to it. Looked for once: it goes with the host where that goes."""
        return find_secrets(self)


class Source(Struct, frozen=True, kw_only=True):
    """One file of the repository that this host uses."""

    data: bytes
    executable: bool = False


class HostSpec(Struct, frozen=True, kw_only=True):
    """A host's desired state, with the repository's files that it uses and the place of everything in it.

    `digest` names the input: the combined document (`said` names that alone) and the bytes of the files used,
    whatever their commit.
    """

    name: str
    host: Host
    said: str
    digest: str
    documents: frozenset[str]
    """The repository's files that were combined: the host's own, and those that it extends."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    """Repository path → file: every `source`, `template`, and each file below a `tree`."""
    marks: Mapping[Way, Mark] = field(default_factory=dict)
    """The way to a value → where it was said: ('files', PATH, 'mode'), ('prosody', 'virtual_hosts', HOST).

    Of a map or a list it is the place of its key, of anything else that of the value. An option stands right
    below its scope, as it is written.
    """
    notes: tuple[Mistake, ...] = ()
    """What is worth telling although nothing is wrong, in the order of the places."""
    secrets: tuple[tuple[Way, SecretRef], ...] = ()
    """Every reference to a secret in the document, wherever one may stand, with the way to it: found, not given."""

    def __post_init__(self) -> None:
        force_setattr(self, "secrets", self.host.secrets)

    def origin(self, *way: str | int) -> Mark | None:
        """Where this was said, or the nearest thing around it that was said anywhere."""
        for length in range(len(way), 0, -1):
            mark = self.marks.get(way[:length])
            if mark is not None:
                return mark
        return None


__all__ = [
    "Age",
    "Component",
    "File",
    "Generated",
    "Host",
    "HostFile",
    "HostSpec",
    "Lua",
    "Prosody",
    "Prune",
    "SecretRef",
    "Source",
    "VirtualHost",
]
