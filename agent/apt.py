"""Packages by apt: asked for, and installed where none of them can start, stop or restart Prosody.

Its package does all three from its scripts, and asks /usr/sbin/policy-rc.d first. The answer no is shown to packages
alone (`agent.quietly`), so none is left behind, whoever dies in the middle. And apt runs as a unit of systemd's own, so
that dpkg does not end with the agent: the next one finds the unit, and waits for it.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from agent import debs, processes, quietly, units
from reconcilers import dpkg
from reconcilers.apt import offers
from reconcilers.apt.offers import Offers
from reconcilers.contract import Completed
from schemas.actions import AskApt, Hold, Install, Pick, Remove
from schemas.errors import ActionFailed, Temporary

UNIT = "prosodist-apt.service"
_DPKG, _APT_GET, _APT_CACHE = "/usr/bin/dpkg", "/usr/bin/apt-get", "/usr/bin/apt-cache"
_LOCK, _LISTS_LOCK = "/var/lib/dpkg/lock-frontend", f"{offers.LISTS}/lock"
_HOUR = 3600.0
_TRIES = 5
"""To have the unit started, where systemd still knows one of its name."""
_OPTIONS = ("-y", "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends", "--allow-downgrades")


def foresee() -> None:
    """Raises Temporary while somebody else has dpkg, or an apt of ours still works for an agent that has ended."""
    if units.look(UNIT).active not in ("inactive", "failed"):
        raise Temporary(f"{UNIT}: apt still works for an agent that has ended; it is waited for")
    _check_free(_LOCK, "installs packages")


def ask(action: AskApt, *, former: Offers | None, now: float) -> Offers:
    """What is on offer; `now` is in epoch seconds. Raises Temporary: a mirror may be away, and nothing was changed."""
    if action.update:
        _check_free(_LISTS_LOCK, "reads apt's lists anew")
        done = processes.run((_APT_GET, "update", "-o", "APT::Update::Error-Mode=any"), timeout=_HOUR)
        if done.code != 0:
            words = f"{_APT_GET} update: {_words(done)}; it is tried again in some minutes, or by prosodist reconcile"
            raise Temporary(words, retry_after=offers.PAUSE)
    said = processes.run((_APT_CACHE, "policy", "--", *action.packages), timeout=60.0)
    if said.code != 0:
        raise Temporary(f"{_APT_CACHE} policy: {_words(said)}; it is tried again")
    found = offers.parse_policy(said.stdout.decode(errors="replace"))
    return Offers(
        updated=now if action.update or former is None else former.updated,
        said=action.said,
        lists=os.stat(offers.LISTS).st_mtime_ns,
        candidates={name: found.get(name, ()) for name in action.packages},
    )


def install(action: Install) -> None:
    """Raises Temporary with apt's last words: a mirror may be away, and nothing was changed. Else ActionFailed."""
    if not _missing(action.packages):
        return
    foresee()
    before = _installed()
    _finish()
    if along := _missing(action.along):
        try:
            return _install((*_missing(action.packages), *along), action.without, before)
        except (ActionFailed, Temporary):
            pass  # one of them may be to blame: each for itself, then
    if own := _missing(action.packages):
        _install(own, action.without, _installed() if along else before)


def remove(action: Remove) -> None:
    """Raises ActionFailed with dpkg's words when another needs it: dpkg, unlike apt, removes nothing that is not named.

    A package may end its own service meanwhile.
    """
    installed = _installed()
    if action.package not in installed:
        return
    foresee()
    names = [name for name in (action.package, *action.along) if name in installed]
    done = _as_unit(_DPKG, "--remove", *names)
    if action.package in _installed():
        raise ActionFailed(f"{action.package}: dpkg does not remove it: {_words(done)}")


def hold(action: Hold) -> None:
    """Raises Temporary while somebody else has dpkg."""
    foresee()
    selection = f"{action.package} {'hold' if action.held else 'install'}\n".encode()
    done = processes.run((_DPKG, "--set-selections"), stdin=selection, timeout=60.0)
    if done.code != 0:
        raise Temporary(f"{action.package}: dpkg --set-selections: {_words(done)}; it is tried again")


