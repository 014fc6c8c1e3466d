"""From an empty home to a healthy Prosody."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from tests.bench import by_hand, meter
from tests.bench.figures import Figure
from tests.bench.house import House

TIMES = 5


def measure() -> Iterator[Figure]:
    """The agent's start is part of it. By hand: the same files, checks, pair and Prosody by one sh."""
    took, cpu, hand, hand_cpu = [], [], [], []
    for _ in range(TIMES):
        with House() as house:
            began = time.perf_counter()
            house.spawn()
            house.wait_log("pass.done")
            took.append(time.perf_counter() - began)
            cpu.append(meter.cpu_ms(house.pid) / 1000)
        with by_hand.fresh() as (home, port):
            spent = meter.run(["sh", by_hand.SCRIPTS / "from_nothing.sh", home, str(port)])
            hand.append(spent.wall / 1000)
            hand_cpu.append(spent.cpu / 1000)
    yield Figure(
        what="from nothing to a healthy Prosody",
        found=f"{meter.middle_and_worst(took, digits=2)} s; CPU of the agent {statistics.median(cpu):.2f}",
        beside=f"sh {meter.middle_and_worst(hand, digits=2)} s; CPU {statistics.median(hand_cpu):.2f}",
    )
