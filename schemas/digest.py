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
    text = json.dumps(
        value, default=_spelled, ensure_ascii=True, check_circular=False, separators=(",", ":"), sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _spelled(value: object) -> object:
    """What JSON does not know. Asked for each model when its turn comes: ten thousand are never spelled out at once."""
    if isinstance(value, BaseModel):
        said = value.__dict__
        return {"": type(value).__name__} | {key: _canonical(said[key]) for key in value.model_fields_set}
    assert isinstance(value, Policy), "the language has nothing else"
    return value.value


def _canonical(value: object) -> object:
    """For JSON, which would take the keys 1 and "1" for one, and a model for a map. A list keeps its order."""
    if isinstance(value, dict):
        return {f"{type(key).__name__}:{key}": _canonical(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_canonical(item) for item in value]
    return value
