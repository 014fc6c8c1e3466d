"""Values that are not plain data: secrets by reference, and Lua."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, TypeGuard

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from schemas.desired.forms import Given
from schemas.desired.texts import HostPath, Name, Text, check_repository_path, check_text, refuse
from schemas.plan import Policy
from schemas.sealed import is_armored


class Model(BaseModel):
    """What every part of the language shares: frozen, and an unknown key is a mistake. Built when first used."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True, defer_build=True)


class HostFile(Model):
    """A secret that the host's admin has put into a file there."""

    host_file: HostPath = Field(
        description="absolute path on the host; one newline at its end is no part of the secret"
    )


class Generated(Model):
    """A secret that the host draws when first needed: 32 random bytes as base64url, one for each name."""

    generated: Name = Field(description="its name on this host")


def check_sealed(value: object) -> str:
    """A path below `secrets/`, or age's armored text. What else stands there may be the secret itself: not shown."""
    text = value if isinstance(value, str) else ""
    if is_armored(text.encode(errors="replace")):
        return text
    try:
        path = check_repository_path(text)
    except PydanticCustomError:
        path = ""
    if not path.startswith("secrets/"):
        raise refuse("expected a path below secrets/, or the encrypted text; write secrets/NAME.age")
    return path


class Age(Model):
    """A secret that lies encrypted in the repository, and that the host opens with its age key."""

    age: Annotated[str, BeforeValidator(check_sealed)] = Field(
        description="path of an age file below secrets/, or the encrypted text; one newline at its end is no part of it"
    )


class Lua(Model):
    """A Lua expression, written as it stands."""

    lua: Text = Field(description="one Lua expression")


SecretRef: TypeAlias = HostFile | Generated | Age
Way: TypeAlias = tuple[str | int, ...]
"""The keys and places that lead to a value. An option stands right below its scope, as it is written."""


_SECRETS: frozenset[object] = frozenset((HostFile, Generated, Age))


def is_secret(value: object) -> TypeGuard[SecretRef]:
    """Whether it is a reference to a secret."""
    return type(value) in _SECRETS


def find_secrets(value: object, way: Way = ()) -> tuple[tuple[Way, SecretRef], ...]:
    """Every reference to a secret within a value, with the way to it, in the order of the document."""
    found: list[tuple[Way, SecretRef]] = []
    _gather_secrets(value, way, found)
    return tuple(found)


def _gather_secrets(value: object, way: Way, found: list[tuple[Way, SecretRef]]) -> None:
    if is_secret(value):
        found.append((way, value))
    elif isinstance(value, dict):
        for key, item in value.items():
            if type(item) not in _WITHOUT:
                _gather_secrets(item, (*way, key), found)
    elif isinstance(value, Model):
        for name, item in value.__dict__.items():
            if type(item) not in _WITHOUT and name in value.model_fields_set:
                key = type(value).model_fields[name].alias or name
                _gather_secrets(item, way if name == "options" else (*way, key), found)
    elif isinstance(value, tuple | list):
        for place, item in enumerate(value):
            if type(item) not in _WITHOUT:
                _gather_secrets(item, (*way, place), found)


_WITHOUT = frozenset({str, int, float, bool, type(None), Policy})
"""What most of a document is, and holds no secret."""

OptionValue: TypeAlias = (
    "bool | int | float | str | SecretRef | Lua | tuple[OptionValue, ...] | Mapping[str | int, OptionValue]"
)
"""Any value of a Prosody option: a map is a table, a list a list, an integer key an index."""


def check_content(value: object) -> SecretRef | str:
    """A text or a secret."""
    return value if is_secret(value) else check_text(value)


def check_variables(value: object) -> object:
    """What a template is given: any data, secrets as values and list items. Lua means nothing to it."""
    waiting: list[Any] = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Lua):
            raise refuse("expected data or a secret, found Lua, which means nothing to a template; write the value")
        if isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, tuple):
            waiting += found
    return value


Content: TypeAlias = Annotated[str | SecretRef, BeforeValidator(check_content)]
FileVariables: TypeAlias = Annotated[Mapping[Given, Any], BeforeValidator(check_variables)]
Word: TypeAlias = Annotated[Policy, Field(strict=False)]
"""`drift`, as git spells it."""
