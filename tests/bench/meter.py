"""What a process has cost so far, asked of the kernel."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Milliseconds of one run: by the clock on the wall, and of CPU, its children's included."""

    wall: float
    cpu: float


def cpu_ms(pid: int) -> float:
    """Milliseconds of CPU that all threads of a living process have used (proc(5): schedstat counts nanoseconds)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def memory_mib(pid: int) -> dict[str, float]:
    """`Rss`, `Private_Dirty`, `Private_Clean` and their like, in MiB (proc(5): smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}


def run(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, status: tuple[int, ...] = (0,)) -> Spent:
    """Run a program to its end. Raises RuntimeError for another exit status."""
    began = time.perf_counter()
    process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.read()
    _, code, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode not in status:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit status {process.returncode}: {said[-2000:]}")
    return Spent(wall=wall * 1000, cpu=(used.ru_utime + used.ru_stime) * 1000)


def middle_and_worst(values: Sequence[float], *, digits: int = 1) -> str:
    """`median (worst …, of N)`."""
    return f"{statistics.median(values):.{digits}f} (worst {max(values):.{digits}f} of {len(values)})"
