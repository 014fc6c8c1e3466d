"""Packages by apt: installed where none of them can start, stop or restart a service.

Debian's packages do all three from their scripts, and ask /usr/sbin/policy-rc.d first. The answer no is shown to them
alone (`agent.quietly`), so none is left behind, whoever dies in the middle. And apt runs as a unit of systemd's own, so
that dpkg does not end with the agent: the next one finds the unit, and waits for it.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

from agent import processes, quietly, units
from schemas.actions import Install
from schemas.errors import Temporary

UNIT = "prosodist-apt.service"
_LOCK = "/var/lib/dpkg/lock-frontend"
_HOUR = 3600.0
_OPTIONS = ("-y", "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends")


def foresee() -> None:
    """Raises Temporary while somebody else has dpkg, or an apt of ours still works for an agent that has ended."""
    if units.look(UNIT).active not in ("inactive", "failed"):
        raise Temporary(f"{UNIT}: apt still works for an agent that has ended; it is waited for")
    try:
        lock = os.open(_LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # the first apt makes it
    except OSError as error:
        raise Temporary(f"{_LOCK}: {error.strerror}") from error
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Temporary(f"{_LOCK}: somebody else installs packages now; they are waited for") from None
    finally:
        os.close(lock)


def install(action: Install) -> None:
    """Raises Temporary with apt's last words: a mirror may be away, and nothing of ours was changed by it."""
    foresee()
    _quietly("/usr/bin/dpkg", "--configure", "-a")  # what a power cut left half done
    _quietly("/usr/bin/apt-get", "update")
    _quietly("/usr/bin/apt-get", "install", *_OPTIONS, "--", *action.packages)


def _quietly(*argv: str) -> None:
    unit = (
        "/usr/bin/systemd-run", f"--unit={UNIT}", "--quiet", "--wait", "--pipe", "--collect",
        "--property=PrivateMounts=yes",
        f"--property=ExecStopPost=/bin/rm -rf {quietly.PLACE}",
        "--setenv=DEBIAN_FRONTEND=noninteractive", "--setenv=LC_ALL=C.UTF-8",
        f"--setenv=PYTHONPATH={Path(__file__).resolve().parent.parent}",
    )  # fmt: skip
    done = processes.run((*unit, sys.executable, "-m", "agent.quietly", *argv), timeout=_HOUR)
    if done.code != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise Temporary(f"{' '.join(argv[:2])}: {' / '.join(said) or f'exit status {done.code}'}; it is tried again")
