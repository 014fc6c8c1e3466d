"""The JSON Schema (draft-07) by which editors complete, explain and check the files of a repository.

Made from the models and shapes that the loader itself goes by. One file is seen at a time: what it need not say, since
another file or a body may, is not missed; and what it says is held against the types of the values alone.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from schemas.check import PROFILES
from schemas.desired import Host
from schemas.desired.part import Part, named
from schemas.desired.values import Age, Generated, HostFile, Lua
from schemas.editor_options import options
from schemas.shape import ELSEWHERE, HOST, MAP, MARKED, Shape

Schema: TypeAlias = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
"""What yaml-language-server reads best."""

_VALUE = {"$ref": "#/definitions/value"}
_SECRETS = (HostFile, Generated, Age)


def editor_schema() -> Schema:
    """The schema of `hosts/*.yaml` and of the files that they extend."""
    root = _model(Host, HOST)
    root["properties"]["profile"] |= _one_of({"type": "string", "enum": list(PROFILES)}, {"type": "null"})
    return {
        "$schema": DRAFT,
        "title": "prosodist: desired state of a host",
        **root,
        "definitions": {
            "secret": _one_of(*(_marked(model) for model in _SECRETS)),
            "marked": _one_of(*(_marked(model) for model in (*_SECRETS, Lua))),
            "value": _one_of(
                {"type": ["boolean", "number", "string", "array", "null"]},
                {"$ref": "#/definitions/marked"},
                {"type": "object", "propertyNames": {"not": {"enum": list(MARKED)}}},
            ),
            "options": {"properties": options()},
        },
    }


def _model(model: type[BaseModel], shape: Shape) -> Schema:
    """A map with the keys of a model; where it is one of Prosody's scopes, with options beside them."""
    properties = {
        info.alias or name: _property(_type(info), shape.below(info.alias or name), info.description or "")
        for name, info in model.model_fields.items()
        if not (shape.scope and name == "options")
    }
    if "extends" in shape.keys:
        properties["extends"] = _property(tuple[str, ...], shape.below("extends"), _EXTENDS[model is Host])
    found: Schema = {"type": "object", "properties": properties}
    if shape.scope:
        foreign = sorted(ELSEWHERE - properties.keys())
        return found | {
            "allOf": [{"$ref": "#/definitions/options"}],
            "propertyNames": {"not": {"enum": foreign}},
            "additionalProperties": _VALUE,
        }
    return found | {"additionalProperties": False} | _kinds(shape)


_EXTENDS = {True: "files of the repository, merged under this one in this order", False: "bodies, under this one"}


def _type(info: Any) -> Any:  # noqa: ANN401
    """A field's type; a part of the language that is imported when it is needed is imported."""
    part = next((found for found in info.metadata if isinstance(found, Part)), None)
    return named(part.name) if part else info.annotation


def _kinds(shape: Shape) -> Schema:
    """A thing has one kind; neither another nor a key that only others have stands beside it."""
    if not shape.kinds:
        return {}
    every = {key for kind, keys in shape.kinds.items() for key in (kind, *keys)}
    rules: list[Schema] = []
    for kind, keys in shape.kinds.items():
        others = sorted(every - {kind, *keys})
        rules.append({"if": _has(kind), "then": {"properties": {key: {"type": "null"} for key in others}}})
    return {"allOf": rules}


def _has(key: str) -> Schema:
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}


def _property(type_: Any, shape: Shape, description: str) -> Schema:  # noqa: ANN401
    """What may stand under a key: the value, its short forms, or null, which forgets what was inherited."""
    forms = [_of(type_, shape), *_short_forms(shape), {"type": "null"}]
    return {"description": description} | _one_of(*forms)


def _short_forms(shape: Shape) -> list[Schema]:
    forms: list[Schema] = []
    if shape.one:
        forms.append({"type": "string"})
    if shape.flags:
        forms.append({"type": "string", "enum": list(shape.flags)})
    if shape.word and shape.model is not None:
        forms.append(_of(shape.model.model_fields[shape.word].annotation, Shape()))
    if shape.things is not None and shape is not MAP:
        forms.append({"type": "array", "items": {"type": "string"}})
    return forms


