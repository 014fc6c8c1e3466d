"""What dpkg remembers, read where it writes it: installed versions, and which conffiles are still the package's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import PurePosixPath

STATUS = PurePosixPath("/var/lib/dpkg/status")
_INSTALLED, _HELD = b"\nStatus: install ok installed\n", b"\nStatus: hold ok installed\n"
"""dpkg(1), "Package states"."""


def installed(status: bytes) -> Mapping[str, str]:
    """Package → version of everything that is wholly installed; of several architectures, that of the host's own."""
    found: dict[str, str] = {}
    own = _architecture(status)
    for name, paragraph in _paragraphs(status, _INSTALLED, _HELD):
        version = _field(paragraph, "Version")
        if version and (name not in found or _field(paragraph, "Architecture") == own):
            found[name] = version
    return found


def _architecture(status: bytes) -> str:
    """The host's own: dpkg itself is there for no other."""
    start = status.find(b"Package: dpkg\n")
    return _field(status[start : status.find(b"\n\n", start)], "Architecture")


def listed_as(status: bytes, package: str) -> str:
    """How dpkg calls it in /var/lib/dpkg/info: one that may be there for several architectures with its own behind."""
    _, _, rest = (b"\n\n" + status).partition(b"\n\nPackage: %s\n" % package.encode())
    paragraph = rest.partition(b"\n\n")[0]
    is_one_of_many = _field(paragraph, "Multi-Arch") == "same"
    return f"{package}:{_field(paragraph, 'Architecture')}" if is_one_of_many else package


def held(status: bytes) -> frozenset[str]:
    """Packages that are installed, and that no program upgrades."""
    return frozenset(name for name, _ in _paragraphs(status, _HELD))


def half_done(status: bytes) -> frozenset[str]:
    """Packages that were left in the middle of being unpacked or configured: they may run, and are not installed."""
    if not is_half_done(status):
        return frozenset()
    return frozenset(name for name, paragraph in _paragraphs(status, b"\nStatus: ") if is_half_done(paragraph))


def is_half_done(status: bytes) -> bool:
    """Whether a package was left so."""
    return re.search(rb"^Status: \S+ \S+ (half-|unpacked|triggers-)", status, re.MULTILINE) is not None


def needed_by(status: bytes, leaving: Set[str]) -> Mapping[str, str]:
    """Each of the packages that are `leaving` without which one that stays would lack something → that one.

    Who else has an alternative, or provides it, is asked by name alone; dpkg looks at versions too when it removes.
    """
    staying = [(name, text) for name, text in _paragraphs(status, _INSTALLED, _HELD) if name not in leaving]
    there = {name for name, _ in staying}.union(*(_names(_field(text, "Provides")) for _, text in staying))
    needed: dict[str, str] = {}
    for name, text in staying:
        for clause in f"{_field(text, 'Depends')},{_field(text, 'Pre-Depends')}".split(","):
            ways = _names(clause.replace("|", ","))
            if ways and not ways & there:
                needed |= dict.fromkeys(ways & leaving, name)
    return needed


def _paragraphs(status: bytes, *states: bytes) -> Iterator[tuple[str, bytes]]:
    for paragraph in status.split(b"\n\n"):
        if any(state in paragraph for state in states):
            name = re.match(rb"Package: (\S+)", paragraph.lstrip())
            if name:
                yield name[1].decode(), paragraph


def _field(paragraph: bytes, name: str) -> str:
    found = re.search(rb"^%s: (.+)" % name.encode(), paragraph, re.MULTILINE)
    return found[1].decode() if found else ""


def _names(relations: str) -> set[str]:
    """`a (>= 1), b:any` → a, b (Debian Policy, 7.1)."""
    return {found for text in relations.split(",") if (found := re.split(r"[\s(:\[]", text.strip(), maxsplit=1)[0])}


def is_untouched(status: bytes, path: PurePosixPath, content: bytes) -> bool:
    """Whether a conffile is as its package brought it."""
    line = re.search(rf"^ {re.escape(str(path))} ([0-9a-f]{{32}})".encode(), status, re.MULTILINE)
    return line is not None and line[1].decode() == hashlib.md5(content, usedforsecurity=False).hexdigest()
