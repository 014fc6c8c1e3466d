"""From a file's bytes to its text: UTF-8, of a bearable size, and nothing in it that two readers see differently."""

from __future__ import annotations

import re

from schemas.errors import Mark
from schemas.findings import Findings

LARGEST_FILE = 16 * 2**20

# Not YAML's printable characters; nor NEL, LS and PS, which end a line for 1.1 alone; nor a BOM inside. Those that
# may stand are many more: a pattern that excludes them takes ten times as long to compile.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def decode(file: str, data: bytes, findings: Findings) -> str | None:
    """The text of a file; None when it has none, and `findings` say why."""
    if len(data) > LARGEST_FILE:
        findings.break_off(
            Mark(file), f"the file has {len(data)} bytes, but may have {LARGEST_FILE}; split it by extends"
        )
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode("utf-8-sig", "replace"))
        findings.break_off(
            Mark(file, line, column), f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        )
        return None
    bad = _UNREADABLE.search(text)
    if bad:
        point = ord(bad[0])
        escape = f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}"
        findings.break_off(
            Mark(file, *_place(text[: bad.start()])),
            f'the character U+{point:04X} may not stand here; in double quotes write "{escape}"',
        )
        return None
    return text


def count_breaks(text: str, start: int, end: int) -> int:
    """How many lines end within this part of a text: by LF, CR, or both as one."""
    return text.count("\n", start, end) + text.count("\r", start, end) - text.count("\r\n", start, end)


def _place(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what follows this text."""
    return 1 + count_breaks(before, 0, len(before)), len(before) - max(before.rfind("\n"), before.rfind("\r"))
