"""A push on the same disk, and how soon it is true."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import by_hand, meter
from tests.bench.figures import Figure
from tests.bench.house import FILES, MODULES, House, converged, wait_until
from tests.repositories import GitRepository

PUSHES = 200
RELOADS = 8
RESTARTS = 4
PAUSE = 0.05
"""Seconds between two pushes."""


def measure() -> Iterator[Figure]:
    """To a plain file, to Prosody by a reload, to Prosody by a restart."""
    files = {**FILES, "<home>/plain.txt": "{source: files/plain.txt}"}
    with converged(files=files, repository={"files/plain.txt": _text(0)}) as house:
        yield from _plain(house)
        yield _reload(house)
        yield _restart(house)


# --- a plain file ---


def _plain(house: House) -> Iterator[Figure]:
    """The push changes one file of the repository; every version says its number on each line, and its length."""
    path = house.home / "plain.txt"
    reader = subprocess.Popen([sys.executable, "-c", _READER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    over, whole, pushes = [], [], []
    for number in range(1, PUSHES + 1):
        house.repository.commit({"files/plain.txt": _text(number)})
        began = time.perf_counter()
        house.repository.push()
        pushed = time.perf_counter()
        seen = wait_until(lambda: path.read_text() == _text(number), "the file", step=0.0002, tell=house.tail)  # noqa: B023
        pushes.append((pushed - began) * 1000)
        over.append((seen - pushed) * 1000)
        whole.append((seen - began) * 1000)
        time.sleep(PAUSE)
    torn, _ = reader.communicate(b"\n")
    yield Figure(
        what="push → a plain file: over the push itself",
        limit="30 ms",
        found=f"{meter.middle_and_worst(over)} ms",
        beside=f"the push {meter.middle_and_worst(pushes)} ms; {_by_hook()}",
        met=statistics.median(over) <= 30,
    )
    reads, missing, broken = map(int, torn.split())
    yield Figure(
        what=f"a reader every 0.5 ms, {PUSHES} pushes: file missing or torn",
        limit="never",
        found=f"missing {missing}, torn {broken}, of {reads:,} reads",
        met=missing + broken == 0 and reads > PUSHES,
    )


def _text(number: int) -> str:
    return f"version {number}\n" * 500 + "end\n"


_READER = """
import sys, threading, time
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(1), stop.set()), daemon=True).start()
reads = missing = torn = 0
while not stop.is_set():
    reads += 1
    try:
        lines = open(sys.argv[1]).read().splitlines()
        torn += len(lines) != 501 or len(set(lines[:-1])) != 1 or lines[-1] != "end"
    except FileNotFoundError:
        missing += 1
    time.sleep(0.0005)
print(reads, missing, torn)
"""


def _by_hook() -> str:
    """The same by a post-receive hook in sh: the file is in place when the push is over."""
    with by_hand.fresh() as (home, _):
        repository = GitRepository(home)
        hook = repository.bare / "hooks/post-receive"
        hook.write_text(
            f"#!/bin/sh\ngit show main:plain.txt >{home}/new && sync {home}/new && mv {home}/new {home}/plain\n"
        )
        hook.chmod(0o755)
        took = []
        for number in range(20):
            repository.commit({"plain.txt": _text(number)})
            began = time.perf_counter()
            repository.push()
            took.append((time.perf_counter() - began) * 1000)
            assert (home / "plain").read_text() == _text(number)
    return f"push and file by a hook in sh {meter.middle_and_worst(took)} ms"


# --- live in Prosody ---


def _reload(house: House) -> Figure:
    """A log more: it is live when Prosody has opened it."""
    took = []
    for number in range(RELOADS):
        log = house.home / f"prosody/log/debug{number}.log"
        main = house.home / "prosody/log/prosody.log"
        before = house.prosody_pid
        pushed = house.push(options=f"  log: {{info: {main}, debug: {log}}}\n")
        took.append(wait_until(log.exists, "the new log", tell=house.tail) - pushed)
        _settle(house)
        assert house.prosody_pid == before, "that was a restart"
    with by_hand.fresh() as (home, port):
        meter.run(["sh", by_hand.SCRIPTS / "from_nothing.sh", home, str(port)])
        hand = [
            meter.run(["sh", by_hand.SCRIPTS / "reload.sh", home, str(port), home / f"log/debug{n}.log"]).wall / 1000
            for n in range(RELOADS)
        ]
    return Figure(
        what="push → live in Prosody by a reload, validated",
        limit="1 s",
        found=f"{meter.middle_and_worst(took, digits=3)} s",
        beside=f"sh that writes, validates, reloads {meter.middle_and_worst(hand, digits=3)} s",
        met=max(took) < 1,
    )


def _restart(house: House) -> Figure:
    """A module more or less: it is live when the new process listens."""
    took, stop_start = [], []
    for number in range(RESTARTS):
        before = house.prosody_pid
        modules = (*MODULES, "time") if number % 2 == 0 else MODULES
        pushed = house.push(modules=modules)
        wait_until(lambda: house.prosody_pid not in (0, before), "the new process", tell=house.tail)  # noqa: B023
        took.append(wait_until(lambda: _listens(house.port), "its port", tell=house.tail) - pushed)
        _settle(house)
    with by_hand.fresh() as (home, port):
        meter.run(["sh", by_hand.SCRIPTS / "from_nothing.sh", home, str(port)])
        for _ in range(RESTARTS):
            stopped = meter.run(["sh", by_hand.SCRIPTS / "stop.sh", home]).wall
            stop_start.append((stopped + meter.run(["sh", by_hand.SCRIPTS / "start.sh", home, str(port)]).wall) / 1000)
    least = statistics.median(stop_start)
    return Figure(
        what="push → live in Prosody by a restart, validated",
        limit=f"1 s + stop and start {least:.2f} s",
        found=f"{meter.middle_and_worst(took, digits=2)} s",
        beside=f"sh that only stops and starts {meter.middle_and_worst(stop_start, digits=2)} s",
        met=statistics.median(took) < 1 + least,
    )


def _settle(house: House) -> None:
    """Until the pass is over, and what it wrote is old enough."""
    house.rest(quiet=0.3)


def _listens(port: int) -> bool:
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()
