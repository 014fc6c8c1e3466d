"""Prosody's options as JSON Schema: those of both versions, and of the modules of Debian's prosody-modules."""

from __future__ import annotations

from typing import Any

from schemas.options import LINES, Option, known, known_to_modules

_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean"]}


def options() -> dict[str, Any]:
    """Name → what Prosody understands, as leniently as Prosody; what versions take differently is taken either way."""
    rows: dict[str, dict[str, Option]] = {}
    for line in LINES:
        for table in (known(line), known_to_modules(line)):
            for name in table.options:
                if (row := table.option(name)) is not None:
                    rows.setdefault(name, {}).setdefault(line, row)
    return {name: _option(found) for name, found in sorted(rows.items())}


def _option(rows: dict[str, Option]) -> dict[str, Any]:
    kinds = dict.fromkeys(kind for row in rows.values() for kind in row.types)
    described = {"description": _described(rows)}
    if "any" in kinds:
        return described
    choices = list(dict.fromkeys(choice for row in rows.values() for choice in row.choices))
    forms = [form for kind in kinds for form in _forms(kind, choices)]
    return described | {"anyOf": [*forms, {"$ref": "#/definitions/marked"}, {"type": "null"}]}


def _forms(kind: str, choices: list[str | bool]) -> list[dict[str, Any]]:
    """core/moduleapi.lua's getters: a scalar may stand alone in a list; a list may be of one scalar."""
    scalar: dict[str, Any]
    match kind:
        case "table":
            return [{"type": ["object", "array"]}]
        case "list":
            return [{"type": ["array", "string", "number", "boolean", "object"]}]
        case "boolean":
            scalar = {"enum": [True, False, "true", "false"]}
        case "enum":
            scalar = {"anyOf": [{"enum": choices}, {"type": "string", "pattern": "<[A-Za-z0-9_]+>"}]}
        case "number" | "integer" | "period":
            scalar = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "[0-9>]"}]}
        case _:
            scalar = _SCALAR
    return [scalar, {"type": "array", "items": scalar, "maxItems": 1}]


def _described(rows: dict[str, Option]) -> str:
    row = [*rows.values()][-1]
    words = [" or ".join(row.types)]
    if row.default:
        words.append(f"default {row.default}")
    if row.scope == "global":
        words.append("read globally alone")
    if row.readers:
        words.append(f"read by {', '.join(row.readers)}")
    if len(rows) < len(LINES):
        words.append(f"Prosody {', '.join(rows)} alone")
    if row.deprecated:
        words.append(f"deprecated; write {row.instead}" if row.instead else "deprecated")
    return "; ".join(words)
