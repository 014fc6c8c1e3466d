"""`accounts`: who has one, by JID."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from schemas.desired.forms import Jid, Line, Role
from schemas.desired.texts import refuse
from schemas.desired.things import Secret, Thing, hidden
from schemas.desired.values import Model, SecretRef, is_secret


class Scram(Model):
    """A password's record (RFC 5802), as `prosodist account hash` prints it."""

    hash: Literal["SHA-1", "SHA-256"] = Field(description="the hash function")
    salt: Line = Field(description="as Prosody keeps it")
    iteration_count: int = Field(ge=4096, description="how often it was hashed; at least 4096")
    stored_key: Line = Field(description="hexadecimal")
    server_key: Line = Field(description="hexadecimal")


def check_scram(value: object) -> object:
    """A secret that holds the record, or the record."""
    if is_secret(value):
        return value
    if isinstance(value, dict):
        return Scram.model_validate(value)
    raise refuse(f"expected a secret or a map, found {hidden(value)}; write {{age: secrets/NAME.age}}")


ScramValue: TypeAlias = Annotated[Scram | SecretRef, BeforeValidator(check_scram)]


class Account(Thing):
    """An account. Without password and record it is an invitation. A bare text is the state."""

    state: Literal["present", "disabled", "absent"] = Field(default="present", description="whether it is there")
    role: Role | None = Field(default=None, description="a bare word is prosody:WORD; the host's default")
    password: Secret | None = Field(default=None, description="a secret")
    password_policy: Literal["initial", "enforced"] | None = Field(
        default=None, description="initial: people may change it; enforced: put right again; initial"
    )
    scram: ScramValue | None = Field(default=None, description="instead of a password, what is derived from it")


Accounts: TypeAlias = Mapping[Jid, Account]
