"""A Debian server, booted: from nothing to serving by one push, and a pass with nothing to do there. Wants root."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import meter
from tests.bench.figures import Figure

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "machines")]

from machines import HOST, PROGRAM, Machine, booted

CODENAMES = ("bookworm", "trixie")
DOMAINS = ("example.test", "example.net", "example.org")
PACKAGES = (
    *("bzip2", "file", "jq", "less", "lsof", "nano", "patch", "psmisc", "rsync", "screen", "sqlite3", "tree", "unzip"),
    *("whois", "zip"),
)
PASSES = 30
STRACED = 10
_PROSODY = f"""\
profile: debian
prosody:
  admins: [admin@example.test]
  modules_enabled: [roster, saslauth, tls, dialback, disco, carbons, pep, mam, smacks]
  virtual_hosts: [{", ".join(DOMAINS)}]
"""


def measure() -> Iterator[Figure]:
    """Each release: by the agent between two runs by hand, on a fresh machine each; then the idle pass.

    The agent makes one run more before, since the hands are given its configuration.
    """
    for codename in CODENAMES:
        _, config = _by_agent(codename)
        before = _by_hand(codename, config)
        agent, _ = _by_agent(codename)
        hands = [before, _by_hand(codename, config)]
        mean = statistics.mean(hands)
        yield Figure(
            what=f"{codename}: push → every virtual host answers on c2s, from a minimal system",
            limit="1.3 × by hand",
            found=f"{agent / mean:.2f} × ({agent:.1f} s)",
            beside=f"apt-get, cp, systemctl by hand {hands[0]:.1f} and {hands[1]:.1f} s",
            met=agent / mean <= 1.3,
        )
        yield from _idle(codename)


# --- from nothing to serving ---


def _by_agent(codename: str) -> tuple[float, str]:
    """Seconds, and the configuration that the agent wrote."""
    with booted(codename) as machine, _agent(machine):
        machine.commit({f"hosts/{HOST}.yaml": _PROSODY})
        spent = _until_serving(
            machine, lambda: machine.run("git", "-C", "/srv/work", "push", "-q", "origin", "HEAD:main")
        )
        return spent, (machine.root / "etc/prosody/prosody.cfg.lua").read_text()


def _by_hand(codename: str, config: str) -> float:
    """What a practised admin types, with the configuration at hand; certificates are made beforehand."""
    with booted(codename) as machine:
        place = machine.root / "root"
        (place / "prosody.cfg.lua").write_text(config)
        for domain in DOMAINS:
            made = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN={domain}"
            pair = ("-keyout", f"/root/{domain}.key", "-out", f"/root/{domain}.crt")
            machine.run("openssl", *made.split(), *pair)
        script = (
            "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends prosody"
            " && cp /root/prosody.cfg.lua /etc/prosody/ && cp /root/example.* /etc/prosody/certs/"
            " && chgrp prosody /etc/prosody/certs/* && chmod 640 /etc/prosody/certs/*.key"
            " && systemctl restart prosody"
        )
        return _until_serving(machine, lambda: machine.run("sh", "-c", script))


def _until_serving(machine: Machine, begin: Callable[[], object]) -> float:
    """Seconds from the start of `begin` to the first moment when every domain answers a stream's header."""
    began = time.perf_counter()
    begin()
    left = set(DOMAINS)
    while left:
        left = {domain for domain in left if not _answers(machine.address, domain)}
        if time.perf_counter() - began > 300:
            told = machine.run("journalctl", "-u", "agent", "-u", "prosody", "-n", "20", "--no-pager").output
            raise TimeoutError(f"{sorted(left)} do not answer; {told}")
        time.sleep(0.01)
    return time.perf_counter() - began


def _answers(address: str, domain: str) -> bool:
    spaces = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    header = f"<?xml version='1.0'?><stream:stream {spaces} to='{domain}' version='1.0'>"
    try:
        with socket.create_connection((address, 5222), timeout=2) as connection:
            connection.sendall(header.encode())
            said = b""
            while b"<stream:features" not in said and b"</stream:stream>" not in said:
                more = connection.recv(4096)
                if not more:
                    return False
                said += more
            return b"<stream:features" in said
    except OSError:
        return False


