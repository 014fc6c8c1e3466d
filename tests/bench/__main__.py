"""`python -m tests.bench [ROOM ...]`: the figures of docs/performance.md, measured anew, as one table.

Started by root it goes on as Prosody's user, so that all of it is one ordinary user's.
"""

from __future__ import annotations

import os
import platform
import pwd
import sys
import time

from tests.bench import command, edit, figures, idle, load, noop, nothing, push, validate

ROOMS = {
    "noop": noop.measure,
    "push": push.measure,
    "edit": edit.measure,
    "idle": idle.measure,
    "command": command.measure,
    "nothing": nothing.measure,
    "validate": validate.measure,
    "load": load.measure,
}


def main() -> None:
    """Measure the rooms that are named, or all."""
    rooms = sys.argv[1:] or list(ROOMS)
    if rooms == ["server"]:
        from tests.bench import server  # what it boots takes root

        print(figures.show(server.measure()))
        return
    if os.geteuid() == 0:
        user = pwd.getpwnam("prosody")
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    os.chdir("/")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    found: list[figures.Figure] = []
    for room in rooms:
        print(f"measuring {room} …", file=sys.stderr, flush=True)
        for figure in ROOMS[room]():
            print(f"  {figure.what}: {figure.found}", file=sys.stderr, flush=True)
            found.append(figure)
    print(f"{time.strftime('%Y-%m-%d')}, {_machine()}, load {os.getloadavg()[0]:.1f} at the end\n")
    print(figures.show(found))


def _machine() -> str:
    model = next((line for line in open("/proc/cpuinfo") if line.startswith("model name")), "?:?")  # noqa: SIM115
    python = platform.python_version()
    return f"{os.cpu_count()} × {model.partition(':')[2].strip()}, Linux {platform.release()}, Python {python}"


if __name__ == "__main__":
    main()
