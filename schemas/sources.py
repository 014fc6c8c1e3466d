"""The files of the repository that a host copies, renders or opens: each must be there, and be no link."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from schemas.desired import Source
from schemas.desired.texts import found
from schemas.documents import Tree, near
from schemas.errors import Mark
from schemas.findings import Findings
from schemas.nodes import Map, Scalar
from schemas.places import places
from schemas.sealed import fault, is_armored

_FILES = (
    ("prosody", "template"),
    ("files", "*", "source"),
    ("files", "*", "template"),
    ("apt_sources", "*", "signed_by"),
    ("certificates", "*", "issuers", "*", "ca"),
    ("jobs", "*", "script"),
)
_DIRECTORIES = {("files", "*", "tree"): "tree", ("prosody", "plugins", "*", "source"): "modules"}
"""The places that name a path of the repository."""
_UNSPEAKABLE = re.compile("[\\x00-\\x1f\\x7f\\ud800-\\udfff]")
"""Surrogates stand for bytes that are no UTF-8 (PEP 383)."""


def gather_sources(
    root: Map, tree: Tree, findings: Findings, sealed: Iterable[tuple[str, Mark]] = ()
) -> dict[str, Source]:
    """Repository path → file: each that is named, all below a directory that is, and the age files of `sealed`.

    `sealed` holds what stands under each `age` of the document, and where; an encrypted text is only looked at.
    """
    sources: dict[str, Source] = {}
    files = [("age", text, mark) for text, mark in sealed if not is_armored(text.encode())]
    for text, mark in sealed:
        if is_armored(text.encode()) and (what := fault(text.encode())):
            findings.add(mark, f"the encrypted text {what}")
    for kind, path, mark in (*_named(root), *files):
        odd = next((p for p in _way_to(path) if p in tree and (tree[p].link or tree[p].submodule)), None)
        if odd is not None:
            what = "a submodule, which is another" if tree[odd].submodule else "a symbolic link in the"
            findings.add(mark, f"{odd} is {what} repository; put the file itself there")
        elif kind in _DIRECTORIES.values():
            _add_below(kind, path, mark, tree, sources, findings)
        elif path in tree:
            sources[path] = Source(data=tree[path].data, executable=tree[path].executable)
            if kind == "age" and (what := fault(sources[path].data)):
                findings.add(mark, f"{path} {what}")
        elif any(file.startswith(f"{path}/") for file in tree):
            instead = f"write tree: {path}" if kind == "source" else "name a file in it"
            findings.add(mark, f"{path} is a directory of the repository; {instead}")
        else:
            findings.add(mark, f"there is no file {path} in the repository; {near(path, tree)}")
    return sources


def _add_below(kind: str, path: str, mark: Mark, tree: Tree, sources: dict[str, Source], findings: Findings) -> None:
    if path in tree:
        instead = f"write source: {path}" if kind == "tree" else "name the directory that it is in"
        findings.add(mark, f"{path} is a file of the repository; {instead}")
        return
    below = [file for file in tree if file.startswith(f"{path}/")]
    if not below:
        findings.add(mark, f"there is no directory {path} in the repository; {near(path, tree, directories=True)}")
    for file in below:
        if tree[file].link:
            findings.add(mark, f"{file} is a symbolic link in the repository, which a tree does not copy; take it out")
        elif tree[file].submodule:
            findings.add(mark, f"{file} is a submodule, which is another repository; put its files themselves there")
        elif _UNSPEAKABLE.search(file):
            text = f"{found(file)} of the repository has a name with control characters or bytes that are no UTF-8"
            findings.add(mark, f"{text}; rename it")
        else:
            sources[file] = Source(data=tree[file].data, executable=tree[file].executable)


def _named(root: Map) -> Iterator[tuple[str, str, Mark]]:
    for way in (*_FILES, *_DIRECTORIES):
        for _, node in places(root, *way):
            if isinstance(node, Scalar) and isinstance(node.value, str) and _is_plain(node.value):
                yield _DIRECTORIES.get(way, way[-1]), node.value, node.mark


def _is_plain(text: str) -> bool:
    """Whether it is a path of the repository in its plain form; else the model says so."""
    path = PurePosixPath(text)
    return str(path) == text and not path.is_absolute() and ".." not in path.parts


def _way_to(path: str) -> Iterator[str]:
    whole = PurePosixPath(path)
    yield from (str(p) for p in reversed(whole.parents) if str(p) != ".")
    yield path
