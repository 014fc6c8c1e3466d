"""A host's Prosody options against what the wanted version knows: mistakes, and notes on what is only doubtful.

Refused: an option that the version lacks, a near miss of a known one, one that nobody can read, one that Prosody
reads only globally in a host, and a value that it would not understand. Noted: what is deprecated, and what may be
read by a module that is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from functools import partial

from msgspec import Struct

from schemas.combine import Spare
from schemas.desired.forms import VERSION_WORDS
from schemas.errors import Mark
from schemas.findings import Findings
from schemas.nodes import Entry, Map, Node, Scalar, describe
from schemas.options import LINES, Option, known, known_to_modules
from schemas.options.enabled import Enabled, Named, gather_enabled
from schemas.options.fitting import mismatch, wrong_ports
from schemas.options.spelling import meant, meant_module
from schemas.options.versions import lines_of
from schemas.shape import HOST, Shape, is_marked


class _Scope(Struct, frozen=True, kw_only=True):
    """One of Prosody's scopes in the combined document; `kind` is global, host or component."""

    kind: str
    node: Map
    shape: Shape


def check_options(
    root: Map,
    spares: Sequence[Spare],
    installed: str | None,
    findings: Findings,
    *,
    found: frozenset[str] | None = None,
    brought: frozenset[str] = frozenset(),
) -> None:
    """Tell what is wrong with the options and modules of a combined document and of bodies that nothing extends.

    `installed` is the version of Prosody that the host has, `found` are the modules that lie there; None where that
    is not known. `brought` are those that this repository brings.
    """
    prosody = root.entries.get("prosody")
    if prosody is None or not isinstance(prosody.value, Map):
        return
    told = {mark for mark, _ in findings.certain()}
    said = prosody.value.entries.get("version")
    wanted = _version(said.value) if said is not None else None
    if said is not None and wanted not in (None, *VERSION_WORDS) and not lines_of(wanted):
        if said.value.mark not in told:
            text = f"expected a version of {_either(LINES)}, found {describe(said.value)}"
            findings.add(said.value.mark, f'{text}; write "{LINES[-1]}", say')
        _check_alike(prosody.value, spares, told, brought, findings)
    elif lines := lines_of(wanted, installed):
        _check(prosody.value, spares, told, partial(_Checker, lines, findings=findings, found=found, brought=brought))


def _check_alike(
    prosody: Map, spares: Sequence[Spare], told: Set[Mark], brought: frozenset[str], findings: Findings
) -> None:
    """What is a mistake whatever version will be written: others may come of that word alone."""
    for_each = [Findings() for _ in LINES]
    for line, alone in zip(LINES, for_each, strict=True):
        _check(prosody, spares, told, partial(_Checker, (line,), findings=alone, found=None, brought=brought))
    always = set.intersection(*({mark for mark, _ in alone.certain()} for alone in for_each))
    for mark, text in for_each[-1].certain():
        if mark in always:
            findings.add(mark, text)


def _check(prosody: Map, spares: Sequence[Spare], told: Set[Mark], checker_of: Callable[[Enabled], _Checker]) -> None:
    """Every option and module but those of which something is told already."""
    unused = [spare for spare in spares if spare.shape.scope and isinstance(spare.node, Map)]
    enabled = gather_enabled(prosody, *(spare.node for spare in unused))
    checker = checker_of(enabled)
    for scope in (*_scopes(prosody), *(scope for spare in unused for scope in _spare_scopes(spare))):
        words = scope.shape.words
        for name, entry in scope.node.entries.items():
            if isinstance(name, str) and name not in words and entry.mark not in told:
                checker.check_option(name, entry, scope.kind)
    for module in dict.fromkeys(enabled.named):
        checker.check_module(module)


