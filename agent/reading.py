"""From a tree of git to what one host is to be: loaded, its templates tried, its paths fenced, all within limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from agent.bounded import TooDear, Worker
from reconcilers import render
from reconcilers.ports import placeholder_ports
from schemas.desired import HostFile, HostSpec
from schemas.errors import Mark, Mistake, SpecError
from schemas.load import Facts, Tree, load

Judge = Callable[[PurePosixPath], str]
"""Why a push may not touch this path; empty when it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads this host's desired state from a commit's tree."""

    name: str
    facts: Facts
    may_write: Judge | None = None
    may_read: Judge | None = None

    def read(self, tree: Tree) -> HostSpec:
        """Raises SpecError with every mistake."""
        try:
            with Worker(tree) as worker:
                spec = worker.call(read_host, self.name, self.facts)
        except TooDear as error:
            raise _too_dear(f"hosts/{self.name}.yaml", error) from None
        if mistakes := list(_beyond_the_fence(spec, self.may_write, self.may_read)):
            raise SpecError(mistakes)
        return spec


class Renderer:
    """Renders templates in a worker that lives from the first template of a pass to the pass's end."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def render(self, name: str, text: bytes, variables: Mapping[str, Any]) -> bytes:
        """A template's text. Raises SpecError."""
        if self._worker is None:
            self._worker = Worker()
        try:
            return self._worker.call(_render, name, text, dict(variables))
        except TooDear as error:
            raise _too_dear(name, error) from None

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def read_host(tree: Tree, name: str, facts: Facts) -> HostSpec:
    """Load, and render every template once. Raises SpecError."""
    try:
        spec = load(tree, name, facts)
    except SpecError as error:
        raise SpecError([*error.mistakes, *_unreadable_templates(tree)]) from None
    trial = render.check_templates(spec, fqdn=facts.fqdn or name, ports=placeholder_ports(spec))
    if mistakes := list(trial):
        raise SpecError(mistakes)
    return spec


def _unreadable_templates(tree: Tree) -> Iterator[Mistake]:
    """With a document that says nothing certain, templates can at least be read."""
    for path in sorted(tree):
        if path.startswith("templates/") and path.endswith(".j2"):
            yield from render.check_syntax(path, tree[path].data)


def _render(_: object, name: str, text: bytes, variables: Mapping[str, Any]) -> bytes:
    return render.render(name, text, variables)


def _too_dear(file: str, error: TooDear) -> SpecError:
    what = f"loading or rendering {error}; make the document or the template smaller"
    return SpecError([Mistake(mark=Mark(file), text=what)])


def _beyond_the_fence(spec: HostSpec, may_write: Judge | None, may_read: Judge | None) -> Iterator[Mistake]:
    for path, entry in spec.host.files.items():
        if may_write and (why := may_write(PurePosixPath(path))):
            yield _closed(spec, ("files", path), f"a push may not write there: {why}")
        refs = [entry.content, *entry.vars.values()]
        for ref in refs:
            if may_read and isinstance(ref, HostFile) and (why := may_read(PurePosixPath(ref.host_file))):
                yield _closed(spec, ("files", path), f"a push may not read {ref.host_file}: {why}")


def _closed(spec: HostSpec, way: tuple[str, ...], text: str) -> Mistake:
    return Mistake(
        mark=spec.origin(*way) or Mark(f"hosts/{spec.name}.yaml"), subject=".".join(way), text=text
    )
