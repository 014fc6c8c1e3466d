"""`prosodist show`: what all files of one host come to, each line with the place that said it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from agent.bounded import TooDear, Worker
from agent.source.tree import Tree, directory_tree
from schemas import written
from schemas.errors import Mark, Mistake, SpecError
from schemas.load import Facts, load_document
from schemas.nodes import Map, Scalar

T = TypeVar("T")


def show(directory: str, host: str, facts: Facts) -> str:
    """The combined document as YAML that says the same by itself. Raises SpecError, SourceRefused."""
    return _read(directory, host, facts, _text)


def show_json(directory: str, host: str, facts: Facts) -> dict[str, Any]:
    """The same for programs: the document, and the way to each value with its place."""
    return _read(directory, host, facts, _json)


def _read(directory: str, host: str, facts: Facts, make: Callable[[Tree, str, Facts], T]) -> T:
    tree = directory_tree(Path(directory))
    try:
        with Worker(tree) as worker:
            shown: T = worker.call(make, host, facts)
            return shown
    except TooDear as error:
        what = f"loading {error}; make it smaller"
        raise SpecError([Mistake(mark=Mark(f"hosts/{host}.yaml", 1, 1), text=what)]) from None


def _text(tree: Tree, host: str, facts: Facts) -> str:
    _, document = load_document(tree, host, facts)
    unknown = {name for name, value in (("home", facts.home), ("user", facts.user)) if value is None}
    return written.show(written.write(document, frozenset(unknown | _read_on_the_host(document))))


def _read_on_the_host(document: Map) -> set[str]:
    """Variables that the host supplies: their names stay as they are."""
    said = document.entries["vars"].value if "vars" in document.entries else None
    entries = said.entries if isinstance(said, Map) else {}
    return {str(name) for name, entry in entries.items() if not isinstance(entry.value, Scalar)}


def _json(tree: Tree, host: str, facts: Facts) -> dict[str, Any]:
    spec, document = load_document(tree, host, facts)
    places = [
        {"way": list(way), "file": mark.file, "line": mark.line, "column": mark.column}
        for way, mark in written.origins(document)
    ]
    return {"host": host, "digest": spec.digest, "document": written.plain(document), "origins": places}
