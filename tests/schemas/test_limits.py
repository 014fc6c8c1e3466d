"""How much one file may hold, and how much is told of it: a step over each limit, and the message."""

from __future__ import annotations

import pytest

from schemas.errors import SpecError
from schemas.load import Blob, Facts, load


def told(data: bytes) -> list[str]:
    with pytest.raises(SpecError) as refused:
        load({"hosts/a.yaml": Blob(data)}, "a", Facts())
    return [str(mistake) for mistake in refused.value.mistakes]


def loads(data: bytes) -> bool:
    return load({"hosts/a.yaml": Blob(data)}, "a", Facts()).host.prosody is not None


def listed(count: int) -> bytes:
    """A document of a profile, of which so many values are items of one option."""
    return b"profile: local\nprosody: {log: {x: [" + b"1," * count + b"]}}\n"


def test_values() -> None:
    """100,000 of them."""
    around = 9  # the maps, their keys, the profile and the list
    assert loads(listed(100_000 - around))
    (mistake,) = told(listed(100_000 - around + 1))
    assert mistake == "hosts/a.yaml:3:1: the file has over 100000 values; split it by extends"


def test_bytes() -> None:
    """16 MB."""
    start = b"profile: local\nprosody: {}\n"
    assert loads(start + b"#" * (2**24 - len(start)))
    (mistake,) = told(start + b"#" * (2**24 - len(start) + 1))
    assert mistake == "hosts/a.yaml: the file has 16777217 bytes, but may have 16777216; split it by extends"


def test_levels() -> None:
    """32 of them, the document being the first."""
    assert loads(b"profile: local\nprosody: {log: " + b"[" * 30 + b"]" * 30 + b"}")
    (mistake,) = told(b"profile: local\nprosody: {log: " + b"[" * 31 + b"]" * 31 + b"}")
    assert mistake == "hosts/a.yaml:2:46: the value lies deeper than 32 levels; write it flatter"


def test_mistakes() -> None:
    """The first thousand, and that there are more."""
    mistakes = told(b"profile: local\nprosody:\n" + b"".join(b"  k%d: yes\n" % n for n in range(1500)))
    *first, last = mistakes
    assert len(first) == 1000
    assert first[-1].startswith("hosts/a.yaml:1002:9: expected what all YAML readers read alike")
    assert last == "hosts/a.yaml:1002:9: there are over 1000 mistakes, and this is the last one told; mend these first"
