"""Layers → one document. A layer is what one file, or one body, says about a place; the nearest comes last.

All layers of a place are laid down from the farthest to the nearest, so `null`, `add` and `remove` find at
once what lies below them. What then met nothing is a mistake.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from schemas.errors import Mark
from schemas.findings import Findings, nearest
from schemas.graph import linearize
from schemas.layers import is_body, is_edit, is_free, is_key_by_key, is_modules, is_null, stays, without
from schemas.names import Names, fill
from schemas.names import replace as replace_names
from schemas.nodes import Entry, Key, List, Map, Node, Scalar, describe, plain_data
from schemas.shape import MAP, NAMES, Shape

ENABLED, DISABLED = "modules_enabled", "modules_disabled"
MET_NOTHING = "nothing is inherited here that null could forget; take it out (an empty thing is {})"
UNSAID = (
    "nothing is written here, and nothing inherited that it could forget; "
    "write KEY: VALUE, [ITEM] for a list, or take it out"
)


class Spare(Struct, frozen=True, kw_only=True):
    """A body that nothing extends: it makes nothing, but its mistakes count."""

    shape: Shape
    node: Node


class Combiner(Struct, frozen=True, kw_only=True):
    """Combines the layers of one host. `spares` fills on the way."""

    names: Names
    findings: Findings
    spares: list[Spare] = field(default_factory=list)

    def combine(self, layers: Sequence[Node], shape: Shape) -> Node | None:
        """The nearer over the inherited; None when nothing is left."""
        if len(layers) == 1 and stays(layers[0], shape):
            return layers[0]  # most of a document
        run: list[Node] = []  # what still counts: maps that go key by key, or one value
        for layer in layers:
            if isinstance(layer, Scalar) and layer.value is None:
                if not run:
                    self.findings.miss(layer.mark, _met_nothing(layer))
                run = []
            elif isinstance(layer, Map) and is_edit(layer, run, shape):
                run = [self._edited(run[-1] if run else None, layer)]
            elif run and is_key_by_key(run[-1], shape) and is_key_by_key(layer, shape):
                run.append(layer)
            else:
                if run and isinstance(layer, Map) and not isinstance(run[-1], Map) and not is_free(shape):
                    self.findings.add(run[-1].mark, f"expected a map, found {describe(run[-1])}; write key: value")
                run = [layer]
        if not run:
            return None
        maps = [layer for layer in run if isinstance(layer, Map)]
        return self._merged(maps, shape) if maps and is_key_by_key(maps[0], shape) else run[-1]

    def _merged(self, run: list[Map], shape: Shape) -> Map:
        """Maps, key by key."""
        if shape.things is not None and shape is not MAP:
            return self._things(run, shape, shape.things)
        if shape.kinds:
            run = self._of_one_kind(run, shape)
        gathered = _gather(run)
        entries: dict[Key, Entry] = {}
        if shape.scope and (ENABLED in gathered or DISABLED in gathered):
            entries.update(self._modules(gathered, run))
        for key, found in gathered.items():
            value = self.combine([entry.value for entry in found], shape.below(key))
            if value is not None:
                entries[key] = Entry(found[-1].mark, value)
        return Map(run[-1].mark, entries)

    # --- lists

    def _edited(self, inherited: Node | None, edit: Map) -> List:
        """`{add, remove}` over a list."""
        if not isinstance(inherited, List):
            self.findings.miss_in_map(
                edit.mark, "no list is inherited here to add to or remove from; write the list itself"
            )
            return List(edit.mark, self._items(edit, "add"))
        items = list(inherited.items)
        for item in self._items(edit, "remove"):
            left = [other for other in items if plain_data(other) != plain_data(item)]
            if len(left) == len(items):
                self.findings.miss(item.mark, f"{describe(item)} is not in the inherited list; take it out of remove")
            items = left
        for item in self._items(edit, "add"):
            if all(plain_data(other) != plain_data(item) for other in items):
                items.append(item)
        return List(edit.mark, tuple(items))

    def _items(self, edit: Map, word: str) -> tuple[Node, ...]:
        if word not in edit.entries:
            return ()
        value = edit.entries[word].value
        if isinstance(value, List):
            return value.items
        self.findings.add(value.mark, f"expected a list, found {describe(value)}; write {word}: [ITEM]")
        return ()

    def _modules(self, gathered: dict[Key, list[Entry]], run: list[Map]) -> dict[Key, Entry]:
        """The two module lists of a scope: for each module the nearest layer that names it wins."""
        found = {word: gathered.pop(word, []) for word in (ENABLED, DISABLED)}
        odd = {word: e for word, es in found.items() for e in es if not is_modules(e.value)}
        for word, entry in odd.items():
            gathered[word] = [entry]  # no list at all: the model says so
        now: dict[str, dict[object, Node]] = {ENABLED: {}, DISABLED: {}}
        lists: set[str] = set()
        for layer in run:
            said = {w: layer.entries[w].value for w in found if w in layer.entries and w not in odd}
            self._lay_modules(now, said, lists)
            lists |= said.keys()
        marks = {word: entries[-1].mark for word, entries in found.items() if entries and word not in odd}
        return {
            word: Entry(mark, List(mark, tuple(now[word].values())))
            for word, mark in marks.items()
            if now[word] or isinstance(found[word][-1].value, List)
        }

    def _lay_modules(
        self, now: dict[str, dict[object, Node]], layer: Mapping[str, Node], lists: Collection[str]
    ) -> None:
        """One layer over those that came to `now`; `lists` are what they named."""
        said: dict[object, str] = {}
        for word, other in ((ENABLED, DISABLED), (DISABLED, ENABLED)):
            value = layer.get(word)
            if isinstance(value, Scalar):
                if not now[word]:
                    self.findings.miss(value.mark, _met_nothing(value))
                now[word].clear()
            elif isinstance(value, Map):
                before = List(value.mark, tuple(now[word].values())) if word in lists else None
                now[word] = {plain_data(item): item for item in self._edited(before, value).items}
                value = List(value.mark, self._items(value, "add"))
            for item in value.items if isinstance(value, List) else ():
                data = plain_data(item)
                if said.setdefault(data, word) != word:
                    self.findings.add(item.mark, f"{describe(item)} is enabled and disabled here; take one out")
                now[other].pop(data, None)
                now[word].setdefault(data, item)

    # --- kinds

    def _of_one_kind(self, run: list[Map], shape: Shape) -> list[Map]:
        """The nearest kind replaces the others, with the keys that only they have."""
        kept: list[Map] = []
        wanted: str | None = None
        for layer in reversed(run):
            here = [k for k, e in layer.entries.items() if k in shape.kinds and not is_null(e.value)]
            for extra in here[1:]:
                self.findings.add(
                    layer.entries[extra].mark,
                    f"stands beside {here[0]}, but a thing has one kind; take one of them out",
                )
            if wanted is None:
                kept.append(without(layer, here[1:]))
                wanted = str(here[0]) if here else None
            else:
                own = {key for kind, keys in shape.kinds.items() if kind != wanted for key in (kind, *keys)}
                kept.append(without(layer, own - set(shape.kinds[wanted])))
        return kept[::-1]

    # --- things and bodies

    def _things(self, run: list[Map], shape: Shape, thing: Shape) -> Map:
        """A map of things: each over the bodies that it extends."""
        said = {key: self._since_null(entries) for key, entries in _gather(run).items()}
        said = {key: entries for key, entries in said.items() if entries}
        extends = {key: self._extends(key, entries, said) for key, entries in said.items()}
        orders: dict[tuple[str, ...], list[str]] = {}  # ten thousand accounts extend the same few bodies
        entries: dict[Key, Entry] = {}
        for key, own in said.items():
            if not is_body(key):
                bodies = extends[key]
                if bodies not in orders:
                    orders[bodies] = linearize(bodies, lambda body: extends[body], self._on_cycle(said))
                layers = [entry.value for name in (*orders[bodies], key) for entry in said[name]]
                value = self._thing(layers, str(key), shape, thing)
                if value is not None:
                    entries[key] = Entry(own[-1].mark, value)
        used = {body for order in orders.values() for body in order}
        spare = [str(key) for key in said if is_body(key) and key not in used]
        linearize(spare, lambda body: extends[body], self._on_cycle(said))
        for key in spare:
            self._spare([entry.value for entry in said[key]], shape, thing)
        return Map(run[-1].mark, entries)

    def _thing(self, layers: list[Node], name: str | None, shape: Shape, thing: Shape) -> Node | None:
        inner = self
        if shape.names:
            names = {**self.names, **self._brought(shape.names, name, layers)}
            inner = replace(self, names=names)
            layers = [replace_names(layer, thing, names, self.findings) for layer in layers]
        if shape.labels:
            layers = [self._with_labels(layer, name) for layer in layers]
        return inner.combine([without(layer, ("extends",)) for layer in layers], thing)

    def _with_labels(self, node: Node, host: str | None) -> Node:
        """The same virtual host; a component's name without a dot is a label before the host's."""
        if host is None or not isinstance(node, Map) or "components" not in node.entries:
            return node
        said = node.entries["components"]
        if not isinstance(said.value, Map):
            return node
        full: dict[Key, Entry] = {}
        for key, entry in said.value.entries.items():
            name = key if "." in str(key) or not key else f"{key}.{host}"
            if name in full:
                text = f"{name} stands here twice, first in line {full[name].mark.line}; take one out"
                self.findings.add(entry.mark, text)
            full.setdefault(name, entry)
        return Map(node.mark, {**node.entries, "components": Entry(said.mark, Map(said.value.mark, full))})

    def _brought(self, wanted: Sequence[str], name: str | None, layers: Sequence[Node]) -> Names:
        """What a thing's own names stand for; None where it does not say so, as in a body."""
        said = [
            layer.entries["version"].value for layer in layers if isinstance(layer, Map) and "version" in layer.entries
        ]
        nearest_said = said[-1] if said and name is not None else None
        version = None
        if isinstance(nearest_said, Scalar) and isinstance(nearest_said.value, str):
            version = fill(nearest_said.value, nearest_said.mark, self.names, self.findings)
        return {word: version if word == "version" else name for word in wanted}

    def _spare(self, layers: list[Node], shape: Shape, thing: Shape) -> None:
        """Without the bodies and hosts around it, what this one misses is not known to be missing."""
        alone = Findings()
        node = replace(self, findings=alone)._thing(layers, None, shape, thing)
        for mark, text in alone.certain():
            self.findings.add(mark, text)
        if node is not None:
            self.spares.append(Spare(shape=thing, node=node))

    def _since_null(self, entries: list[Entry]) -> list[Entry]:
        if len(entries) == 1 and not is_null(entries[0].value):
            return entries
        left: list[Entry] = []
        for entry in entries:
            if not is_null(entry.value):
                left.append(entry)
            elif left:
                left = []
            else:
                self.findings.miss(entry.value.mark, _met_nothing(entry.value))
        return left

    def _extends(self, key: Key, own: list[Entry], said: Mapping[Key, list[Entry]]) -> tuple[str, ...]:
        """The bodies that this thing names; `.default` for a thing that names none."""
        layers = [
            e.value.entries["extends"].value for e in own if isinstance(e.value, Map) and "extends" in e.value.entries
        ]
        written = self.combine(layers, NAMES) if layers else None
        if written is None:
            return (".default",) if not is_body(key) and ".default" in said else ()
        found: list[str] = []
        for item in written.items if isinstance(written, List) else (written,):
            name = item.value if isinstance(item, Scalar) else None
            if not isinstance(name, str) or not name.startswith("."):
                self.findings.add(
                    item.mark, f"expected a body, found {describe(item)}; write its name with the leading dot"
                )
            elif name not in said:
                close = nearest(name, (str(key) for key in said if is_body(key)))
                self.findings.miss(
                    item.mark, f"there is no body {name} here; " + (f"write {close}" if close else "add it")
                )
            else:
                found.append(name)
        return tuple(found)

    def _on_cycle(self, said: Mapping[Key, list[Entry]]) -> _OnCycle:
        return _OnCycle(said=said, findings=self.findings)


class _OnCycle(Struct, frozen=True, kw_only=True):
    """Tells of a body that extends itself, where it says so."""

    said: Mapping[Key, list[Entry]]
    findings: Findings

    def __call__(self, name: str, parent: str) -> None:
        entry = self.said[name][-1]
        mark: Mark = entry.mark
        if isinstance(entry.value, Map) and "extends" in entry.value.entries:
            mark = entry.value.entries["extends"].value.mark
        self.findings.add(mark, f"{name} extends {parent}, which extends {name} in turn; take one of them out")


def _met_nothing(node: Node) -> str:
    """Nothing at all is null as well, and mostly a slip: a list in Lua's braces, a value that was forgotten."""
    return MET_NOTHING if isinstance(node, Scalar) and node.written else UNSAID


def _gather(run: Sequence[Map]) -> dict[Key, list[Entry]]:
    gathered: dict[Key, list[Entry]] = {}
    for layer in run:
        for key, entry in layer.entries.items():
            gathered.setdefault(key, []).append(entry)
    return gathered
