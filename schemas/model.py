"""The combined nodes → the models of `desired/`; pydantic's complaints → ours, each at its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard, TypeVar

from pydantic import BaseModel, ValidationError

from schemas.desired import Age, Generated, HostFile, Lua, Prosody
from schemas.desired.things import Read
from schemas.errors import Mark
from schemas.findings import Findings, nearest
from schemas.nodes import Entry, Key, List, Map, Node, Scalar, Way, describe
from schemas.notation import quoted, shortened
from schemas.shape import BESIDE, ELSEWHERE, KEY_LIKE, MARKED, VALUE, Shape, is_marked, meant_word

M = TypeVar("M", bound=BaseModel)

_MODELS: Mapping[str, Callable[..., HostFile | Generated | Age | Lua | Read]] = {
    "host_file": HostFile,
    "generated": Generated,
    "age": Age,
    "lua": Lua,
    "read": Read,
}


class Modeller:
    """Reads one combined document. `marks` tells afterwards where each value was said."""

    def __init__(self, findings: Findings) -> None:
        self.marks: dict[Way, Mark] = {}
        self.sealed: list[tuple[str, Mark]] = []
        """What stands under `age`, and where: a path of the repository, or the encrypted text."""
        self._findings = findings

    def model(self, node: Node, shape: Shape, model: type[M]) -> M | None:
        """The model, or None and what is wrong with it."""
        data = self._data(node, shape, ())
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for complaint in error.errors(include_url=False, include_context=True, include_input=False):
                self._translate(complaint["type"], complaint["loc"], complaint, node, shape)
        return None

    # --- nodes → what the models take

    def _data(self, node: Node, shape: Shape, way: Way) -> object:
        if isinstance(node, Map):
            if shape.scope:
                return self._scope(node.entries, shape, way)
            if shape.of or shape.things is not None:
                return {key: self._entry(key, entry, shape, way) for key, entry in node.entries.items()}
        elif isinstance(node, List) and shape.items is not None:
            return tuple(self._shaped(item, shape.items, (*way, index)) for index, item in enumerate(node.items))
        return self._value(node, way)

    def _entry(self, key: Key, entry: Entry, shape: Shape, way: Way) -> object:
        below, value = (*way, key), entry.value
        if type(value) is Scalar:  # most of a document
            self.marks[below] = value.mark
            return value.value
        self.marks[below] = entry.mark
        return self._data(value, shape.below(key), below)

    def _shaped(self, item: Node, shape: Shape, way: Way) -> object:
        self.marks[way] = item.mark
        return self._data(item, shape, way)

    def _scope(self, entries: Mapping[Key, Entry], shape: Shape, way: Way) -> dict[str, Any]:
        """Words of ours beside each other, all the rest as options."""
        ours: dict[str, Any] = {}
        options: dict[str, Any] = {}
        words = shape.words
        for key, entry in entries.items():
            value = self._entry(key, entry, shape, way)
            if not isinstance(key, str):
                self._findings.add(entry.mark, f"expected an option's name, found the number {key}")
            elif key in words:
                ours[key] = value
            elif self._is_option(key, entry, shape):
                options[key] = value
        ours["options"] = options
        return ours

    def _is_option(self, key: str, entry: Entry, shape: Shape) -> bool:
        if key in ELSEWHERE:
            known = f"words of ours that do: {', '.join(sorted(shape.words))}"
            where = "write it beside prosody" if key in BESIDE else known
            self._findings.add(entry.mark, f"{key} does not belong here; {where}")
            return False
        close = meant_word(key, shape)
        if close:
            self._findings.add(entry.mark, f"unknown key; write {close}")
        return not close

    def _value(self, node: Node, way: Way) -> object:
        match node:
            case Scalar(value=value):
                return value
            case List(items=items):
                return tuple(self._item(item, (*way, index)) for index, item in enumerate(items))
            case Map(entries=entries):
                if is_marked(entries):
                    return self._marked(node, way)
                return {key: self._free_entry(entry, (*way, key)) for key, entry in entries.items()}

    def _free_entry(self, entry: Entry, way: Way) -> object:
        self.marks[way] = entry.value.mark if isinstance(entry.value, Scalar) else entry.mark
        return self._value(entry.value, way)

    def _item(self, item: Node, way: Way) -> object:
        self.marks[way] = item.mark
        if isinstance(item, Scalar) and item.value is None:
            self._findings.refuse(item.mark, "expected a value, found nothing; take it out of the list")
        return self._value(item, way)

    def _marked(self, node: Map, way: Way) -> object:
        kind = next(filter(node.entries.__contains__, MARKED))
        entry = node.entries[kind]
        self.marks[(*way, kind)] = entry.value.mark
        if len(node.entries) > 1:
            other = next(e for key, e in node.entries.items() if key != kind)
            self._findings.add(other.mark, f"stands beside {kind}, which is a value by itself; take one of them out")
        if kind == "read" and way[:1] != ("vars",):
            self._findings.refuse(entry.mark, "stands in vars alone; give it a name there, and write <NAME> here")
            return Generated(generated="unknown")
        try:
            found = _MODELS[kind](**{kind: self._value(entry.value, ())})
        except ValidationError as error:
            for complaint in error.errors(include_url=False, include_input=False):
                self._findings.refuse(entry.value.mark, str(complaint.get("ctx", {}).get("text", complaint["msg"])))
            return Read.model_construct(read="/unknown") if kind == "read" else Generated(generated="unknown")
        if type(found) is Age:
            self.sealed.append((found.age, entry.value.mark))
        return found

    # --- pydantic's words → ours

    def _translate(
        self, kind: str, loc: tuple[Key, ...], complaint: Mapping[str, Any], root: Node, shape: Shape
    ) -> None:
        mark, node, shape, key = _locate(loc, root, shape)
        if kind == "ours" and isinstance(node, Map) and mark == node.mark:
            self._findings.add_to_map(mark, str(complaint["ctx"]["text"]))
        elif kind == "ours":
            self._findings.add(mark, _as_written(str(complaint["ctx"]["text"]), node))
        elif kind == "extra_forbidden":
            close = meant_word(key, shape)
            if not close and shape.of == "Host" and _is_prosodys(key):
                self._findings.add(mark, f"{key} does not belong here; write it below prosody")
                return
            hint = f"write {close}" if close else _known(shape) if shape.words else "take it out"
            self._findings.add(mark, f"unknown key; {hint}")
        elif kind == "missing":
            missing = str(loc[-1])
            own = shape if node is root else shape.below(key)
            strange = [str(word) for word in node.entries if word not in own.words] if isinstance(node, Map) else []
            if any(nearest(word, (missing,), cutoff=KEY_LIKE) for word in strange):
                return  # it stands there, misspelled, and that is told
            hint = "; write profile: local" if missing == "profile" else ""
            self._findings.miss_in_map(node.mark, f"{missing} is missing{hint}")
        elif isinstance(node, Map):
            self._findings.add_to_map(mark, _expected(kind, complaint, node, shape, key))
        else:
            self._findings.add(mark, _expected(kind, complaint, node, shape, key))


def _locate(loc: tuple[Key, ...], root: Node, shape: Shape) -> tuple[Mark, Node, Shape, str]:
    """The place of a complaint: its mark, the node there, the shape around it, and the last key.

    Union tags lead nowhere in the document and are stepped over; `[key]` means the key itself.
    """
    mark, node, last, around = root.mark, root, "", shape
    for step, more in zip(loc, (*loc[1:], None), strict=False):  # an empty way is the root itself
        if isinstance(node, Map) and step in node.entries:
            around, shape, last = shape, shape.below(step), str(step)
            key_mark, node = node.entries[step].mark, node.entries[step].value
            if more == "[key]":
                node = Scalar(key_mark, step, str(step))
            mark = node.mark
        elif isinstance(node, List) and isinstance(step, int) and step < len(node.items):
            node, around, shape, last = node.items[step], shape, shape.below(step), ""
            mark = node.mark
    if loc and last == str(loc[-1]) and around.model is not None and last not in around.words:
        mark = key_mark
    return mark, node, around, last


def _is_prosodys(key: str) -> bool:
    """Whether it is a word of Prosody's global scope, or an option."""
    from schemas.options import LINES, known

    return key in Prosody.model_fields or any(known(line).option(key) is not None for line in LINES)


