"""Reading desired state, as the agent does: in a child that was forked for it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from agent.bounded import Worker
from agent.warming import warm
from schemas.load import Blob, Facts, Tree, load
from tests.bench import meter
from tests.bench.figures import Figure
from tests.schemas.page import sections

TIMES, OF_MANY = 30, 7
ACCOUNTS = 10_000
SMALL = "profile: debian\nprosody: {virtual_hosts: [example.org]}\naccounts:\n  admin@example.org: {role: admin}\n"
SECRET = "{role: member, password: {generated: user%d}}"


def measure() -> Iterator[Figure]:
    """The public server of docs/desired-state.md, and a host with ten thousand accounts."""
    warm()
    public = next(section for section in sections() if section.title.startswith("A."))
    lines = sum(len(text.splitlines()) for path, text in public.files.items() if path.endswith(".yaml"))
    tree = public.tree()
    cold = [_load(tree, "chat.example.net")[0] * 1000 for _ in range(OF_MANY)]
    with Worker(tree) as worker:
        warm(worker.call(load, "chat.example.net", Facts()).host)
    loads = [_load(tree, "chat.example.net", times=2) for _ in range(TIMES)]
    took, first = [again * 1000 for _, again, _ in loads], [once * 1000 for once, *_ in loads]
    plain = [
        _by_yaml(text for path, text in public.files.items() if path.endswith(".yaml")) * 1000 for _ in range(TIMES)
    ]
    yield Figure(
        what=f"a host of {lines} lines, loaded",
        limit="15 ms",
        found=f"{meter.middle_and_worst(took)} ms",
        beside=f"the first time in a child {statistics.median(first):.0f} ms, of an agent that never read such a host "
        f"{statistics.median(cold):.0f}; "
        f"PyYAML's C loader alone {statistics.median(plain):.1f} ms",
        met=statistics.median(took) <= 15,
    )
    text = SMALL + "".join(f"  user{number}@example.org: {{role: member}}\n" for number in range(ACCOUNTS))
    small, many = (
        [_load({"hosts/a.yaml": Blob(document.encode())}, "a") for _ in range(OF_MANY)] for document in (SMALL, text)
    )
    secret = SMALL + "".join(f"  user{number}@example.org: {SECRET % number}\n" for number in range(ACCOUNTS))
    secrets = [_load({"hosts/a.yaml": Blob(secret.encode())}, "a")[0] for _ in range(OF_MANY)]
    seconds = [once for once, *_ in many]
    more = max(size for *_, size in many) - min(size for *_, size in small)
    yield Figure(
        what="a host of 10,000 accounts, loaded",
        limit="0.6 s, 60 MB more than without",
        found=f"{meter.middle_and_worst(seconds, digits=2)} s, {more:.0f} MB more",
        beside=f"with a secret each {meter.middle_and_worst(secrets, digits=2)} s; "
        f"PyYAML's C loader alone {_by_yaml([text]):.2f} and {_by_yaml([secret]):.2f} s",
        met=statistics.median(seconds) <= 0.6 and more <= 60,
    )


def _load(tree: Tree, name: str, *, times: int = 1) -> tuple[float, float, float]:
    """Seconds of CPU for the first and the last time and, at its peak, MB of memory of a child that loads this host."""
    with Worker(tree) as worker:
        took = [worker.call(_once, name) for _ in range(times)]
    return took[0][0], took[-1][0], took[-1][1]


def _once(tree: Tree, name: str) -> tuple[float, float]:
    began = time.process_time()
    load(tree, name, Facts())
    return time.process_time() - began, _peak()


def _peak() -> float:
    """VmHWM of proc(5)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def _by_yaml(texts: Iterable[str]) -> float:
    began = time.process_time()
    for text in texts:
        yaml.load(text, yaml.CSafeLoader)
    return time.process_time() - began