def _of(type_: Any, shape: Shape) -> Schema:  # noqa: ANN401
    """What a type allows."""
    if get_origin(type_) is Annotated:
        part = next((found for found in type_.__metadata__ if isinstance(found, Part)), None)
        return _of(named(part.name) if part else get_args(type_)[0], shape)
    if isinstance(type_, type) and issubclass(type_, BaseModel):
        return _marked(type_) if _is_marked(type_) else _model(type_, shape)
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return _words(*(member.value for member in type_))
    match get_origin(type_):
        case origin if origin is Union or origin is UnionType:
            return _union([member for member in get_args(type_) if member is not NoneType], shape)
        case origin if origin is Literal:
            words = get_args(type_)
            return _words(*words) if isinstance(words[0], str) else {"type": "integer", "enum": list(words)}
        case origin if origin is tuple:
            return _list(get_args(type_)[0], shape)
        case origin if isinstance(origin, type) and issubclass(origin, Mapping):
            return _map(get_args(type_)[1], shape)
    return {"type": _SCALARS[type_]} if type_ in _SCALARS else dict(_VALUE)


_SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number"}


def _union(members: list[Any], shape: Shape) -> Schema:
    found = [_of(member, shape) for member in members if member not in _SECRETS]
    if any(member in _SECRETS for member in members):
        found.append({"type": "object", "anyOf": [{"$ref": "#/definitions/secret"}]})
    return _one_of(*found)


def _list(item: Any, shape: Shape) -> Schema:  # noqa: ANN401
    """A list, or what is added to an inherited one and taken from it."""
    inner = shape.items or Shape()
    items = {"type": "array", "items": _one_of(_of(item, inner), *_short_forms(inner))}
    words = {"add": "what is added to the inherited list", "remove": "what is taken from the inherited list"}
    properties = {word: {"description": description} | items for word, description in words.items()}
    edit = {"type": "object", "properties": properties, "additionalProperties": False}
    return _one_of(items, edit | {"minProperties": 1})


def _map(value: Any, shape: Shape) -> Schema:  # noqa: ANN401
    """A map of things; a dotted name is a body."""
    inner = shape.things or Shape()
    thing = _property(value, inner, "")
    del thing["description"]
    return {"type": "object", "additionalProperties": thing}


def _is_marked(model: type[BaseModel]) -> bool:
    return len(model.model_fields) == 1 and model.model_fields.keys() <= set(MARKED)


def _marked(model: type[BaseModel]) -> Schema:
    """A value that is a map of one key: a secret, Lua, what the host supplies."""
    ((key, info),) = model.model_fields.items()
    said = {"type": "string", "description": info.description or ""}
    return {"type": "object", "properties": {key: said}, "required": [key], "additionalProperties": False}


def _one_of(*forms: Schema) -> Schema:
    """A value of any of these forms.

    Where their types tell them apart they become one schema, for then a fault is marked where it stands; of `anyOf` a
    validator can only say that none fits.
    """
    types = [kind for form in forms for kind in _types(form)]
    if len(forms) == 1:
        return forms[0]
    if not all(map(_types, forms)) or len(types) != len(set(types)):
        return {"anyOf": list(forms)}
    merged: Schema = {"type": types}
    rules: list[Schema] = []
    for form in forms:
        for word, said in form.items():
            if word in _OF_ALL_TYPES:
                rules.append({"if": {"type": form["type"]}, "then": {word: said}})
            elif word == "allOf":
                rules += said
            elif word != "type":
                merged[word] = said
    return merged | ({"allOf": rules} if rules else {})


_OF_ALL_TYPES = ("anyOf", "enum")
"""Words that hold for values of every type; the others are about maps, lists or texts alone."""


def _types(form: Schema) -> list[str]:
    said = form.get("type", [])
    return said if isinstance(said, list) else [said]


def _words(*words: object) -> Schema:
    """One of these words, or a name in angle brackets that stands for one."""
    return {"type": "string", "anyOf": [{"enum": list(words)}, {"pattern": "<[A-Za-z0-9_]+>"}]}
