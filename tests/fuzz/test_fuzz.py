"""A short run of the fuzzer; `python tests/fuzz` goes on for longer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_nothing_is_found_in_a_few_seconds() -> None:
    """Another beginning each time; a find is told with its seed."""
    ran = subprocess.run([sys.executable, HERE, "--minutes", "0.1"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_find_is_told_with_its_seed() -> None:
    """A fuzzer that finds nothing because it tries nothing would look the same."""
    script = (
        f"import sys; sys.path[:0] = {[str(HERE.parent.parent), str(HERE.parent), str(HERE)]!r}\n"
        "import runpy, loader\n"
        "loader.SECONDS = 0\n"
        "sys.argv = ['fuzz', '--minutes', '0.02']\n"
        f"runpy.run_path({str(HERE)!r}, run_name='__main__')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "it takes too long" in ran.stdout
    assert "python tests/fuzz --seed" in ran.stdout
