"""What a YAML text means, whoever reads it, and in whatever order its keys stand."""

from __future__ import annotations

import contextlib
import io
import random
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError as RuamelError

from schemas.nodes import Map
from schemas.written import plain


def check_readers(text: str, ours: Map, *, slowly: bool = True) -> None:
    """PyYAML and ruamel.yaml (slow) read what we read; either may refuse what we take, never differ."""
    wanted = typed(plain(ours))
    with contextlib.suppress(yaml.YAMLError):
        assert typed(yaml.safe_load(text)) == wanted, "PyYAML reads it differently"
    if slowly:
        with contextlib.suppress(RuamelError):
            assert typed(YAML(typ="safe", pure=True).load(io.StringIO(text))) == wanted, "ruamel reads it differently"


def typed(value: Any) -> Any:
    """So that 1, 1.0 and true are three."""
    if isinstance(value, dict):
        return {(type(k).__name__, k): typed(v) for k, v in value.items()}
    if isinstance(value, list):
        return [typed(v) for v in value]
    return (type(value).__name__, value)


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same value with its keys in another order, on every level."""
    if isinstance(value, dict):
        items = [(key, shuffled(inner, chance)) for key, inner in value.items()]
        chance.shuffle(items)
        return dict(items)
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value
