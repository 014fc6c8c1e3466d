"""What systemd says of a unit, and what is to be done about it; and the file that says how a service is started."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconcilers.beside import known_to_run_with
from reconcilers.contract import Unit
from reconcilers.dropins import render
from reconcilers.units import is_up, put_right
from schemas.desired.services import Service
from schemas.record import Record
from schemas.units import unit_name

RUNS = Unit(name="a.service", load="loaded", active="active", sub="running", enabled="enabled", pid=7, result="success")
ENDED = replace(RUNS, active="inactive", sub="dead", pid=0)
ONESHOT = replace(ENDED, type="oneshot", enabled="static")


@pytest.mark.parametrize(
    ("service", "unit"),
    [
        ("nginx", "nginx.service"),
        ("php8.2-fpm", "php8.2-fpm.service"),
        ("apt-daily.timer", "apt-daily.timer"),
        ("getty@tty1", "getty@tty1.service"),
        ("service", "service.service"),
    ],
)
def test_a_service_is_a_unit(service: str, unit: str) -> None:
    """By itself where it names its kind."""
    assert unit_name(service) == unit


UP = {
    "runs": (RUNS, True),
    "has ended": (ENDED, False),
    "is reloading": (replace(RUNS, active="reloading"), True),
    "is between two deaths": (replace(RUNS, active="activating", sub="auto-restart"), False),
    "a oneshot that remains has run": (replace(ONESHOT, active="active", sub="exited", remains=True), True),
    "a oneshot that remains has not run": (replace(ONESHOT, remains=True), False),
    "a oneshot that leaves nothing": (ONESHOT, True),
    "a oneshot that leaves nothing has failed": (replace(ONESHOT, active="failed", result="exit-code"), False),
    "is skipped by its own conditions": (replace(ENDED, is_skipped=True), True),
}


@pytest.mark.parametrize(("unit", "up"), UP.values(), ids=UP)
def test_up_is_what_its_kind_does(unit: Unit, up: bool) -> None:
    """A oneshot has no process, and one that systemd skips has nothing to do."""
    assert is_up(unit) is up


RIGHT = {
    "as wanted": (RUNS, True, True, ""),
    "stopped": (ENDED, True, True, "start"),
    "disabled": (replace(RUNS, enabled="disabled"), True, True, "enable"),
    "masked": (replace(ENDED, enabled="masked"), True, True, "unmask enable start"),
    "masked, and may not start with the host": (replace(ENDED, enabled="masked"), False, True, "unmask start"),
    "masked, as nobody wants it": (replace(ENDED, enabled="masked"), False, False, ""),
    "comes with another": (replace(RUNS, enabled="static"), True, True, ""),
    "unwanted": (RUNS, False, False, "disable stop"),
    "unwanted, dying": (replace(RUNS, active="activating", sub="auto-restart"), False, False, "disable stop"),
    "unwanted at boot alone": (RUNS, False, True, "disable"),
    "failed": (replace(ENDED, active="failed", result="exit-code"), True, True, "start"),
    "failed too often": (replace(ENDED, active="failed", result="start-limit-hit"), True, True, "reset-failed start"),
    "stopped, with new files": (replace(ENDED, is_stale=True), True, True, "daemon-reload start"),
    "as wanted, with new files": (replace(RUNS, is_stale=True), True, True, ""),
    "a oneshot that was not enabled": (replace(ONESHOT, enabled="disabled"), True, True, "enable start"),
}


@pytest.mark.parametrize(("unit", "enabled", "running", "verbs"), RIGHT.values(), ids=RIGHT)
def test_what_puts_it_right(unit: Unit, enabled: bool, running: bool, verbs: str) -> None:
    """The least that will do, in its order; and a reason exactly when there is something to do."""
    right = put_right(unit, enabled=enabled, running=running)
    assert " ".join(action.verb for action in right.actions) == verbs
    assert bool(right.why) is bool(verbs)


def test_a_drop_in_says_what_git_says_and_no_more() -> None:
    """Quotes, backslashes and percent signs reach the process as they were written (systemd.syntax(7))."""
    said = {"rlimits": {"nofile": 5, "as": 0}, "environment": {"B": 'a "b" \\ 5%', "A": ""}, "umask": "0027"}
    assert render(Service.model_validate(said)).decode().splitlines()[1:] == [
        "[Service]",
        "LimitAS=0",
        "LimitNOFILE=5",
        'Environment="A="',
        'Environment="B=a \\"b\\" \\\\ 5%%"',
        "UMask=0027",
    ]
    assert render(Service.model_validate({"enabled": False})) == b""


KNOWN = {
    "we started it, and all is as it was": (Record(value={"has": "A"}, at=100.0), "A", 99.0, 90.0, "A"),
    "we started it, and the file was changed since": (Record(value={"has": "A"}, at=100.0), "B", 99.0, 500.0, "A"),
    "it died since, and all is as it was": (Record(value={"has": "A"}, at=100.0), "A", 300.0, 90.0, "A"),
    "it died since, and the file was changed too": (Record(value={"has": "A"}, at=100.0), "B", 300.0, 200.0, "unknown"),
    "it died between write and restart": (Record(value={"has": "A"}, at=100.0), "B", 300.0, 301.0, "unknown"),
    "nobody remembers, the file is older": (None, "A", 300.0, 90.0, "A"),
    "nobody remembers, the file is newer": (None, "A", 300.0, 299.0, ""),
    "there never was a file": (None, "", 300.0, 0.0, ""),
}


@pytest.mark.parametrize(("record", "lies_there", "since", "changed", "known"), KNOWN.values(), ids=KNOWN)
def test_what_a_service_runs_with(
    record: Record | None, lies_there: str, since: float, changed: float, known: str
) -> None:
    """What we started it with, for as long as that is sure; else nothing that any file is."""
    assert known_to_run_with(record, RUNS, lies_there, since=since, changed=changed) == known
