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
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: object) -> object:
    """Maps as sorted pairs: JSON would take the keys 1 and "1" for one. A list keeps its order."""
    match value:
        case Policy():
            return value.value
        case BaseModel():
            fields = {key: getattr(value, key) for key in sorted(value.model_fields_set)}
            return [type(value).__name__, _canonical(fields)]
        case Mapping():
            pairs = [[type(key).__name__, key, _canonical(item)] for key, item in value.items()]
            return {"map": sorted(pairs, key=lambda pair: (pair[0], pair[1]))}
        case tuple() | list():
            return [_canonical(item) for item in value]
        case _:
            return value
