"""`prosodist validate`, as a whole process: one typical host, and a hundred that share two files."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench import house, meter
from tests.bench.figures import Figure

TIMES = 20
HOSTS = 100
LIBRARIES = "import pydantic, msgspec, yaml._yaml, jinja2.sandbox; pydantic.BaseModel, pydantic.TypeAdapter"
"""All that validate imports beside Python itself and us."""

MODULES = """\
prosody:
  admins: [admin@example.org]
  modules_enabled: [
    roster, saslauth, tls, dialback, disco, blocklist, carbons, csi_simple, mam, pep, smacks, vcard4, vcard_legacy,
    bookmarks, limits, ping, time, uptime, version, admin_shell]
  limits: {c2s: {rate: 10kb/s}, s2sin: {rate: 30kb/s}}
"""
BODIES = """\
prosody:
  virtual_hosts:
    .default:
      http_host: http.<host>
      components: {rooms: {module: muc, name: Rooms of <host>}, upload: http_file_share}
"""


def measure() -> Iterator[Figure]:
    """CPU, since a process that waits for nothing is its CPU; by the clock beside it."""
    with tempfile.TemporaryDirectory() as directory:
        one, many = Path(directory, "one"), Path(directory, "many")
        _write(
            one, {f"hosts/{house.HOST}.yaml": house.host_file(files=house.FILES), "templates/page.j2": house.TEMPLATE}
        )
        _write(many, {"shared/modules.yaml": MODULES, "shared/bodies.yaml": BODIES, **_hosts()})
        yield _as_imports(one)
        yield _many(many)


def _as_imports(checkout: Path) -> Figure:
    bare = statistics.median(_cpu([sys.executable, "-c", LIBRARIES]))
    found = statistics.median(_cpu(_validate(checkout)))
    return Figure(
        what="`validate` of a typical host: CPU, over bare imports of its libraries",
        limit="2.5",
        found=f"{found / bare:.2f} ({found:.0f} ms)",
        beside=f"the imports {bare:.0f} ms",
        met=found / bare <= 2.5,
    )


def _many(checkout: Path) -> Figure:
    wall = [meter.run(_validate(checkout), env=_environment()).wall / 1000 for _ in range(5)]
    cpu = statistics.median(_cpu(_validate(checkout), 5)) / 1000
    return Figure(
        what=f"`validate` of {HOSTS} hosts sharing two files",
        limit="2 s",
        found=f"{meter.middle_and_worst(wall, digits=2)} s; CPU {cpu:.2f}",
        met=statistics.median(wall) <= 2,
    )


def _hosts() -> Mapping[str, str]:
    return {f"hosts/host{number}.example.yaml": _host(number) for number in range(HOSTS)}


def _host(number: int) -> str:
    lines = ["profile: local", "extends: [shared/modules.yaml, shared/bodies.yaml]", "prosody:", "  virtual_hosts:"]
    lines += [f"    v{inner}.host{number}.example: {{allow_registration: false}}" for inner in range(5)]
    lines += ["files:", *(f'  <home>/file{inner}: {{content: "{number}"}}' for inner in range(10))]
    return "\n".join(lines) + "\n"


def _write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def _validate(checkout: Path) -> list[str | Path]:
    return [sys.executable, "-m", "agent", "validate", checkout]


def _cpu(argv: list[str | Path] | list[str], times: int = TIMES) -> list[float]:
    return [meter.run(argv, env=_environment()).cpu for _ in range(times)]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(house.CHECKOUT)}
