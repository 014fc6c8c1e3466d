"""systemd, by systemctl: what it says of a unit, and having it do something with one."""

from __future__ import annotations

from agent import processes
from reconcilers.contract import Unit
from schemas.actions import Control
from schemas.errors import ActionFailed, Temporary

_SYSTEMCTL = "/usr/bin/systemctl"
_ASKED = ("ActiveState", "UnitFileState", "MainPID")


def look(name: str) -> Unit:
    """What systemd says of it. Raises Temporary when it does not answer."""
    asked = processes.run((_SYSTEMCTL, "show", f"--property={','.join(_ASKED)}", "--", name), timeout=10.0)
    said = dict(line.split("=", 1) for line in asked.stdout.decode(errors="replace").splitlines() if "=" in line)
    if asked.code != 0 or "MainPID" not in said:
        raise Temporary(f"{name}: systemd does not tell of it: {_words(asked.stderr)}")
    return Unit(active=said["ActiveState"], enabled=said["UnitFileState"], pid=int(said["MainPID"]))


def control(action: Control) -> None:
    """Raises ActionFailed when systemd refuses, or takes longer than `timeout`."""
    try:
        done = processes.run((_SYSTEMCTL, "--no-ask-password", action.verb, "--", action.unit), timeout=action.timeout)
    except Temporary as error:
        raise ActionFailed(str(error)) from error
    if done.code != 0:
        raise ActionFailed(f"{action.unit}: {action.verb}: {_words(done.stderr)}; see `journalctl -u {action.unit}`")


def _words(said: bytes) -> str:
    return " / ".join(said.decode(errors="replace").split("\n")[:3]).strip(" /") or "it said nothing"
