"""From a tree of git to what one host is to be: loaded, its templates tried, its paths fenced, all within limits."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from agent.bounded import TooDear, Worker, borrow
from agent.bounds import Bounds
from agent.lua import LuaJudge
from agent.source.tree import Entry
from agent.source.tree import Tree as SourceTree
from agent.warming import warm, warm_all, warm_templates
from reconcilers.alongside import beyond_the_fence, lint_templates
from reconcilers.given import used_templates, variables
from reconcilers.ports import placeholder_ports
from schemas.desired import Age, HostSpec, Source
from schemas.errors import Mark, Mistake, SpecError
from schemas.glimpse import Glimpse, glimpse
from schemas.load import Facts, Library, Tree, load, with_sources

Answer = TypeVar("Answer")

_MOST_ANSWERS = 1000
_MOST_TEXT = 2**20
"""Bytes of rendered text that are kept."""


class _Reading(Struct, frozen=True, kw_only=True):
    """A commit that was read without a mistake: what it says follows from these files, and from what files there are.

    Most commits of a repository change a file that is copied, or another host's: nothing need be loaded for those.
    """

    spec: HostSpec
    files: Mapping[str, Entry]
    names: bytes
    facts: Facts


class Reader(Struct, kw_only=True):
    """Reads this host's desired state from a commit's tree."""

    name: str
    facts: Facts
    bounds: Bounds | None = None
    """What a push may do on this host."""
    unopened: Callable[[HostSpec], Iterable[Mistake]] | None = None
    """The encrypted secrets that this host's key does not open; None on a machine without its key."""
    lua: LuaJudge | None = None
    prosody: Callable[[], str | None] = lambda: None
    """The version of Prosody that the host has now, which its options are checked against."""
    modules: Callable[[], frozenset[str] | None] = lambda: None
    """The modules that this Prosody would find by itself."""
    between: Callable[[], None] | None = None
    """Called now and then while a commit is loaded; may raise to end that."""
    beforehand: Worker | None = None
    """Reads the first commit: see `beforehand`."""
    _last: _Reading | None = None
    _passed: frozenset[bytes] = frozenset()
    """The trials of templates that passed in the last reading, and need not be made again."""

    def read(self, tree: SourceTree, *, accepted: bool = False) -> HostSpec:
        """Raises SpecError with every mistake.

        Of a revision that was accepted before, a secret that this host cannot open any more is none: its key was
        lost, and what needs the secret waits for it, while the rest goes on being enforced. Nor is an option that
        the host's Prosody has no more, since it was upgraded.
        """
        facts = replace(self.facts, prosody=self.prosody(), modules=self.modules(), is_accepted=accepted)
        spec = self._read_again(tree, facts)
        mistakes: list[Mistake] = []
        if spec is None:
            spec, mistakes = self._read_anew(tree, facts)
        mistakes += self.bounds.mistakes(spec, accepted=accepted) if self.bounds else ()
        mistakes += self.unopened(spec) if self.unopened and not accepted else ()
        if mistakes:
            raise SpecError([*mistakes, *self._in_lua(spec, mistakes)])
        files = {path: tree.entry(path) for path in spec.documents | spec.sources.keys()}
        self._last = _Reading(spec=spec, files=files, names=tree.names(), facts=facts)
        return spec

    def warm(self) -> None:
        """Build here what the document that was read last needs, so that the next child has it already."""
        warm(self._last.spec.host if self._last is not None else None)

    def _read_again(self, tree: SourceTree, facts: Facts) -> HostSpec | None:
        """The same document with other bytes in the files that are only copied; None when more has changed."""
        last = self._last
        if last is None or tree.names() != last.names or facts != last.facts:
            return None
        changed = {path for path, entry in last.files.items() if tree.entry(path) != entry}
        if not changed <= _only_copied(last.spec) or any(tree.entry(path).is_odd for path in changed):
            return None
        blobs = {path: tree[path] for path in changed}
        fresh = {path: Source(data=blob.data, executable=blob.executable) for path, blob in blobs.items()}
        return with_sources(last.spec, {**last.spec.sources, **fresh})

    def _read_anew(self, tree: SourceTree, facts: Facts) -> tuple[HostSpec, list[Mistake]]:
        at_work_on = f"hosts/{self.name}.yaml"
        mistakes: list[Mistake] = []
        try:
            with self._at_work(tree) as worker:
                spec = self._load(worker, facts, tree)
                trials = {name: self._trial(spec, name) for name in used_templates(spec)}
                for at_work_on in (name for name, trial in trials.items() if trial not in self._passed):
                    mistakes += worker.call(_try, at_work_on, self._fqdn)
        except TooDear as error:
            raise _too_dear(at_work_on, error) from None
        if not mistakes:
            self._passed = frozenset(trials.values())
        return spec, mistakes

    def _at_work(self, tree: SourceTree) -> Worker:
        """A worker with the tree before it."""
        worker, self.beforehand = self.beforehand, None
        if worker is None:
            return Worker(_Desk(tree=tree), between=self.between)
        worker.call(_lay, SourceTree({path: tree.entry(path) for path in tree}, borrow))
        return worker

    def _load(self, worker: Worker, facts: Facts, tree: SourceTree) -> HostSpec:
        """Raises SpecError with what else is wrong with the commit: that does not wait for the next push."""
        try:
            return worker.call(_load, self.name, facts, lend=tree.read)
        except SpecError as error:
            mistakes = list(error.mistakes)
        try:
            seen, wrong = worker.call(_glimpse, self.name, lend=tree.read)
        except TooDear:
            raise SpecError(mistakes) from None
        mistakes += wrong
        mistakes += beyond_the_fence(seen, self.facts.home, self.bounds.may_write) if self.bounds else ()
        mistakes += self.lua.fragments(seen.fragments) if self.lua else ()
        raise SpecError(mistakes)

    def _in_lua(self, spec: HostSpec, mistakes: Iterable[Mistake]) -> Iterable[Mistake]:
        if self.lua is None:
            return ()
        mistaken = {mistake.mark.file for mistake in mistakes}
        return (*self.lua.document(spec, mistaken=mistaken), *self.lua.modules(spec))

    @property
    def _fqdn(self) -> str:
        return self.facts.fqdn or self.name

    def _trial(self, spec: HostSpec, template: str) -> bytes:
        """Names all that decides how a trial of this template ends."""
        own = [entry.vars for entry in spec.host.files.values() if entry.template == template]
        seen = variables(spec, fqdn=self._fqdn, ports=placeholder_ports(spec))
        return sha256(pickle.dumps((spec.sources[template].data, seen, own))).digest()


