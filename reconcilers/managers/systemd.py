"""Prosody as the unit that Debian's package brings."""

from __future__ import annotations

from reconcilers.contract import Process, Reader, Site
from reconcilers.managers import Running
from reconcilers.units import is_up, put_right
from schemas.actions import Action, Control, Run

UNIT = "prosody.service"


def look(reader: Reader, site: Site, *, enabled: bool, running: bool) -> Running:
    """As any other unit."""
    unit = reader.unit(UNIT)
    right = put_right(unit, enabled=enabled, running=running)
    return Running(
        process=reader.process(unit.pid) if unit.pid else None,
        wanted=f"{'enabled' if enabled else 'disabled'}\0{'active' if running else 'inactive'}",
        live=f"{unit.enabled}\0active" if is_up(unit) else None,
        why=right.why,
        actions=right.actions,
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
