"""docs/desired-state.md as repositories: what stands in its blocks, and a stub for every file that they name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyrage

from schemas.load import Blob

PAGE = Path(__file__).parent.parent.parent / "docs/desired-state.md"

_BLOCK = re.compile(r"^```(yaml|jinja)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"\b(?:files|templates|secrets|shared)/[\w.-]+(?:/[\w.-]+)*")
_DIRECTORY = re.compile(r"\b(?:tree|own: \{source): ([\w./-]+)")


@dataclass(frozen=True, kw_only=True)
class Section:
    """One `##` of the page: a repository by its files' paths."""

    title: str
    files: dict[str, str]

    def tree(self) -> dict[str, Blob]:
        """With a stub for each file that is named and stands in no block."""
        tree = {path: Blob(content.encode()) for path, content in self.files.items()}
        return {**stubs("".join(self.files.values())), **tree}


def stubs(text: str) -> dict[str, Blob]:
    """A file for each path of the repository that a document names; in a directory one, a module."""
    directories = set(_DIRECTORY.findall(text))
    found = {f"{path}/mod_stub.lua" if path in directories else path for path in _NAMED.findall(text)}
    return {path: Blob(_stub(path)) for path in found}


def shape() -> str:
    """The block that shows every key."""
    block: str = _BLOCK.findall(PAGE.read_text())[0][1]
    return block


def sections() -> list[Section]:
    """Every section with blocks of files, as a repository."""
    found = []
    for text in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        files: dict[str, str] = {}
        for language, block in _BLOCK.findall(text):
            files |= _yaml(block) if language == "yaml" else _templates(block)
        if files:
            found.append(Section(title=text.partition("\n")[0], files=files))
    return found


def _stub(path: str) -> bytes:
    if path.startswith("shared/"):
        return b"drift: correct\n"
    return _sealed() if path.startswith("secrets/") else b"stub\n"


@cache
def _sealed() -> bytes:
    return pyrage.encrypt(b"stub", [pyrage.x25519.Identity.generate().to_public()])


def _yaml(block: str) -> dict[str, str]:
    named = re.match(r"# ((?:hosts|shared)/[\w.-]+\.yaml)", block)
    return {named[1]: block} if named else {}


def _templates(block: str) -> dict[str, str]:
    parts = re.split(r"\{# (templates/[\w.-]+)[^#]*#\}\n?", block)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
