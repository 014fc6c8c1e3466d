"""Files made to hurt: each is refused within a second and 100 MB, with a place and a remedy, and no traceback.

Every file is loaded in a process of its own, under limits that end it, and which measures itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent.parent
SECONDS = 1.0
MEGABYTES = 100

HOSTILE = {
    "50 MB": 'b"a" * 50_000_000',
    "50 MB of one line of text": 'b"profile: \'" + b"x" * 50_000_000',
    "a text of 15 MB": 'b"profile: \'" + b"x" * 15_000_000 + b"\'"',
    "10,000 nested brackets": 'b"a: " + b"[" * 10_000',
    "10,000 nested brackets, closed": 'b"a: " + b"[" * 10_000 + b"]" * 10_000',
    "10,000 nested braces": 'b"{a: " * 10_000',
    "10,000 nested dashes": 'b"- " * 10_000',
    "10,000 nested keys": 'b"? " * 10_000',
    "10,000 levels in block style": 'b"".join(b" " * n + b"a:\\n" for n in range(5_000))',
    "a million brackets in lines": 'b"a:\\n" + b" [\\n" * 1_000_000',
    "a billion laughs": 'b"".join(b"%c: &%c [%s]\\n" % (97 + n, 97 + n, b",".join([b"*%c" % (96 + n)] * 9)) '
    "for n in range(1, 20))",
    "an alias that holds itself": 'b"a: &a [*a, *a]\\n"',
    "a million anchors": 'b"a: [" + b"&x 1," * 1_000_000 + b"]"',
    "a million aliases": 'b"a: [" + b"*x," * 1_000_000 + b"]"',
    "a million tags": 'b"a: [" + b"!!str 1," * 1_000_000 + b"]"',
    "one key a million times": 'b"a: 1\\n" * 1_000_000',
    "a million keys": 'b"".join(b"k%d: 1\\n" % n for n in range(1_000_000))',
    "four million items": 'b"profile: [" + b"1," * 4_000_000 + b"]"',
    "a million empty lists": 'b"a: [" + b"[]," * 1_000_000 + b"]"',
    "a million disputed words": 'b"a: [" + b"yes," * 1_000_000 + b"]"',
    "a million tabs": 'b"a:\\n" + b"\\tb: 1\\n" * 1_000_000',
    "sixteen million tabs": 'b"\\n\\t" * 8_000_000',
    "fifteen million blank lines": 'b"\\n" * 15_000_000',
    "tabs inside of a text": 'b"a: |\\n" + b" \\tx\\n" * 1_000_000',
    "a key of 4 MB": 'b"? " + b"k" * 4_000_000 + b"\\n: 1\\n"',
    "a key of 4 MB in a map of things": 'b"profile: local\\nfiles: {? /" + b"k" * 4_000_000 + b" : {a: 1}}\\n"',
    "a key of 4 MB, twice": 'b"? " + b"k" * 4_000_000 + b"\\n: 1\\n? " + b"k" * 4_000_000 + b"\\n: 1\\n"',
    "a plain key of 4 MB": 'b"k" * 4_000_000 + b": 1\\n"',
    "a number of a million digits": 'b"a: " + b"9" * 1_000_000',
    "a decimal of a million digits": 'b"profile: local\\ndrift: " + b"9" * 1_000_000 + b".5"',
    "a fraction of a million digits": 'b"profile: local\\ndrift: 0." + b"9" * 1_000_000',
    "a key that is a million digits": 'b"9" * 1_000 + b": 1\\n"',
    "an anchor of a megabyte": 'b"a: &" + b"x" * 1_000_000 + b" 1\\n"',
    "a tag of a megabyte": 'b"a: !" + b"x" * 1_000_000 + b" 1\\n"',
    "NUL": 'b"\\0" * 1_000_000',
    "UTF-16": '"profile: local\\n".encode("utf-16")',
    "UTF-32": '"profile: local\\n".encode("utf-32")',
    "Latin-1 at the end of 15 MB": 'b"#\\n" * 7_500_000 + b"\\xe9"',
    "a lone surrogate": 'b"a: \\xed\\xa0\\x80\\n"',
    "a BOM inside": '"profile: local\\n\\ufeffa: 1\\n".encode()',
    "a second BOM": '"\\ufeff\\ufeffprofile: local\\n".encode()',
    "ten thousand mistakes": 'b"profile: local\\nprosody:\\n" + b"".join(b"  k%d: yes\\n" % n for n in range(10_000))',
    "unknown keys by the thousand": 'b"".join(b"prosody%d: 1\\n" % n for n in range(20_000))',
    "names by the thousand": 'b"profile: <" + b"<a>" * 1_000_000 + b"\\n"',
    "unknown names by the thousand": 'b"profile: local\\ndrift: \\"" + b"".join(b"<v%d>" % n for n in range(50_000))'
    ' + b"\\""',
    "names without end": 'b"vars:\\n  a0: aaaaaaaaaa\\n" + b"".join(b"  a%d: %s\\n" % (n, b"<a%d>" % (n - 1) * 10)'
    " for n in range(1, 30))",
    "a chain of variables": 'b"vars:\\n" + b"".join(b"  a%d: <a%d>\\n" % (n, n + 1) for n in range(10_000))',
    "a chain of bodies": 'b"prosody:\\n virtual_hosts:\\n" + b"".join(b"  .b%d: {extends: .b%d}\\n" % (n, n + 1) '
    "for n in range(5_000))",
    "quotes left open": 'b"a: \\"" + b"x\\n" * 1_000_000',
    "comments alone": 'b"# x\\n" * 3_000_000',
    "documents by the million": 'b"---\\n" * 1_000_000',
    "directives by the thousand": 'b"%TAG !a! !b\\n" * 100_000 + b"---\\n"',
}

_RUNNER = """
import json, os, resource, sys, time
sys.path.insert(0, sys.argv[1])
from schemas.errors import SpecError
from schemas.load import Blob, Facts, load

