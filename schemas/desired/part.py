"""Parts of the language whose models are imported and built when a document first says something of them.

Thirty models cost a fresh process 30 ms and an agent that runs for months 2 MiB; most hosts use five of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import Any

from pydantic import GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class Part:
    """Annotates a field whose type is a name in a module of `schemas.desired`: `Part("accounts.Accounts")`."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(named(self.name))

    def _validate(self, value: object) -> object:
        return self._adapter.validate_python(value)  # pydantic puts the place of the part before those inside it

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[object], CoreSchema]) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(self._adapter.core_schema)


def named(name: str) -> Any:  # noqa: ANN401
    """A name below `schemas.desired`: `accounts.Account`, or `Host` in the package itself."""
    module, _, name = name.rpartition(".")
    return getattr(import_module(f"schemas.desired.{module}" if module else "schemas.desired"), name)