class Renderer:
    """Does what a pass may not do in the agent itself: templates, which cost what a commit likes, and heavy libraries.

    The worker lives from the first such call of a pass to the pass's end. What was asked is remembered: a pass looks
    twice at least, and the next one mostly asks the same.
    """

    def __init__(self, beforehand: Worker | None = None) -> None:
        """`beforehand` serves the first pass: see there."""
        self._worker = beforehand
        self._answers: dict[tuple[object, ...], Any] = {}
        self._texts: dict[bytes, bytes] = {}
        self._size = 0

    def render(self, name: str, text: bytes, variables: Mapping[str, Any]) -> bytes:
        """A template's text. Raises SpecError."""
        asked = sha256(pickle.dumps((name, text, dict(variables)))).digest()
        if asked not in self._texts:
            try:
                self._remember(asked, self._at_work().call(_render, name, text, dict(variables)))
            except TooDear as error:
                raise _too_dear(name, error) from None
        return self._texts[asked]

    def _remember(self, asked: bytes, text: bytes) -> None:
        if self._size + len(text) > _MOST_TEXT:
            self._texts.clear()
            self._size = 0
        self._texts[asked] = text
        self._size += len(text)

    def apart(self, function: Callable[..., Answer], *arguments: bytes) -> Answer:
        """See `reconcilers.contract.Apart`. The bytes, which may be a key, are not kept."""
        asked = (function, *(sha256(argument).digest() for argument in arguments))
        if asked not in self._answers:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            self._answers[asked] = self._at_work().call(_apart, function, *arguments)
        answer: Answer = self._answers[asked]
        return answer

    def _at_work(self) -> Worker:
        if self._worker is None:
            self._worker = Worker()
        return self._worker

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


class _Desk(Struct, kw_only=True):
    """What lies before the worker: a commit's tree, and what was loaded from it."""

    tree: Tree = field(default_factory=dict)
    spec: HostSpec | None = None


class Beforehand(Struct, frozen=True, kw_only=True):
    """Workers for one reading and one pass, which make ready by themselves while their parent is not yet."""

    reader: Worker
    renderer: Worker


@contextlib.contextmanager
def beforehand() -> Iterator[Beforehand]:
    """Fork both now, for a process that has still much to import: there is more than one processor."""
    with Worker(_Desk(), prepare=warm_all) as reader, Worker(prepare=warm_templates) as renderer:
        yield Beforehand(reader=reader, renderer=renderer)


def _lay(desk: _Desk, tree: Tree) -> None:
    desk.tree = tree


def _load(desk: _Desk, name: str, facts: Facts) -> HostSpec:
    desk.spec = load(desk.tree, name, facts)
    return desk.spec


def _glimpse(desk: _Desk, name: str) -> tuple[Glimpse, list[Mistake]]:
    seen = glimpse(Library(desk.tree), name)
    return seen, list(lint_templates(seen, desk.tree))


def _try(desk: _Desk, template: str, fqdn: str) -> list[Mistake]:
    from reconcilers.render import check_template

    assert desk.spec is not None, "it was loaded before"
    return list(check_template(desk.spec, template, fqdn=fqdn, ports=placeholder_ports(desk.spec)))


def _render(_: object, name: str, text: bytes, variables: Mapping[str, Any]) -> bytes:
    from reconcilers.render import render

    return render(name, text, variables)


def _apart(_: object, function: Callable[..., Answer], *arguments: bytes) -> Answer:
    return function(*arguments)


def _too_dear(file: str, error: TooDear) -> SpecError:
    what = f"loading or rendering {error}; make it smaller"
    return SpecError([Mistake(mark=Mark(file, 1, 1), text=what)])


def _only_copied(spec: HostSpec) -> frozenset[str]:
    """Files of the repository whose bytes decide nothing: neither document nor template nor secret."""
    files = spec.host.files.values()
    sources = {entry.source for entry in files}
    plugins = spec.host.prosody.plugins.values() if spec.host.prosody is not None else ()
    directories = {*(entry.tree for entry in files), *(plugin.source for plugin in plugins)} - {None}
    trees = tuple(f"{directory}/" for directory in directories)
    read = spec.documents.union(used_templates(spec), (ref.age for _, ref in spec.secrets if isinstance(ref, Age)))
    return frozenset(path for path in spec.sources if path in sources or path.startswith(trees)) - read
