"""Drop-ins that may not be written, and what is started or left beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from world import World, spec

from reconcilers import beside, dropins
from reconcilers.contract import Site, Unit
from schemas.actions import Control, Remember
from schemas.desired import HostSpec
from schemas.plan import Change, Wait

DEAD = Unit(name="a.service", load="loaded", active="inactive", sub="dead", enabled="enabled", pid=0)
LIMITED: Any = {"rlimits": {"nofile": 5}}


@pytest.fixture
def site(home: Path, prosody12: Path) -> Site:
    """As on a Debian server, where systemd keeps services."""
    return replace(World(home, prosody12).site, profile="debian")


def wanted(**services: Any) -> HostSpec:
    return spec(None, profile="debian", services=services)


def verbs(change: Change) -> list[str]:
    return [action.verb for action in change.actions if isinstance(action, Control)]


def test_who_may_not_be_written_does_not_read_for_the_others(site: Site) -> None:
    """The last that is written for sure has systemd read its files."""
    host = wanted(a=LIMITED, z={**LIMITED, "drift": "detect"}, zz={**LIMITED, "drift": "ignore"})
    nothing = dropins.Seen(info=None, content=None, has_directory=True, is_known=False)
    verdicts = list(dropins.plan(host, dict.fromkeys(map(dropins.path, ("a", "z", "zz")), nothing), {}, site))
    assert [verbs(verdict) for verdict in verdicts if isinstance(verdict, Change)] == [["daemon-reload"], [], []]


def _started(host: HostSpec, seen: beside.Seen, site: Site) -> Change:
    (verdict,) = beside.plan(host, {"a": seen}, {}, site)
    assert isinstance(verdict, Change)
    return verdict


def test_a_start_reads_the_drop_in_first(site: Site) -> None:
    """It is written by the same round, and whoever was to have it read may have come to nothing."""
    seen = beside.Seen(unit=DEAD, lies_there="", runs_with="", is_remembered=False)
    assert verbs(_started(wanted(a=LIMITED), seen, site)) == ["daemon-reload", "start"]
    assert verbs(_started(wanted(a=LIMITED), replace(seen, unit=replace(DEAD, is_stale=True)), site)) == [
        "daemon-reload",
        "start",
    ]
    assert verbs(_started(wanted(a={}), seen, site)) == ["start"], "there is nothing to read"


def test_an_alias_of_the_hosts_own_is_left(site: Site) -> None:
    """systemd says whose name it is: nothing is done with one of its own units, until the host allows it."""
    seen = beside.Seen(
        unit=replace(DEAD, name="systemd-poweroff.service"), lies_there="", runs_with="", is_remembered=False
    )
    shut = replace(site, allows=lambda word, value: False)
    (verdict,) = beside.plan(wanted(a={}), {"a": seen}, {}, shut)
    assert isinstance(verdict, Wait) and "is systemd-poweroff.service by another name" in verdict.why
    assert verbs(_started(wanted(a={}), seen, site)) == ["start"]
    sysctl = replace(seen, unit=replace(DEAD, name="systemd-sysctl.service"))
    assert verbs(_started(wanted(a={}), sysctl, shut)) == ["start"], "which is open to all"


def test_what_is_put_back_by_nobody_is_not_believed(site: Site) -> None:
    """A person took the drop-in away, git only tells of that: what is started runs without it, and that is known."""
    seen = beside.Seen(unit=DEAD, lies_there="", runs_with="x", is_remembered=True)
    told = _started(wanted(a={**LIMITED, "drift": "detect"}), seen, site)
    assert not [action for action in told.actions if isinstance(action, Remember)]
