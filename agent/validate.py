"""`prosodist validate`: all that is wrong in a directory of desired state, as a commit of it would be judged."""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from agent.bounded import TooDear, Worker
from agent.source.tree import Tree, directory_tree
from schemas.desired import HostSpec
from schemas.errors import Mark, Mistake, SpecError
from schemas.fragments import Fragment
from schemas.glimpse import glimpse
from schemas.load import Facts, Library, host_names, load
from schemas.needs import foretell

Judge = Callable[[HostSpec], Iterable[Mistake]]
"""What of a host that stands is a mistake on this very machine."""


class Level(enum.Enum):
    """How bad it is. A note is no mistake: the commit would be taken."""

    ERROR = "error"
    NOTE = "note"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing to tell. A note may be about no place in particular."""

    mistake: Mistake
    level: Level = Level.ERROR

    def to_json(self) -> dict[str, object]:
        """In parts, and as the line that people see."""
        mark = self.mistake.mark
        parts = {"file": mark.file, "line": mark.line, "column": mark.column, "subject": self.mistake.subject}
        return {**parts, "text": self.mistake.text, "level": self.level.value, "message": self.message}

    @property
    def message(self) -> str:
        """As people see it."""
        return str(self.mistake) if self.mistake.mark.file else self.mistake.text

    def to_github(self, directory: str) -> str:
        """As a workflow command, which shows it beside the line in a pull request.

        docs.github.com/actions/reference/workflow-commands: file, line, col, title; the escapes are actions/toolkit's.
        """
        mark = self.mistake.mark
        properties = {"title": self.mistake.subject}
        if mark.file:
            properties["file"] = os.path.normpath(os.path.join(directory, mark.file))
        if mark.line:
            properties |= {"line": str(mark.line), "col": str(mark.column)}
        written = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
        command = "error" if self.level is Level.ERROR else "notice"
        return (
            f"::{command} {written}::{_data(self.mistake.text)}" if written else f"::{command}::{_data(self.message)}"
        )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


class Reading(Struct, frozen=True, kw_only=True):
    """One host as it was read: what is wrong with it, and what is left to judge."""

    name: str
    mistakes: tuple[Mistake, ...] = ()
    notes: tuple[Mistake, ...] = ()
    spec: HostSpec | None = None
    fragments: tuple[Fragment, ...] = ()
    """Lua of a document that could not be loaded."""


def validate(
    directory: str, host: str | None, facts: Mapping[str, Facts] | None = None, judge: Judge | None = None
) -> tuple[Finding, ...]:
    """What there is to tell of one host or of all, each once, in the order of the places. Raises SourceRefused.

    `facts` are of hosts that this machine is, and `judge` says what is a mistake there. Of any other only the host
    can judge its own profile, the fence, and files that it includes.
    """
    tree = directory_tree(Path(directory))
    names = host_names(tree) if host is None else (host,)
    if not names:
        text = "there is no host; write one as hosts/NAME.yaml, or let `prosodist init` write it"
        return (Finding(mistake=Mistake(mark=Mark("hosts"), text=text)),)
    readings = tuple(_read_all(tree, names, facts or {}))
    specs = [reading.spec for reading in readings if reading.spec is not None]
    mistakes = {mistake for reading in readings for mistake in reading.mistakes}
    mistakes.update(*(judge(spec) for spec in specs if judge and spec.name in (facts or {})))
    in_lua, unchecked = _in_lua(readings)
    mistakes.update(in_lua)
    notes = {note for reading in readings for note in reading.notes} - mistakes
    notes.update(note for spec in specs if spec.name not in (facts or {}) for note in foretell(spec))
    notes.update(Mistake(mark=Mark(""), text=text) for text in unchecked)
    found = [Finding(mistake=mistake) for mistake in mistakes]
    found += [Finding(mistake=note, level=Level.NOTE) for note in notes]
    return tuple(sorted(found, key=lambda finding: (finding.mistake.mark, finding.level.value, finding.mistake)))


def _in_lua(readings: Sequence[Reading]) -> tuple[Iterable[Mistake], Iterable[str]]:
    """What a Prosody says of the Lua, or that nobody here could."""
    if not any(reading.fragments or (reading.spec and reading.spec.host.prosody) for reading in readings):
        return (), ()
    from agent.elsewhere import judge_lua

    return judge_lua(readings)


# --- reading, in a child: a directory may hold what somebody else has pushed


def _read_all(tree: Tree, names: Sequence[str], facts: Mapping[str, Facts]) -> Iterator[Reading]:
    """Every host. Many are dealt out to as many children as there are processors."""
    share = max(_SHARE, -(-len(names) // len(os.sched_getaffinity(0))))
    shares = [names[start : start + share] for start in range(0, len(names), share)]
    if len(shares) == 1:
        yield from _read_some(tree, facts, names)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(shares)) as pool:
        for readings in pool.map(lambda some: list(_read_some(tree, facts, some)), shares):
            yield from readings


_SHARE = 20
"""Hosts that are not worth another child."""
_FORKING = threading.Lock()
"""A child forked while another one's pipes are made would hold them open."""


def _read_some(tree: Tree, facts: Mapping[str, Facts], names: Sequence[str]) -> Iterator[Reading]:
    """One child reads them all; where that was too much, the host at fault has another one to itself."""
    left = list(names)
    while left:
        with _FORKING:
            worker = Worker(Library(tree))
        with worker:
            first = left[0]
            try:
                while left:
                    yield worker.call(_read, left[0], facts.get(left[0], Facts()))
                    left.pop(0)
            except TooDear as error:
                if left[0] == first:
                    text = f"loading it and rendering its templates {error}; make it smaller"
                    yield Reading(name=first, mistakes=(Mistake(mark=Mark(f"hosts/{first}.yaml", 1, 1), text=text),))
                    left.pop(0)


def _read(library: Library, name: str, facts: Facts) -> Reading:
    try:
        spec = load(library.tree, name, facts, library)
    except SpecError as error:
        from reconcilers.alongside import lint_templates

        seen = glimpse(library, name)
        mistakes = (*error.mistakes, *lint_templates(seen, library.tree))
        return Reading(name=name, mistakes=mistakes, notes=error.notes, fragments=seen.fragments)
    return Reading(name=name, mistakes=tuple(_in_templates(spec, facts)), notes=spec.notes, spec=spec)


def _in_templates(spec: HostSpec, facts: Facts) -> Iterator[Mistake]:
    prosody = spec.host.prosody
    if not any(file.template for file in spec.host.files.values()) and not (prosody and prosody.template):
        return
    from reconcilers.given import used_templates
    from reconcilers.ports import placeholder_ports
    from reconcilers.render import check_template

    ports = placeholder_ports(spec)
    for name in used_templates(spec):
        yield from check_template(spec, name, fqdn=facts.fqdn or spec.name, ports=ports)
