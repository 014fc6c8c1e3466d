"""What the fuzzer begins with: every broken document of the corpus, and every document that the page shows."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

HOUSE = Path(__file__).parent.parent.parent
_PAGE = HOUSE / "docs/desired-state.md"

Files = dict[str, bytes]


@cache
def seeds() -> tuple[Files, ...]:
    """Small repositories with a host `a`, path → text."""
    return (*_broken(), *_shown())


@cache
def words() -> tuple[bytes, ...]:
    """Keys and values of the language, for planting in places where they do not belong."""
    text = b"\n".join(data for files in seeds() for data in files.values())
    return tuple(sorted(set(re.findall(rb"[\w.<>/@-]{2,30}", text))))


def _broken() -> list[Files]:
    found = []
    for path in sorted((HOUSE / "tests/schemas/bad").glob("*.cases")):
        for chunk in re.split(r"^=== ", path.read_text(), flags=re.MULTILINE)[1:]:
            parts = re.split(r"^--- (\S+)\n", chunk, flags=re.MULTILINE)[1:]
            files = {name: text.encode() for name, text in zip(parts[::2], parts[1::2], strict=True)}
            found.append({name: data for name, data in files.items() if name != "mistakes"})
    return [files for files in found if "hosts/a.yaml" in files]


def _shown() -> list[Files]:
    if not _PAGE.exists():
        return []
    blocks = re.findall(r"^```yaml\n(.*?)^```$", _PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [{"hosts/a.yaml": block.encode()} for block in blocks]
