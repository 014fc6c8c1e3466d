"""The house stands: imports run downward, each effect has one door, files and functions stay readable."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

STOREYS = ("schemas", "reconcilers", "agent")
"""From the ground up: each may import itself and what is before it."""

UNREACHABLE = (
    "os",
    "subprocess",
    "socket",
    "sqlite3",
    "pathlib.Path",
    "pathlib.PosixPath",
    "shutil",
    "io.open",
)
"""What the two lower storeys may not have: ways to the machine. `pathlib.PurePosixPath` is only a name."""

DOORS = {
    "subprocess": ("agent/processes",),
    "pygit2": ("agent/source", "agent/mirror"),
    "sqlite3": ("agent/state",),
    "structlog.configure": ("agent/log",),
}
"""Where alone each of these may be used; each place is a module or a package."""

LONGEST_FUNCTION, LONGEST_FILE = 60, 350


def broken(root: Path) -> list[str]:
    """Every place where the sources below a directory break a rule of the house."""
    found: list[str] = []
    for storey in STOREYS:
        for path in sorted((root / storey).rglob("*.py")):
            source = path.read_text()
            place = path.relative_to(root).as_posix()
            found += [f"{place}:{line}: {what}" for line, what in faults(place, ast.parse(source))]
            if (length := len(source.splitlines())) > LONGEST_FILE:
                found.append(f"{place}: {length} lines; a file tells one story, in {LONGEST_FILE} at most")
    return found


def faults(place: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines and faults of one file."""
    storey = place.split("/")[0]
    above = STOREYS[STOREYS.index(storey) + 1 :]
    for line, name in used(tree):
        if name.split(".")[0] in above:
            yield line, f"imports {name}, which is above {storey}"
        if storey != "agent" and any(within(name, closed) for closed in UNREACHABLE):
            yield line, f"uses {name}; only agent/ reaches the machine"
        for door, keepers in DOORS.items():
            if within(name, door) and not any(is_at(place, keeper) for keeper in keepers):
                yield line, f"uses {name}; that is for {' or '.join(keepers)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield (
                    node.lineno,
                    f"{node.name}: {length} lines; a function fits a screen, {LONGEST_FUNCTION}",
                )
        if storey != "agent" and isinstance(node, ast.Call) and is_open(node.func):
            yield node.lineno, "calls open; only agent/ reaches the machine"


def used(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each imported module or name, and each dotted use of one (`pathlib.Path` after `import pathlib`)."""
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield node.lineno, f"{node.value.id}.{node.attr}"


def within(name: str, closed: str) -> bool:
    """Whether a dotted name is the closed one or below it."""
    return name == closed or name.startswith(closed + ".")


def is_at(place: str, keeper: str) -> bool:
    """Whether a file is that module, or of that package."""
    return place == keeper + ".py" or place.startswith(keeper + "/")


def is_open(function: ast.expr) -> bool:
    """Whether a call is of the builtin `open`."""
    return isinstance(function, ast.Name) and function.id == "open"


def test_the_sources_keep_the_rules_of_the_house() -> None:
    """No import runs upward, no effect has a second door, no file or function has outgrown its story."""
    assert not broken(ROOT), "\n" + "\n".join(broken(ROOT))


@pytest.mark.parametrize(
    ("place", "source", "fault"),
    [
        ("schemas/a.py", "from reconcilers.files import plan", "imports reconcilers.files.plan"),
        ("reconcilers/a.py", "import agent", "imports agent, which is above reconcilers"),
        ("reconcilers/a.py", "def f():\n    import os.path", "uses os.path"),
        ("schemas/a.py", "from pathlib import Path, PurePosixPath", "uses pathlib.Path;"),
        ("schemas/a.py", "import pathlib\npathlib.Path('/')", "uses pathlib.Path;"),
        ("reconcilers/a.py", "open('/etc/passwd')", "calls open"),
        ("agent/host.py", "from subprocess import run", "that is for agent/processes"),
        ("agent/cli.py", "import pygit2", "that is for agent/source or agent/mirror"),
        ("agent/statement.py", "import sqlite3", "that is for agent/state"),
        ("agent/cli.py", "import structlog\nstructlog.configure()", "that is for agent/log"),
        ("agent/a.py", "def f():\n" + "    pass\n" * 60, "f: 61 lines"),
        ("agent/a.py", "pass\n" * 351, "351 lines"),
    ],
)  # fmt: skip
def test_each_rule_can_fail(tmp_path: Path, place: str, source: str, fault: str) -> None:
    """A planted tree that breaks one rule is told of that rule, and of no other."""
    (tmp_path / place).parent.mkdir()
    (tmp_path / place).write_text(source)
    (told,) = broken(tmp_path)
    assert told.startswith(place)
    assert fault in told


def test_what_is_allowed_is_not_told(tmp_path: Path) -> None:
    """Downward imports, names of paths and the keepers of the doors break nothing."""
    for place, source in {
        "reconcilers/a.py": "from pathlib import PurePosixPath\nfrom schemas.plan import Change",
        "agent/processes.py": "import os, subprocess\nfrom pathlib import Path",
        "agent/state/store.py": "import sqlite3",
        "agent/log.py": "import structlog\nstructlog.configure()",
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(source)
    assert broken(tmp_path) == []
