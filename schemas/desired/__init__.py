"""HostSpec: everything that git says about one host, combined and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from schemas.desired.files import File
from schemas.desired.prosody import Component, Prosody, VirtualHost
from schemas.desired.texts import HostPath, Text
from schemas.desired.values import Age, Generated, HostFile, Lua, Model, SecretRef, Word
from schemas.errors import Mark, Mistake
from schemas.plan import Policy


class Prune(Model):
    """How much may be removed without a person's word."""

    confirm_above: int = Field(default=3, ge=0, description="more removals in one pass wait for `prosodist confirm`")


class Host(Model):
    """The document `hosts/<name>.yaml`, combined. Bodies (`.default`) and `extends` are spent by then."""

    profile: Text = Field(description="the kind of host; must agree with what the host says it is")
    vars: Mapping[Text, Text] = Field(default_factory=dict, description="names for angle brackets and templates")
    drift: Word = Field(default=Policy.CORRECT, description="detect, correct or ignore, where nothing nearer says so")
    prune: Prune = Field(default_factory=Prune)
    prosody: Prosody | None = Field(default=None)
    files: Mapping[HostPath, File] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of the repository that this host uses."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
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
    marks: Mapping[tuple[str | int, ...], Mark] = field(default_factory=dict)
    """The way to a value → where it was said: ('files', PATH, 'mode'), ('prosody', 'virtual_hosts', HOST).

    Of a map or a list it is the place of its key, of anything else that of the value. An option stands right
    below its scope, as it is written.
    """
    notes: tuple[Mistake, ...] = ()
    """What is worth telling although nothing is wrong, in the order of the places."""

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
