"""Prosody as the unit that Debian's package brings."""

from __future__ import annotations

from reconcilers.contract import Process, Reader, Site
from reconcilers.managers import Running
from schemas.actions import Action, Control, Run

UNIT = "prosody.service"
_UP = frozenset({"active", "reloading", "activating", "refreshing"})


def look(reader: Reader, site: Site) -> Running:
    """Enabled and running is what is wanted."""
    unit = reader.unit(UNIT)
    verbs, why = [], []
    if unit.enabled == "masked":
        verbs += ["unmask", "enable"]
        why.append("is masked")
    elif unit.enabled != "enabled":
        verbs.append("enable")
        why.append(f"is {unit.enabled or 'not enabled'}")
    if unit.active not in _UP:
        verbs.append("start")
        why.append("does not run" if unit.active != "failed" else "has failed")
    return Running(
        process=reader.process(unit.pid) if unit.pid else None,
        wanted="enabled\0active",
        live=None if unit.active not in _UP else f"{unit.enabled}\0active",
        why=" and ".join(why),
        actions=tuple(Control(unit=UNIT, verb=verb) for verb in verbs),
    )


def process(reader: Reader) -> Process | None:
    """The unit's main process."""
    pid = reader.unit(UNIT).pid
    return reader.process(pid) if pid else None


def hold_back() -> tuple[Action, ...]:
    """The package enables its unit: after a power cut the next boot would serve its stock configuration."""
    return (Control(unit=UNIT, verb="mask"),)


def reload(site: Site) -> tuple[Action, ...]:
    """The signal that the unit's ExecReload sends, without the /bin/kill that a minimal system lacks (procps)."""
    return (Run(argv=("/usr/bin/systemctl", "kill", "--kill-who=main", "--signal=HUP", "--", UNIT)),)


def restart(site: Site) -> tuple[Action, ...]:
    """By systemd alone, so that its own word on the unit stays true."""
    return (Control(unit=UNIT, verb="restart"),)


def end(reader: Reader, *, is_owned: bool) -> tuple[Action, ...]:
    """Until the next boot, and after it. One that we never had is the admin's."""
    if not is_owned:
        return ()
    return (Control(unit=UNIT, verb="stop"), Control(unit=UNIT, verb="disable"))
