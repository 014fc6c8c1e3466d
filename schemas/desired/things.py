"""What the parts of the language have in common: things with a word for drift, secrets, the host's own values."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from schemas.desired.texts import HostPath, Mode, Name, check_text, found, refuse
from schemas.desired.values import Model, SecretRef, Word, is_secret


class Thing(Model):
    """A thing of the host. It may have a word of its own for drift."""

    drift: Word | None = Field(default=None, description="detect, correct or ignore; what is said around it")


class Read(Model):
    """A variable that the host supplies."""

    read: HostPath = Field(description="absolute path on the host; the first line of the file is the value")


class Place(Model):
    """A directory on the host for a second copy, and whose it is."""

    directory: HostPath = Field(description="absolute path")
    owner: Name | None = Field(default=None, description="a user's name; the place's")
    group: Name | None = Field(default=None, description="a group's name; the place's")
    mode: Mode | None = Field(default=None, description='of the key, octal, quoted; "0640"')


def check_secret(value: object) -> object:
    """A secret, which is a value of its own and never a text. What stands there may be one: it is not shown."""
    if is_secret(value):
        return value
    raise refuse(f"expected a secret, found {hidden(value)}; write {{age: secrets/NAME.age}}")


def hidden(value: object) -> str:
    """What was found where a secret is due, and may be one: a PIN is a number."""
    if isinstance(value, str):
        return "a text"
    return "a number" if isinstance(value, int | float) and not isinstance(value, bool) else found(value)


def check_some(value: object) -> object:
    """A list that says something."""
    if value == ():
        raise refuse("expected at least one, found an empty list; write one, or take the key out")
    return value


def check_host_value(value: object) -> object:
    """A variable of the host: a text, or one that the host supplies."""
    if isinstance(value, dict):
        raise refuse("expected a text, found a map; write the text, or {read: PATH} for the first line of a file")
    return value if isinstance(value, Read) else check_text(value)


Secret: TypeAlias = Annotated[SecretRef, BeforeValidator(check_secret)]
HostValue: TypeAlias = Annotated[str | Read, BeforeValidator(check_host_value)]