class _Checker:
    """Checks against every line that the host's version leaves open."""

    def __init__(
        self,
        lines: tuple[str, ...],
        enabled: Enabled,
        findings: Findings,
        found: frozenset[str] | None,
        brought: frozenset[str],
    ) -> None:
        self._lines = lines
        self._others = tuple(line for line in LINES if line not in lines)
        self._enabled = enabled
        self._findings = findings
        self._found = found
        self._brought = brought

    def check_option(self, name: str, entry: Entry, scope: str) -> None:
        """One option where it stands."""
        if name == "certificates" and isinstance(entry.value, Map) and not is_marked(entry.value.entries):
            text = "here it is Prosody's directory of certificates, found a map; write yours beside prosody"
            self._findings.add(entry.mark, text)
            return
        rows = {line: known(line).option(name) for line in self._lines}
        bounded = any(row is not None and row.least is not None for row in rows.values())
        for here in () if bounded else filter(None, rows.values()):
            for mark, text in wrong_ports(name, entry.value, here):
                self._findings.add(mark, text)
        if all(_is_right(entry, scope, row) for row in rows.values()):
            return
        found = {line: row for line, row in rows.items() if row is not None and not row.gone}
        others = [row for line in self._lines if (row := known_to_modules(line).option(name)) is not None]
        if len(found) < len(rows) and not others:
            self._lacking(name, entry, found, next((row for row in rows.values() if row is not None), None))
            return
        self._misplaced(entry, scope, [*found.values(), *others])
        if found and all(row.deprecated for row in found.values()):
            newest = [*found.values()][-1]
            text = f"deprecated in Prosody {_either(tuple(found))}; {_instead(newest.instead)}"
            self._findings.note(entry.mark, text)
        self._mistaken(entry, tuple(found.values()), tuple(others))

    def _lacking(self, name: str, entry: Entry, found: dict[str, Option], gone: Option | None) -> None:
        """An option that no wanted version has, or not each of them."""
        wanted = _either(self._lines)
        if gone is not None and not found:
            self._findings.add(entry.mark, f"Prosody {wanted} has no such option any more; {_instead(gone.instead)}")
            return
        if found:
            line, row = next(iter(found.items()))
            self._findings.add(entry.mark, f"only Prosody {line} has this option; {_or_version(row.instead, line)}")
            return
        for line in self._others:
            other = known(line).option(name)
            if other is not None and not other.gone:
                text = f"Prosody {wanted} has no such option, {line} has; {_or_version(other.instead, line)}"
                self._findings.add(entry.mark, text)
                return
        self._unknown(name, entry)

    def _unknown(self, name: str, entry: Entry) -> None:
        wanted = _either(self._lines)
        if close := meant(name, self._lines):
            self._findings.add(entry.mark, f"unknown option; write {close}")
        elif self._reads_are_known():
            text = f"unknown option: neither Prosody {wanted} nor a module enabled here reads it; take it out"
            self._findings.add(entry.mark, text)
        else:
            text = f"Prosody {wanted} reads no such option; a module that is not known here may, else take it out"
            self._findings.note(entry.mark, text)

    def _reads_are_known(self) -> bool:
        """Whether all that could read an option came with Prosody, so that the tables tell of each."""
        ours = frozenset.intersection(*(known(line).modules for line in self._lines))
        return not self._enabled.open and {module.value for module in self._enabled.named} <= ours

    def _misplaced(self, entry: Entry, scope: str, rows: list[Option]) -> None:
        scopes = {row.scope for row in rows}
        if scope != "global" and scopes == {"global"}:
            text = "Prosody reads this option only globally, so here it says nothing; move it up, right below prosody"
            self._findings.add(entry.mark, text)
        elif scope == "host" and scopes == {"component"}:
            text = "only components read this option, and none takes it from its host; move it to the component"
            self._findings.note(entry.mark, text)

    def _mistaken(self, entry: Entry, rows: tuple[Option, ...], others: tuple[Option, ...]) -> None:
        """A value that a wanted version does not understand, nor a module that reads the same option."""
        wrong = next(filter(None, (mismatch(entry.value, row) for row in rows)), "")
        if wrong and all(mismatch(entry.value, row) for row in others):
            self._findings.add(entry.value.mark if isinstance(entry.value, Scalar) else entry.mark, wrong)

    def check_module(self, module: Named) -> None:
        """One enabled module."""
        name, mark = module.value, module.mark
        rows = {line: known(line).module(name) for line in self._lines}
        found = [row for row in rows.values() if row is not None]
        if found and all(row.deprecated for row in rows.values() if row is not None) and len(found) == len(rows):
            text = f"the module {name} does nothing any more in Prosody {_either(self._lines)}"
            self._findings.note(mark, f"{text}; {_instead(found[0].instead)}")
        lacking = tuple(line for line, row in rows.items() if row is None)
        if lacking and module.value not in self._brought and module.value not in (self._found or ()):
            self._lacking_module(module, lacking)

    def _lacking_module(self, module: Named, lacking: tuple[str, ...]) -> None:
        """A module that not every wanted version brings."""
        name = module.value
        having = [line for line in LINES if known(line).module(name) is not None]
        apart = [line for line in lacking if known_to_modules(line).module(name) is not None]
        close = "" if having or apart else meant_module(name, self._lines, module.prefix)
        text = f"{name} is no module of Prosody {_either(lacking)}"
        if self._enabled.has_unseen:
            if close:
                self._findings.note(module.mark, f"{text}; unless a source in prosody.plugins has it, write {close}")
        elif close:
            text = f"{text}; write {close}, or say in prosody.plugins or plugin_paths where it comes from"
            self._findings.add(module.mark, text)
        elif having and len(apart) < len(lacking):
            text = f"only Prosody {having[0]} has the module {name}; {_or_version('', having[0])}"
            self._findings.add(module.mark, f"{text}, or name a source of it in prosody.plugins")
        elif self._found is not None and not self._enabled.open:
            text = f"{text}, and none lies on this host; take it out, or say in plugin_paths where it is"
            self._findings.add(module.mark, text)
        else:
            text = f"{text}; unless the host has it already, name a source of it in prosody.plugins"
            self._findings.note(module.mark, text)


