"""Which of the changes that a look found are made, and which are left for later or given up alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agent import converge
from agent.look import wait_for_prosody
from schemas.actions import Action, Hold, Install, Pick
from schemas.errors import Temporary
from schemas.plan import Change, DriftClass, Instant, Kind, Plan, Verdict, Wait

UPGRADE = Wait(id="package:prosody", why="no source of this host has a version 14", until=Instant(1.0))
BY = {"package:prosody": "packages", "package:vim": "packages", "plugin:a": "plugins", "service:prosody": "services"}


def _change(id_: str, *actions: Action, touches: str = "", drift: DriftClass = DriftClass.INTENDED) -> Change:
    services = frozenset({touches} if touches else ())
    return Change(
        id=id_, kind=Kind.CHANGED, why="", actions=actions, wanted="x", live="y", touches=services, drift=drift
    )


def _made(*verdicts: Verdict) -> set[str]:
    return {verdict.id for verdict in wait_for_prosody(list(verdicts), BY) if isinstance(verdict, Change)}


def test_a_commit_waits_as_a_whole_for_its_prosody() -> None:
    """The version that runs gets nothing that is for another; what was as it is wanted before is still put right."""
    module = _change("plugin:a", touches="prosody")
    assert _made(UPGRADE, module, _change("package:vim")) == {"package:vim"}
    started = _change("service:prosody", touches="prosody", drift=DriftClass.CORRECTIVE)
    assert _made(UPGRADE, module, started) == {"service:prosody"}
    assert _made(module) == {"plugin:a"}


def test_a_lock_keeps_back_only_what_needs_it() -> None:
    """Whoever has dpkg keeps no configuration from Prosody, unless Prosody itself is installed."""

    def refuse(action: Action) -> None:
        raise Temporary("/var/lib/dpkg/lock-frontend: somebody else installs packages now")

    house: Any = SimpleNamespace(host=SimpleNamespace(foresee=refuse))
    install = Install(packages=(Pick(name="vim", version="1"),))
    others = (_change("package:vim", install, touches="vim"), _change("package:a", Hold(package="a", held=True)))
    converge._foresee(house, Plan(verdicts=others))
    with pytest.raises(Temporary):
        converge._foresee(house, Plan(verdicts=(_change("package:prosody", install, touches="prosody"),)))
