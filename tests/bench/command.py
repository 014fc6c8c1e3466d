"""`prosodist plan`, as a whole process."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from agent import testimony
from tests.bench import by_hand, meter
from tests.bench.figures import Figure
from tests.bench.house import House, converged

TIMES = 30


def measure() -> Iterator[Figure]:
    """Where the running agent answers, where an ended one left its answer, and where everything is looked at anew."""
    with converged() as house:
        yield _plan(house, "the agent answers", limit=0.05, beside=_beside())
        house.stop()
        yield _plan(house, "an ended agent's proof answers", limit=0.05, beside=_by_sh(house))
        yield _plan(house, "nobody answers", limit=0.4, beside=_by_sh(house), forgotten=house.state / testimony.NAME)


def _plan(house: House, which: str, *, limit: float, beside: str, forgotten: Path | None = None) -> Figure:
    """`forgotten` is removed before each."""
    spent = []
    for _ in range(TIMES):
        if forgotten is not None:
            forgotten.unlink(missing_ok=True)
        spent.append(meter.run(house.command("plan"), env=house.environment))
    wall = [one.wall / 1000 for one in spent]
    cpu = statistics.median(one.cpu / 1000 for one in spent)
    return Figure(
        what=f"`plan`, {which}",
        limit=f"{limit} s",
        found=f"{meter.middle_and_worst(wall, digits=3)} s; CPU {cpu:.3f}",
        beside=beside,
        met=statistics.median(wall) <= limit,
    )


def _beside() -> str:
    bare = [meter.run([sys.executable, "-c", "pass"]).wall / 1000 for _ in range(TIMES)]
    words = [meter.run([sys.executable, "-c", "import argparse, json, socket"]).wall / 1000 for _ in range(TIMES)]
    asked = statistics.median(words)
    return f"Python that does nothing {statistics.median(bare):.3f} s, that imports argparse, json, socket {asked:.3f}"


def _by_sh(house: House) -> str:
    spent = [meter.run(["sh", by_hand.SCRIPTS / "same.sh", house.home]).wall / 1000 for _ in range(TIMES)]
    return f"sh that only compares {meter.middle_and_worst(spent, digits=3)} s"
