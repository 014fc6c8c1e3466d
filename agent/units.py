"""systemd, by systemctl: what it says of a unit, and having it do something with one."""

from __future__ import annotations

from agent import processes
from reconcilers.contract import Unit
from schemas.actions import Control
from schemas.errors import ActionFailed, Temporary

_SYSTEMCTL = "/usr/bin/systemctl"
_ASKED = (
    *("Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID", "Type", "Result", "InvocationID"),
    *("NeedDaemonReload", "RemainAfterExit", "ConditionResult", "ConditionTimestampMonotonic"),
)


def look(name: str) -> Unit:
    """What systemd says of it. Raises Temporary when it does not answer."""
    return look_at((name,))[0]


def look_at(names: tuple[str, ...]) -> tuple[Unit, ...]:
    """What systemd says of each, by one process for all. Raises Temporary when it does not answer."""
    if not names:
        return ()
    asked = processes.run((_SYSTEMCTL, "show", f"--property={','.join(_ASKED)}", "--", *names), timeout=10.0)
    units = tuple(map(_read, asked.stdout.decode(errors="replace").strip("\n").split("\n\n")))
    if asked.code != 0 or len(units) != len(names) or not all(units):
        raise Temporary(f"{', '.join(names)}: systemd does not tell of it: {_words(asked.stderr)}")
    return tuple(filter(None, units))


def _read(paragraph: str) -> Unit | None:
    said = dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line)
    if "ActiveState" not in said:
        return None
    return Unit(
        name=said["Id"],
        load=said["LoadState"],
        active=said["ActiveState"],
        sub=said["SubState"],
        enabled=said["UnitFileState"],
        pid=int(said.get("MainPID", "0")),  # a timer has no process
        type=said.get("Type", ""),
        result=said.get("Result", ""),
        remains=said.get("RemainAfterExit") == "yes",
        invocation=said.get("InvocationID", ""),
        is_stale=said["NeedDaemonReload"] == "yes",
        is_skipped=said["ConditionResult"] == "no" and said["ConditionTimestampMonotonic"] != "0",
    )


def control(action: Control) -> None:
    """Raises ActionFailed when systemd refuses, or takes longer than `timeout`."""
    try:
        if action.verb == "daemon-reload":
            _read_files(action)
        else:
            _control(action, "--", action.unit)
    except Temporary as error:
        raise ActionFailed(str(error)) from error


def _read_files(action: Control) -> None:
    """Half a second for all units of a host: nothing that is done twice in a round."""
    if look(action.unit).is_stale:
        _control(action)


def _control(action: Control, *names: str) -> None:
    done = processes.run((_SYSTEMCTL, "--no-ask-password", action.verb, *names), timeout=action.timeout)
    if done.code != 0:
        raise ActionFailed(f"{action.unit}: {action.verb}: {_words(done.stderr)}; see `journalctl -u {action.unit}`")


def _words(said: bytes) -> str:
    return " / ".join(said.decode(errors="replace").split("\n")[:3]).strip(" /") or "it said nothing"