def _is_right(entry: Entry, scope: str, row: Option | None) -> bool:
    """Whether one version has nothing at all to say of an option: so it is with nearly all of them."""
    if row is None or row.gone or row.deprecated:
        return False
    return (row.scope == "any" or scope in ("global", row.scope)) and not mismatch(entry.value, row)


def _scopes(prosody: Map) -> Iterator[_Scope]:
    """Every scope, the global one first."""
    shape = HOST.below("prosody")
    yield _Scope(kind="global", node=prosody, shape=shape)
    for key, kind in (("virtual_hosts", "host"), ("components", "component")):
        for node in _maps(prosody, key):
            yield from _with_components(kind, node, shape.below(key).below(""))


def _with_components(kind: str, node: Map, shape: Shape) -> Iterator[_Scope]:
    yield _Scope(kind=kind, node=node, shape=shape)
    for component in _maps(node, "components") if kind == "host" else ():
        yield _Scope(kind="component", node=component, shape=shape.below("components").below(""))


def _spare_scopes(spare: Spare) -> Iterator[_Scope]:
    if isinstance(spare.node, Map):
        yield from _with_components(
            "host" if "components" in spare.shape.keys else "component", spare.node, spare.shape
        )


def _maps(node: Map, key: str) -> Iterator[Map]:
    below = node.entries[key].value if key in node.entries else None
    if isinstance(below, Map):
        yield from (entry.value for entry in below.entries.values() if isinstance(entry.value, Map))


def _version(node: Node) -> str | None:
    """As it was written: of a number without its quotes, which is a mistake by itself, it shows what was meant."""
    return node.written if isinstance(node, Scalar) and node.value is not None else None


def _instead(instead: str) -> str:
    return f"write {instead}" if instead else "take it out"


def _or_version(instead: str, line: str) -> str:
    return f'{_instead(instead)}, or write version: "{line}" below prosody'


def _either(lines: tuple[str, ...]) -> str:
    return " or ".join(lines)
