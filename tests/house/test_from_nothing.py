"""From nothing to converged, and then nothing more."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from places import Place, is_open, on_both

_READS = r"openat\([^)]*O_RDONLY[^)]*\)|openat\([^)]*O_PATH"
_CHANGES = re.compile(
    r"\b(write|pwrite64|writev|rename|renameat|renameat2|unlink|unlinkat|rmdir|mkdir|mkdirat|link|linkat|symlinkat|"
    r"fchmod|fchmodat|fchown|fchownat|utimensat|truncate|ftruncate|execve|execveat|fork|vfork|clone|clone3|creat)\("
)


@on_both
def test_a_first_pass_makes_everything_and_a_second_finds_nothing(place: Place) -> None:
    """A bare host is brought to git's words in one pass; the next one makes no change and starts nothing."""
    first = place.reconcile()
    assert (first["result"], first["failures"]) == ("changed", [])
    assert (place.home / "motd").read_text() == "Kept by prosodist\n"
    assert (place.home / "site/index.html").read_text() == "hello\n"
    assert is_open(place.port())
    before, alive = place.bytes(), place.prosody()
    second = place.reconcile()
    assert (second["result"], second["changes"]) == ("in_sync", [])
    assert (place.bytes(), place.prosody()) == (before, alive)


def test_an_idle_agent_writes_nothing_and_starts_nothing(living: Place) -> None:
    """Between its polls the real agent makes no system call that changes anything; its state keeps bytes and times."""
    trace = living.root / "trace"
    strace = shutil.which("strace")
    assert strace, "this proof needs strace"
    with living.agent(strace, "-f", "-tt", "-y", "-s", "80", "-o", str(trace)):
        time.sleep(6)  # the proof of a pass is not relied on before its files are two seconds old
        state = _state(living)
        started = trace.stat().st_size
        time.sleep(4)
        polls = trace.read_bytes()[started:].decode(errors="replace")
        assert _state(living) == state
    assert polls.count("refs/heads/main") >= 2, "no poll was seen"
    assert [line for line in polls.splitlines() if _CHANGES.search(line)] == []


def _state(place: Place) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(place.state.rglob("*")) if path.is_file()
    }
