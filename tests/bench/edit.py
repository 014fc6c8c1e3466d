"""A hand edit, and how soon it is in the log."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator

from tests.bench import meter
from tests.bench.figures import Figure
from tests.bench.house import FILES, House, converged

TIMES = 20
_TEXT = '{content: "as git says\\n"}'
_EDITED = {f"<home>/notes/{number}.txt": _TEXT for number in range(TIMES)}
_REPLACED = {f"<home>/notes/replaced{number}.txt": _TEXT for number in range(TIMES)}
_MOVED = {f"<home>/notes/moved{number}.txt": _TEXT for number in range(5)}


def measure() -> Iterator[Figure]:
    """Each file is edited once, so that no two edits are a fight."""
    with converged(files={**FILES, **_EDITED, **_REPLACED, **_MOVED}) as house:
        for what, names, edit, limit in (
            ("a hand edit → logged", _EDITED, _append, 50),
            ("an editor's rename over the file → logged", _REPLACED, _replace, 50),
            ("a file moved away → logged", _MOVED, _move_away, 1000),
        ):
            took = [_took(house, name.replace("<home>", str(house.home)), edit) for name in names]
            yield Figure(
                what=what,
                limit=f"{limit} ms",
                found=f"{meter.middle_and_worst(took)} ms",
                met=statistics.median(took) <= limit,
            )


def _took(house: House, path: str, edit: Callable[[str], None]) -> float:
    """Milliseconds until the log says so. Before, all is quiet and provable: the usual state of a host."""
    time.sleep(0.3)
    house.rest(quiet=0.1)
    after = house.log_file.stat().st_size
    began = time.perf_counter()
    edit(path)
    house.wait_log("drift.appeared", after=after)
    return (time.perf_counter() - began) * 1000


def _append(path: str) -> None:
    with open(path, "a") as file:
        file.write("by hand\n")


def _replace(path: str) -> None:
    with open(f"{path}.new", "w") as file:
        file.write("by hand\n")
    os.replace(f"{path}.new", path)


def _move_away(path: str) -> None:
    os.rename(path, os.path.join(os.path.dirname(os.path.dirname(path)), os.path.basename(path)))