# --- nothing to do ---


def _idle(codename: str) -> Iterator[Figure]:
    with booted(codename) as machine:
        packages = f"packages: {{apt: [{', '.join(PACKAGES)}]}}\n"
        files = "".join(f"  /srv/files/{number}.txt: {{content: 'number {number}'}}\n" for number in range(20))
        machine.push({f"hosts/{HOST}.yaml": f"{_PROSODY}{packages}files:\n{files}"})
        for _ in range(3):
            outcome = machine.reconcile()
        if outcome["result"] != "in_sync":
            raise RuntimeError(f"not converged: {outcome}")
        time.sleep(3)
        with _agent(machine):
            pid = _outside(machine, "agent.service")
            for _ in range(3):
                _pass(pid)
            spent = []
            for _ in range(PASSES):
                before = meter.cpu_ms(pid)
                _pass(pid)
                spent.append(meter.cpu_ms(pid) - before)
            yield Figure(
                what=f"{codename}: no-op pass, {len(PACKAGES)} packages and 20 files: CPU",
                limit="3 ms",
                found=f"{meter.middle_and_worst(spent, digits=2)} ms",
                beside=_show(machine),
                met=statistics.median(spent) <= 3,
            )
            yield _started(machine, pid)


def _started(machine: Machine, pid: int) -> Figure:
    what = f"{machine.root.name}: processes started and files written in {STRACED} such passes"
    if shutil.which("strace") is None:
        return Figure(what=what, found="strace is not installed")
    trace = Path(f"{machine.root}.trace")
    calls = "execve,rename,renameat2,unlink,unlinkat,mkdir,fsync,fdatasync,pwrite64"
    watched = ["-f", "-y", "-qq", "-e", "signal=none", "-e", f"trace={calls}", "-p", str(pid)]
    tracer = subprocess.Popen(["strace", "-o", trace, *watched], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    for _ in range(STRACED):
        _pass(pid)
    tracer.terminate()
    tracer.wait()
    lines = trace.read_text().splitlines()
    started = [line for line in lines if "execve(" in line]
    shows = [line for line in started if re.search(r'"/usr/bin/systemctl", "show"', line)]
    others = len(lines) - len(shows)
    return Figure(
        what=what,
        limit="one `systemctl show` a pass",
        found=f"{len(shows)} systemctl show, {others} else",
        met=len(shows) <= STRACED and not others,
    )


def _show(machine: Machine) -> str:
    """What the one process costs that such a pass starts."""
    enter = ["nsenter", "-t", str(machine.leader), "-m", "-p", "-n", "--"]
    argv = [*enter, "/usr/bin/systemctl", "show", "prosody.service"]
    return f"its `systemctl show` {meter.middle_and_worst([meter.run(argv).cpu for _ in range(10)])} ms, counted apart"


def _pass(pid: int) -> None:
    os.kill(pid, signal.SIGUSR1)
    time.sleep(0.3)


@contextmanager
def _agent(machine: Machine) -> Iterator[None]:
    machine.run("git", "init", "-q", "--bare", "-b", "main", "/srv/git")
    machine.run("systemd-run", "--unit=agent", "--quiet", f"{PROGRAM}/bin/prosodist", "run")
    deadline = time.monotonic() + 30
    while machine.run("test", "-S", "/run/prosodist/control.sock").status != 0:
        if time.monotonic() > deadline:
            raise TimeoutError(machine.run("journalctl", "-u", "agent", "-n", "20").output)
        time.sleep(0.05)
    time.sleep(1)
    yield
    machine.run("systemctl", "stop", "agent")


def _outside(machine: Machine, unit: str) -> int:
    """The main process of a unit, by its number on this machine."""
    inner, family = machine.unit(unit)["MainPID"], os.readlink(f"/proc/{machine.leader}/ns/pid")
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            numbers = re.search(r"^NSpid:\t(\d+)\t(?:\d+\t)*(\d+)$", status.read_text(), re.MULTILINE)
            if numbers and numbers[2] == inner and os.readlink(status.with_name("ns") / "pid") == family:
                return int(numbers[1])
        except OSError:
            continue
    raise ProcessLookupError(f"{unit}: {inner}")
