"""The agent with nothing to do and nothing to wait for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from subprocess import PIPE, Popen

from tests.bench import meter
from tests.bench.figures import Figure
from tests.bench.house import House, converged

MINUTE = 60.0


def measure() -> Iterator[Figure]:
    """After the first pass, which made everything; and of an agent that was started again on what is there."""
    with converged() as house:
        before = meter.cpu_ms(house.pid)
        time.sleep(MINUTE)
        spent = meter.cpu_ms(house.pid) - before
        yield Figure(
            what="idle: CPU a minute between polls",
            limit="1 ms",
            found=f"{spent:.2f} ms",
            met=spent <= 1,
        )
        yield from _memory(house, "after converging from nothing")
        house.stop()
        house.start()
        house.ripen()
        yield from _memory(house, "started again")


def _memory(house: House, when: str) -> Iterator[Figure]:
    memory, plain = meter.memory_mib(house.pid), _plain()
    dirty, clean = memory["Private_Dirty"], memory["Private_Clean"]
    yield Figure(
        what=f"idle, {when}: resident",
        limit="64 MiB",
        found=f"{memory['Rss']:.1f} MiB",
        beside=f"a Python that sleeps {plain['Rss']:.1f}; its Prosody {meter.memory_mib(house.prosody_pid)['Rss']:.1f}",
        met=memory["Rss"] <= 64,
    )
    yield Figure(
        what=f"idle, {when}: private",
        limit="40 MiB",
        found=f"{dirty + clean:.1f} MiB = dirty {dirty:.1f} + clean {clean:.1f}",
        beside=f"a Python that sleeps {plain['Private_Dirty'] + plain['Private_Clean']:.1f}",
        met=dirty + clean <= 40,
    )


def _plain() -> dict[str, float]:
    sleeper = Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=PIPE, stdout=PIPE)
    assert sleeper.stdout and sleeper.stdin
    sleeper.stdout.readline()
    found = meter.memory_mib(sleeper.pid)
    sleeper.communicate(b"\n")
    return found
