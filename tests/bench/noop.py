"""A pass with nothing to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.bench import by_hand, meter
from tests.bench.figures import Figure
from tests.bench.house import FILES, HOST, House, converged

PASSES = 50
STRACED = 10


def measure() -> Iterator[Figure]:
    """The typical host, then 1,000 and 4,000 templated files on it."""
    with converged() as house:
        spent = _passes(house)
        yield Figure(
            what="no-op pass, typical host: CPU",
            limit="2 ms",
            found=f"{meter.middle_and_worst(spent, digits=2)} ms",
            beside=f"{_by_sh(house)}; {_by_python(house)}",
            met=meter.statistics.median(spent) <= 2,
        )
        yield _quiet(house)
    for count, limit in ((1000, 20), (4000, 80)):
        many = {
            f"<home>/many/{number:04}.txt": f"{{template: templates/page.j2, vars: {{number: '{number}'}}}}"
            for number in range(count)
        }
        with converged(files={**FILES, **many}) as house:
            spent = _passes(house, quiet=0.1)
            yield Figure(
                what=f"no-op pass, {count:,} templated files: CPU",
                limit=f"{limit} ms",
                found=f"{meter.middle_and_worst(spent)} ms",
                beside=_by_python(house),
                met=meter.statistics.median(spent) <= limit,
            )


def _passes(house: House, *, quiet: float = 0.02) -> list[float]:
    spent = []
    for _ in range(PASSES):
        before = meter.cpu_ms(house.pid)
        house.poke()
        time.sleep(quiet)
        house.rest(quiet=quiet)
        spent.append(meter.cpu_ms(house.pid) - before)
    return spent


def _by_sh(house: House) -> str:
    spent = [meter.run(["sh", by_hand.SCRIPTS / "same.sh", house.home]).cpu for _ in range(10)]
    return f"sh {meter.middle_and_worst(spent)} ms"


def _by_python(house: House) -> str:
    """A plain Python that stays: reads, loads, renders and compares everything anew."""
    program = [sys.executable, str(by_hand.SCRIPTS / "same.py"), str(house.repository.work), HOST, str(house.home)]
    took = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    return f"resident Python that loads and compares anew {took.strip()} ms"


# --- that it does nothing ---


def _quiet(house: House) -> Figure:
    """Watched by strace: which calls a pass makes, and that the state's files stay as they are."""
    what = f"no-op pass: files written, processes started, YAML and templates opened, in {STRACED} passes"
    if shutil.which("strace") is None:
        return Figure(what=what, found="strace is not installed")
    trace = house.place / "trace"
    before = _files(house.state)
    tracer = subprocess.Popen(
        ["strace", "-f", "-y", "-qq", "-o", trace, "-p", str(house.pid)], stderr=subprocess.DEVNULL
    )
    time.sleep(0.5)
    for _ in range(STRACED):
        house.poke()
        time.sleep(0.1)
    tracer.terminate()
    tracer.wait()
    lines = trace.read_text().splitlines()
    calls = Counter(map(_name, lines))
    deeds = Counter(_name(line) for line in lines if _is_deed(line))
    same = before == _files(house.state)
    rest = ", ".join(f"{name} {count / STRACED:g}" for name, count in calls.most_common(6))
    return Figure(
        what=what,
        limit="none",
        found=f"{dict(deeds) or 'none'}; state {'untouched' if same else 'TOUCHED'}",
        beside=f"calls a pass: {rest}",
        met=not deeds and same,
    )


_DEEDS = frozenset(
    (
        *("write", "pwrite64", "writev", "pwritev", "ftruncate", "fsync", "fdatasync", "utimensat"),
        *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat"),
        *("link", "linkat", "symlink", "symlinkat", "chmod", "fchmod", "chown", "fchown"),
        *("fork", "vfork", "clone", "clone3", "execve", "kill"),
    )
)
_OPENED = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|\.ya?ml\"|\.j2\"")


def _is_deed(line: str) -> bool:
    """The byte in a pipe of our own by which a signal wakes the agent is none."""
    name = _name(line)
    if name in ("open", "openat"):
        return bool(_OPENED.search(line))
    return name in _DEEDS and not re.search(r"write\(\d+<(pipe|socket|UNIX)", line)


def _name(line: str) -> str:
    """The call of a line of strace; empty for what is none."""
    words = line.split(None, 1)[1] if " " in line else ""
    return words.partition("(")[0] if words[:1].isalpha() else ""


def _files(directory: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (os.lstat(path).st_mtime_ns, os.lstat(path).st_size) for path in directory.rglob("*")}
