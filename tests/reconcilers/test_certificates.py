"""Pairs that a person put there: used, never replaced, never removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from world import World, spec

from agent.draw import draw_pair
from reconcilers import certificates, directories, drift
from schemas.actions import Keep, Make
from schemas.plan import Change, Holds, Kind, Policy, Verdict, Wait

WANTED = spec({"virtual_hosts": {"a.test": {}}})
NONE = spec({"virtual_hosts": {"b.test": {}}})


@pytest.fixture
def world(home: Path, prosody12: Path) -> World:
    return World(home, prosody12)


def put(world: World, *, names: tuple[str, ...] = ("a.test",), days: int = 90) -> tuple[Path, Path]:
    """A pair as another tool makes it: for another time than ours."""
    world.converge(WANTED, directories)
    key, certificate = draw_pair(names, days=days, now=world.now)
    paths = _paths(world)
    for path, text in zip(paths, (certificate, key), strict=True):
        path.write_bytes(text)
    return paths


def _paths(world: World) -> tuple[Path, Path]:
    return tuple(Path(world.site.paths.certificates / f"a.test.{end}") for end in ("crt", "key"))  # type: ignore[return-value]


def judged(world: World, wanted: object = WANTED) -> Verdict:
    verdicts = world.verdicts(wanted, certificates)  # type: ignore[arg-type]
    return next(verdict for verdict in verdicts if verdict.id == "certificate:a.test")


def kept(change: Change) -> list[str]:
    return [action.path.suffix for action in change.actions if isinstance(action, Keep)]


def test_a_pair_by_hand_is_used_and_left_where_it_is(world: World) -> None:
    """With more names than asked for, or a wildcard, too; and when its host goes from git, though we had made one."""
    for names in (("a.test",), ("a.test", "www.a.test"), ("*.test",)):
        put(world, names=names)
        assert isinstance(judged(world), Holds), names
    gone = _owned_and_gone(world)
    assert (gone.kind, gone.actions) == (Kind.RELEASED, ())


def _owned_and_gone(world: World) -> Change:
    world.converge(WANTED, directories, certificates)
    for path in _paths(world):
        path.unlink(missing_ok=True)
    world.converge(WANTED, certificates)
    put(world)
    gone = judged(world, NONE)
    assert isinstance(gone, Change)
    return gone


def faults(world: World) -> Iterator[str]:
    put(world, days=29)
    yield "ends on"
    put(world, names=("other.test",))
    yield "does not name a.test"
    certificate, key = put(world)
    key.write_bytes(draw_pair(("a.test",), days=9, now=world.now)[0])
    yield "do not belong together"
    put(world)
    key.unlink()
    yield "its key is not there"
    certificate.write_text("")
    yield "its key is not there"


def test_a_pair_by_hand_with_a_fault_waits_for_a_person(world: World) -> None:
    """Nothing is made in its place; what is wrong with it, and the way out, is told."""
    for fault in faults(world):
        verdict = judged(world)
        assert isinstance(verdict, Wait) and fault in verdict.why and "remove it" in verdict.why, verdict


def test_a_link_is_a_persons(world: World) -> None:
    """What it leads to is renewed by whoever made it; Prosody follows it."""
    for path in put(world):
        elsewhere = path.with_name(f"elsewhere{path.suffix}")
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
    assert isinstance(judged(world), Holds)


def test_what_may_be_a_persons_is_kept(world: World) -> None:
    """A key alone, or one beside a certificate of ours: a pair is made, and the key can be had back."""
    certificate, key = put(world)
    certificate.unlink()
    alone = judged(world)
    assert isinstance(alone, Change) and kept(alone) == [".key"]
    world.converge(WANTED, certificates)
    key.write_bytes(draw_pair(("a.test",), days=9, now=world.now)[0])
    for verdict in (judged(world), judged(world, NONE)):
        assert isinstance(verdict, Change) and kept(verdict) == [".crt", ".key"]


def test_our_own_is_made_anew_without_a_copy_and_goes_with_its_host(world: World) -> None:
    """Nothing of a person's is lost with it."""
    world.converge(WANTED, directories, certificates)
    more = spec({"virtual_hosts": {"a.test": {"components": {"rooms.a.test": {"module": "muc"}}}}})
    changes = (judged(world, more), judged(world, NONE))
    assert all(isinstance(change, Change) and not kept(change) for change in changes)
    assert isinstance(changes[0], Change) and isinstance(changes[0].actions[0], Make)
    assert isinstance(changes[1], Change) and changes[1].kind is Kind.REMOVED


def test_detect_is_heard(world: World) -> None:
    """What others did to our pair is told and left where git says so."""
    detecting = spec({"virtual_hosts": {"a.test": {}}, "drift": "detect"})
    world.converge(detecting, directories, certificates)
    _paths(world)[1].unlink()
    verdict = judged(world, detecting)
    assert isinstance(verdict, Change) and verdict.policy is Policy.DETECT
    owned = world.owned["certificates"]["certificate:a.test"]
    settled = {verdict.id: replace(owned, digest="as we left it")}
    assert drift.judge([verdict], settled).reported
