"""Tries the loader and the Lua serializer with what nobody would write, for as long as one likes.

    python tests/fuzz                  ten minutes
    python tests/fuzz --minutes 1
    python tests/fuzz --seed 12345     one try again, with its traceback

Ends with 1 when it found something; each find is told with the seed that brings it back.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from pathlib import Path

sys.path[:0] = map(str, [*Path(__file__).parents[1:3], Path(__file__).parent])

from loader import try_loader  # noqa: E402
from serializer import try_serializer  # noqa: E402

_SERIALIZED_EVERY = 50
_MOST_FINDS = 20


def try_one(seed: int) -> None:
    """What this seed stands for."""
    if seed % _SERIALIZED_EVERY:
        try_loader(seed)
    else:
        try_serializer(seed)


def fuzz(*, seconds: float, first: int) -> tuple[int, dict[str, tuple[int, str]]]:
    """Tries made, and of every kind of find the first seed with its words."""
    finds: dict[str, tuple[int, str]] = {}
    seed, until = first, time.monotonic() + seconds
    while time.monotonic() < until and len(finds) < _MOST_FINDS:
        try:
            try_one(seed)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{place.filename}:{place.lineno}: {type(error).__name__}"
            finds.setdefault(kind, (seed, str(error)[:300]))
        seed += 1
    return seed - first, finds


def main() -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int)
    given = parser.parse_args()
    if given.seed is not None:
        try_one(given.seed)
        return 0
    first = random.SystemRandom().randrange(10**9)
    tries, finds = fuzz(seconds=given.minutes * 60, first=first)
    for kind, (seed, words) in finds.items():
        print(f"{kind}: {words}\n    python tests/fuzz --seed {seed}")
    print(f"{tries} tries from seed {first}: {len(finds)} finds")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
