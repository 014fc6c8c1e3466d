"""systemd's units: whether one is as it is wanted, and what puts it right."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from reconcilers.contract import Unit
from schemas.actions import Control

UP = frozenset({"active", "reloading", "refreshing", "activating"})
"""ActiveState of a unit that has read its files, or is at it."""
_OFF = frozenset({"disabled", "linked", "linked-runtime", "enabled-runtime", "bad"})
"""Of a unit that nobody can enable (static, generated, transient, an alias) what it comes with decides."""
_MASKED = frozenset({"masked", "masked-runtime"})
_DYING = frozenset({"auto-restart", "auto-restart-queued"})


class Right(Struct, frozen=True, kw_only=True):
    """What puts a unit right, and why, as a clause; both empty when nothing need be done."""

    actions: tuple[Control, ...]
    why: str


def is_up(unit: Unit) -> bool:
    """Whether it does what a unit of its kind does when it is started.

    A oneshot leaves no process: it has run. One that systemd skips by its own conditions has nothing to do here. One
    that dies again and again is between two deaths.
    """
    if unit.active == "inactive" and unit.is_skipped:
        return True
    if unit.active == "inactive" and unit.type == "oneshot" and not unit.remains:
        return unit.result == "success"
    return unit.active in UP and unit.sub not in _DYING


def put_right(unit: Unit, *, enabled: bool, running: bool) -> Right:
    """Have it start with the host, or not; have it run now, or not."""
    steps = tuple(_steps(unit, enabled=enabled, running=running))
    verbs = [verb for verbs, _ in steps for verb in verbs]
    return Right(
        actions=in_order(unit, *verbs) if verbs else (),
        why=" and ".join(why for _, why in steps),
    )


def in_order(unit: Unit, *verbs: str) -> tuple[Control, ...]:
    """Do this with it, once systemd has read its files as they lie there."""
    first = ("daemon-reload",) if unit.is_stale else ()
    return tuple(Control(unit=unit.name, verb=verb) for verb in (*first, *verbs))


def _steps(unit: Unit, *, enabled: bool, running: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    yield from _enabling(unit, enabled=enabled, running=running)
    if running and not is_up(unit):
        yield _starting(unit)
    elif running and enabled and unit.active == "inactive" and not unit.is_skipped and unit.enabled in _OFF:
        yield ("start",), "has not run"  # a oneshot that was not enabled until now
    elif not running and (unit.active in UP or unit.sub in _DYING):
        yield ("stop",), "runs, and is not to"


def _enabling(unit: Unit, *, enabled: bool, running: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    if unit.enabled in _MASKED and (enabled or running):
        yield ("unmask", "enable") if enabled else ("unmask",), "is masked"
    elif enabled and unit.enabled in _OFF:
        yield ("enable",), f"is {unit.enabled}"
    elif not enabled and unit.enabled in ("enabled", "enabled-runtime"):
        yield ("disable",), f"is {unit.enabled}"


def _starting(unit: Unit) -> tuple[tuple[str, ...], str]:
    if unit.sub in _DYING:
        return ("start",), f"dies again and again ({unit.result})"
    if unit.result == "start-limit-hit":  # systemd refuses to start it until this is forgotten
        return ("reset-failed", "start"), "has died too often for systemd"
    return ("start",), f"has failed ({unit.result})" if unit.active == "failed" else "does not run"
