"""Packages by apt: installed where none of them can start, stop or restart a service.

Debian's packages do all three from their scripts, and ask /usr/sbin/policy-rc.d first. The answer no is shown to them
alone: apt runs in a mount namespace of its own where that file lies over /usr/sbin, so none is left behind, whoever
dies in the middle. And it runs as a unit of systemd's, so that dpkg does not end with the agent.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from agent import processes
from schemas.errors import ActionFailed, Temporary
from schemas.plan import Install

UNIT = "prosodist-apt.service"
_HOUR = 3600.0
_OPTIONS = ("-y", "-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=0", "--no-install-recommends")


def install(action: Install) -> None:
    """Raises ActionFailed with apt's last words, Temporary when somebody else has dpkg's lock."""
    for words in (("update",), ("install", *_OPTIONS, *action.packages)):
        _apt(words)


def _apt(words: tuple[str, ...]) -> None:
    unit = (
        "/usr/bin/systemd-run", f"--unit={UNIT}", "--quiet", "--wait", "--pipe", "--collect",
        "--setenv=DEBIAN_FRONTEND=noninteractive", "--setenv=LC_ALL=C.UTF-8", "--property=PrivateMounts=yes",
    )  # fmt: skip
    here = Path(__file__).resolve().parent.parent
    quietly = (f"--setenv=PYTHONPATH={here}", sys.executable, "-m", "agent.quietly", "/usr/bin/apt-get", *words)
    try:
        done = processes.run((*unit, *quietly), timeout=_HOUR)
    except Temporary as error:
        raise ActionFailed(str(error)) from error
    if done.code != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        told = " / ".join(said) or f"exit status {done.code}"
        if "Could not get lock" in told or "is another process using it" in told:
            raise Temporary(f"apt: {told}")
        raise ActionFailed(f"apt-get {words[0]}: {told}; run it by hand to see more")


def is_running() -> bool:
    """Whether an apt of a former agent's still works."""
    return os.path.exists(f"/run/systemd/transient/{UNIT}")