def _install(picks: tuple[Pick, ...], without: tuple[str, ...], before: Mapping[str, str]) -> None:
    """What git does not name is removed for nobody; apt is left to find out whether it would have to be.

    `before` is what was installed before we touched anything.
    """
    words = list(map(_word, picks))
    done = _as_unit(_APT_GET, "install", *_OPTIONS, "--no-remove", "--", *words)
    going = _going(done.stdout.decode(errors="replace")) if done.code != 0 else frozenset()
    if going and going <= set(without):
        done = _as_unit(_APT_GET, "install", *_OPTIONS, "--", *words, *(f"{name}-" for name in going))
    elif going:
        names = ", ".join(sorted(going - set(without)))
        raise Temporary(f"{', '.join(words)}: apt would remove {names} for it; say that these are absent, or leave it")
    if done.code == 0 or not _missing(picks):
        return
    said = f"{_APT_GET} install: {_words(done)}"
    half_done = dpkg.half_done(Path(dpkg.STATUS).read_bytes())
    if _installed() != before or any(pick.name in half_done for pick in picks):
        raise ActionFailed(f"{said}; it failed half way: look at dpkg --audit")
    raise Temporary(f"{said}; it is tried again")


def _word(pick: Pick) -> str:
    """As apt is asked for it; a file that is kept needs no mirror, and knows of no suite to find what it needs in."""
    if pick.suite is None and (file := debs.kept(pick.name, pick.version)):
        return str(file)
    return f"{pick.name}/{pick.suite}" if pick.suite else f"{pick.name}={pick.version}"


def _going(said: str) -> frozenset[str]:
    """What apt-get would remove, as it tells before it begins."""
    told = re.search(r"^The following packages will be REMOVED:\n((?: .*\n)+)", said, re.MULTILINE)
    return frozenset(told[1].replace("*", "").split()) if told else frozenset()


def _missing(picks: tuple[Pick, ...]) -> tuple[Pick, ...]:
    installed = _installed()
    return tuple(pick for pick in picks if installed.get(pick.name) != pick.version)


def _installed() -> Mapping[str, str]:
    return dpkg.installed(Path(dpkg.STATUS).read_bytes())


def _check_free(lock: str, what: str) -> None:
    """As apt and dpkg take it (fcntl(2)). Raises Temporary while somebody else has it."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # the first apt makes it
    except OSError as error:
        raise Temporary(f"{lock}: {error.strerror}") from error
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Temporary(f"{lock}: somebody else {what} now; they are waited for") from None
    finally:
        os.close(descriptor)


def _finish() -> None:
    """Have dpkg end what a power cut, or a person, left half done. What it cannot end, another version may replace."""
    journal = Path(dpkg.STATUS).with_name("updates")
    if not dpkg.is_half_done(Path(dpkg.STATUS).read_bytes()) and not any(journal.iterdir()):
        return
    _as_unit(_DPKG, "--force-confold", "--configure", "-a")


def _as_unit(*argv: str) -> Completed:
    """Run it as a unit of its own, where no package may start, stop or restart Prosody."""
    unit = (
        "/usr/bin/systemd-run", f"--unit={UNIT}", "--quiet", "--wait", "--pipe", "--collect",
        "--setenv=DEBIAN_FRONTEND=noninteractive", "--setenv=LC_ALL=C.UTF-8",
        "--property=PrivateMounts=yes", f"--property=ExecStopPost=-/bin/rm -rf {quietly.PLACE}",
        f"--setenv=PYTHONPATH={Path(__file__).resolve().parent.parent}",
        sys.executable, "-P", "-m", "agent.quietly",
    )  # fmt: skip
    for _ in range(_TRIES):
        _await_collection()
        done = processes.run((*unit, *argv), timeout=_HOUR)
        if done.code == 0 or b"was already loaded" not in done.stderr:
            break
        time.sleep(0.5)  # on a busy machine systemd has not forgotten the one before, and ran nothing
    _await_collection()
    return done


def _await_collection() -> None:
    """systemd-run returns when the program has ended: what is to follow it may be under way, and until systemd
    forgets the unit it starts no other of its name.
    """
    deadline = time.monotonic() + 5.0
    while units.look(UNIT).load != "not-found" and time.monotonic() < deadline:
        time.sleep(0.02)


def _words(done: Completed) -> str:
    """Its last ones, with the status: of what apt and debconf say there, much is no reason."""
    said = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
    return " / ".join([*said, f"exit status {done.code}"])