def memory(word):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(word))

def slowness():
    # how much longer a known piece of work takes than on a quiet machine: this one may be busy with other tests
    begun = time.process_time()
    seen = {}
    for number in range(120_000):
        seen[number & 255] = (number, str(number))
    return max(1, (time.process_time() - begun) / 0.025)

def mistakes(data):
    try:
        load({"hosts/a.yaml": Blob(data)}, "a", Facts())
    except SpecError as error:
        return error.mistakes
    return ()

def measure(data):
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")  # the peak is forgotten
    before, slow, begun = memory("VmRSS"), slowness(), time.process_time()
    told = mistakes(data)
    seconds = time.process_time() - begun
    return {
        "seconds": seconds * 2 / (slow + slowness()),
        "megabytes": (memory("VmHWM") - before) / 1024,
        "told": [[m.mark.file, m.mark.line, m.mark.column, str(m)] for m in told],
    }

mistakes(b"profile: local\\nprosody: {virtual_hosts: [a.test]}\\nfiles: {/x: {content: a}}\\n")
mistakes(b"profile: lokal")
for line in sys.stdin:
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
        print(json.dumps(measure(eval(line))), flush=True)
        os._exit(0)
    if os.wait()[1]:
        print("null", flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    seconds: float
    megabytes: float
    told: list[tuple[str, int, int, str]]


class Runner:
    """A process that forks one for each file."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", _RUNNER, str(HOUSE)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def cost(self, data: str) -> Cost | None:
        """What it costs to load the file that this expression makes; None when that ended it."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{data}\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        return found and Cost(**found)

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    found = Runner()
    yield found
    found.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_little(name: str, runner: Runner) -> None:
    """And is told in lines that a person can read."""
    found = runner.cost(HOSTILE[name])
    assert found is not None
    assert found.told
    assert found.seconds < SECONDS
    assert found.megabytes < MEGABYTES
    for file, line, column, text in found.told:
        assert file == "hosts/a.yaml"
        assert (line and column) or "bytes, but may have" in text
        assert len(text) < 1000
        assert "\n" not in text


if __name__ == "__main__":
    runner = Runner()
    for name, data in HOSTILE.items():
        if len(sys.argv) > 1 and sys.argv[1] not in name:
            continue
        found = runner.cost(data)
        if found is None:
            print(f"{name:40} was ended by its limits")
            continue
        longest = max((len(text) for *_, text in found.told), default=0)
        first = found.told[0][3][:150] if found.told else "-"
        print(
            f"{name:40} {found.seconds:5.2f} s {found.megabytes:6.1f} MB {len(found.told):5} told, {longest}: {first}"
        )
    runner.close()
