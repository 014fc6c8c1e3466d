"""Debian's own order of versions (Debian Policy, 5.6.12), without asking dpkg."""

from __future__ import annotations

import re

Part = tuple[tuple[int, ...] | int, ...]
Rank = tuple[int, Part, Part]


def rank(version: str) -> Rank:
    """What versions are sorted by: `[epoch:]upstream[-revision]`. Without an epoch it is 0, without a revision too."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    return int(epoch) if epoch.isdecimal() else 0, _part(upstream), _part(revision)


def _part(text: str) -> Part:
    """Text and number by turns; what has ended counts as more than `~` and less than all else."""
    turns: list[tuple[int, ...] | int] = []
    for letters, digits in re.findall(r"([^0-9]*)([0-9]*)", text or "0")[:-1]:
        turns += [(*map(_weight, letters), 0), int(digits or 0)]
    return (*turns, (0,))


def _weight(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