def _known(shape: Shape) -> str:
    return f"known here: {', '.join(sorted(shape.words))}"


_KINDS = {
    "tuple_type": ("a list", "[{}]"),
    "list_type": ("a list", "[{}]"),
    "dict_type": ("a map", ""),
    "mapping_type": ("a map", ""),
    "model_type": ("a map", ""),
    "model_attributes_type": ("a map", ""),
    "int_type": ("an integer", ""),
    "int_from_float": ("an integer", ""),
    "bool_type": ("true or false", ""),
}


def _expected(kind: str, complaint: Mapping[str, Any], node: Node, shape: Shape, key: str) -> str:
    found = describe(node)
    if kind in ("enum", "literal_error"):
        return f"expected {complaint['ctx']['expected'].replace(chr(39), '')}, found {found}" + _near(node, complaint)
    if kind == "greater_than_equal":
        return f"expected at least {complaint['ctx']['ge']}, found {found}"
    if kind == "less_than_equal":
        return f"expected at most {complaint['ctx']['le']}, found {found}"
    if kind in _KINDS:
        expected, instead = _KINDS[kind]
        own = shape.below(key)
        if expected == "a map" and own.word and _is_number(node):
            return f"expected a text or a map, found {found}; write {quoted(node.written)}"
        if expected == "a map" and own.flags:
            expected = f"a map or {' or '.join(own.flags)}"
            said = str(node.value) if isinstance(node, Scalar) else ""
            close = f"{{{said}: {{…}}}}" if said in own.kinds else nearest(said, own.flags)
            return f"expected {expected}, found {found}" + (f"; write {close}" if close else "")
        hint = ""
        if expected == "a map" and isinstance(node, Scalar) and (slip := _SLIP.match(str(node.value))):
            hint = f"; write {slip[1]}: VALUE, with a space after the colon"
        elif instead and isinstance(node, Scalar) and isinstance(node.value, str):
            words = node.value.split() if key in _ARGV else [node.value]
            hint = f"; write {instead.format(', '.join(map(_plain, words)))}"
        elif instead and isinstance(node, Map):
            hint = "; write [ ] around it" if own.items is not None else "; write [ITEM, ITEM]"
        elif expected == "a map" and own.things is VALUE:
            hint = "; write {NAME: VALUE}"
        elif expected == "a map" and own.things is not None:
            hint = "; write NAME: {KEY: VALUE}, or a list of names"
        elif expected == "a map" and own.words:
            hint = f"; write {{KEY: VALUE}}, {_known(own)}"
        return f"expected {expected}, found {found}{hint}"
    return f"{str(complaint['msg'])[:1].lower()}{str(complaint['msg'])[1:]}, found {found}"


_SLIP = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,60})(?:=| =|:(?!//))")
"""A key without the space after its colon, or as Lua writes it."""
_ARGV = ("run", "check")
"""A program and its arguments, each an item."""


def _is_number(node: Node) -> TypeGuard[Scalar]:
    return isinstance(node, Scalar) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _as_written(text: str, node: Node) -> str:
    """By the time a model sees the number 0.10 it is 0.1; what is to be written in quotes has its nought."""
    if isinstance(node, Scalar) and isinstance(node.value, float):
        return text.replace(str(node.value), node.written)
    return text


def _near(node: Node, complaint: Mapping[str, Any]) -> str:
    words = [word.strip(" '") for part in str(complaint["ctx"]["expected"]).split(" or ") for word in part.split(",")]
    close = nearest(str(node.value), words) if isinstance(node, Scalar) else ""
    return f"; write {close}" if close else ""


def _plain(text: str) -> str:
    return shortened(text) if text.replace("_", "").replace(".", "").isalnum() else quoted(shortened(text))
