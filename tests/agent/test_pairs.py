"""Certificates that a former agent read are not read again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from agent import pairs
from agent.draw import draw_pair
from agent.pairs import Pairs
from agent.state import State
from reconcilers.certificates import read_pair

Answer = TypeVar("Answer")
KEY, CERTIFICATE = draw_pair(("a.test", "b.test"), days=30, now=time.time())
OTHER_KEY, _ = draw_pair(("a.test",), days=30, now=time.time())


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(tmp_path / "state")
    yield opened
    opened.close()


class Asked:
    """Counts what the worker is asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, function: Callable[..., Answer], *arguments: bytes) -> Answer:
        self.count += 1
        return function(*arguments)


def asks(state: State, certificate: bytes, key: bytes) -> int:
    """How often a new agent has the pair read, that looks and saves twice. It hears what the library says."""
    asked = Asked()
    known = Pairs(state, asked)
    for _ in range(2):
        assert known(read_pair, certificate, key) == read_pair(certificate, key)
        known.save()
    return asked.count


@pytest.mark.parametrize("key", [KEY, b""], ids=["pair", "certificate alone"])
def test_a_pair_is_read_once(state: State, key: bytes) -> None:
    """By the first agent; each file belongs to what is remembered."""
    assert [asks(state, CERTIFICATE, key) for _ in range(3)] == [1, 0, 0]
    assert asks(state, CERTIFICATE + b"\n", key) == 1


@pytest.mark.parametrize(("certificate", "key"), [(b"none", b""), (CERTIFICATE, b"none"), (CERTIFICATE, OTHER_KEY)])
def test_what_is_no_pair_is_read_again(state: State, certificate: bytes, key: bytes) -> None:
    """The next version of the library may make something of it."""
    assert [asks(state, certificate, key) for _ in range(2)] == [2, 2]
    assert state.recall(pairs.RECORD) is None


def test_nothing_of_the_key_is_remembered(state: State) -> None:
    """Neither it nor a digest of it by which it could be known elsewhere: another host has another name for it."""
    asks(state, CERTIFICATE, KEY)
    record = state.recall(pairs.RECORD)
    assert record is not None
    ((name, said),) = record.value.items()
    assert sorted(said) == ["belongs", "end", "fault", "is_ours", "names", "sha256", "spki"]
    elsewhere = Pairs(state, Asked())
    elsewhere._key = bytes(32)
    assert elsewhere._name((CERTIFICATE, KEY)) != name


def test_former_pairs_are_forgotten_when_they_are_many(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host renews for ever."""
    monkeypatch.setattr(pairs, "_MOST", 2)
    for renewed in range(3):
        asks(state, CERTIFICATE + b"\n" * renewed, KEY)
    record = state.recall(pairs.RECORD)
    assert record is not None and len(record.value) == 1
