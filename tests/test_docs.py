"""What the pages in docs/ say is so."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from agent.log import EVENTS
from tests.repositories import GitRepository

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/add-a-reconciler.md"

CONVERGE = """
import json, sys
from pathlib import Path
from agent.loop import single
from agent.settings import load_settings
config = Path(sys.argv[1])
with single(load_settings(config), config) as engine:
    print(json.dumps(engine.reconcile().to_json()))
    print(json.dumps(engine.reconcile().to_json()))
"""


def test_every_event_stands_in_operations() -> None:
    """An admin who greps the log for an event finds it on the page, with its meaning."""
    page = (ROOT / "docs/operations.md").read_text()
    missing = [name for name, meaning in EVENTS.items() if f"| `{name}` | {meaning} |" not in page]
    assert not missing, f"docs/operations.md lacks {missing}"


def test_a_reconciler_is_added_as_the_page_says(home: Path, git_repo: Callable[[], GitRepository]) -> None:
    """Its three steps, followed to the letter on a copy of the program, type-check and converge a host."""
    field, module, entry = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    program = home / "program"
    for room in ("agent", "reconcilers", "schemas"):
        shutil.copytree(ROOT / room, program / room, ignore=shutil.ignore_patterns("__pycache__"))
    _after(program / "schemas/desired/__init__.py", "    profile: ", _lines(field)[-1], indent="    ")
    (program / "reconcilers/greeting.py").write_text(module)
    joined = program / "reconcilers/__init__.py"
    joined.write_text(
        joined.read_text().replace("from reconcilers import (\n", "from reconcilers import (\n    greeting,\n")
    )
    binding, row = _lines(entry)[0], _lines(entry)[-1].strip()
    _after(joined, "_files: ", binding)
    _after(joined, "    bind(_files)", row, indent="    ")
    mypy = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "reconcilers", "schemas"]
    checked = subprocess.run(mypy, cwd=program, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout

    repository = git_repo()
    repository.commit({"hosts/a.test.yaml": "profile: local\ngreeting: Hello from git\n"})
    repository.push()
    (home / "home").mkdir()
    config = home / "agent.yaml"
    config.write_text(
        f"repository: {repository.bare}\nhost: a.test\nprofile: local\nhome: {home}/home\n"
        f"state_dir: {home}/state\nage_key: {home}/keys/age\n"
    )
    converge = [sys.executable, "-c", CONVERGE, str(config)]
    done = subprocess.run(converge, cwd=program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = (line for line in done.stdout.splitlines() if line.startswith("{"))
    assert (home / "home/greeting").read_text() == "Hello from git\n"
    assert '"result": "changed"' in first and '"greeting:' in first
    assert '"result": "in_sync"' in second


def _lines(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.strip() and not line.startswith("# ")]


def _after(path: Path, beginning: str, line: str, *, indent: str = "") -> None:
    """Write a line after the one that begins so."""
    lines = path.read_text().splitlines()
    at = next(number for number, text in enumerate(lines) if text.startswith(beginning))
    lines.insert(at + 1, indent + line.strip())
    path.write_text("\n".join(lines) + "\n")
