"""What names an input: the same for the same meaning, however it was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import BaseModel

from schemas.desired import Host, Source
from schemas.plan import Policy


def digest_of(name: str, host: Host) -> str:
    """SHA-256, hexadecimal, of the combined document."""
    return _sha256([name, _canonical(host)])


def digest_with(said: str, sources: Mapping[str, Source]) -> str:
    """The digest of a document, and of the files used, with their executable bits."""
    files = {path: [source.executable, hashlib.sha256(source.data).hexdigest()] for path, source in sources.items()}
    return _sha256([said, _canonical(files)])


def _sha256(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: object) -> object:
    """For JSON, which would take the keys 1 and "1" for one, and a model for a map. A list keeps its order."""
    if type(value) in _PLAIN:  # asked first: a text is what most of a document is, and each `isinstance` costs
        return value
    match value:
        case dict():
            return {f"{type(key).__name__}:{key}": _canonical(item) for key, item in value.items()}
        case tuple() | list():
            return [_canonical(item) for item in value]
        case Policy():
            return value.value
        case BaseModel():
            said = value.__dict__
            return {"": type(value).__name__} | {key: _canonical(said[key]) for key in value.model_fields_set}
        case Mapping():
            return {f"{type(key).__name__}:{key}": _canonical(item) for key, item in value.items()}
        case _:
            return value


_PLAIN = frozenset({str, int, float, bool, type(None)})
