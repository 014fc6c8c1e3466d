"""A tree of files and the name of a host → HostSpec, or every mistake at once.

parse → spell out → names → combine → models → rules between things. Every step goes on after a mistake, so
that one does not hide another; what a broken file may have said is then not missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from schemas import check
from schemas.beneath import beneath_package
from schemas.combine import Combiner
from schemas.desired import Host, HostSpec, Source
from schemas.digest import digest_of, digest_with
from schemas.documents import Blob, Document, Documents, Library, Tree, near
from schemas.errors import Mark, Mistake, SpecError
from schemas.findings import Enough, Findings
from schemas.fragments import first_lines
from schemas.kinds import check_kinds, kind_of
from schemas.model import Modeller
from schemas.modules import check_plugins
from schemas.names import Names, gather
from schemas.names import replace as replace_names
from schemas.nodes import Key, Map, Node, Ways
from schemas.notation import quoted, shortened, visible
from schemas.notyet import tell_not_yet
from schemas.options.rules import check_options
from schemas.references import check_references
from schemas.shape import HOST, MAP
from schemas.sources import gather_sources
from schemas.zones import check_zones

__all__ = ["Blob", "Facts", "Library", "Tree", "host_names", "load", "load_document", "with_sources"]

_LONGEST_KEY = 500
"""Characters of a key in the subject of a mistake; a path, say, is shown whole."""


class Facts(Struct, frozen=True, kw_only=True):
    """What a host says of itself. None: this machine is not the host; the name then stays as it is."""

    fqdn: str | None = None
    home: str | None = None
    user: str | None = None
    profile: str | None = None
    prosody: str | None = None
    """The version of Prosody that the host has, when that is known."""
    modules: frozenset[str] | None = None
    """Every module that its Prosody would find by itself, when that is known."""
    is_accepted: bool = False
    """Whether this commit was accepted before: then an upgrade of Prosody makes no mistake of what it says."""


def host_names(tree: Tree) -> tuple[str, ...]:
    """The hosts of this repository, by `hosts/NAME.yaml`, sorted."""
    files = (path.removeprefix("hosts/") for path in tree if path.startswith("hosts/") and path.endswith(".yaml"))
    return tuple(sorted(name.removesuffix(".yaml") for name in files if "/" not in name))


def load(tree: Tree, name: str, facts: Facts, library: Library | None = None) -> HostSpec:
    """Everything that git says about this host. Raises SpecError with all mistakes.

    Whoever loads several hosts of one tree hands a `library` of it to each, so that shared files are parsed once.
    """
    return load_document(tree, name, facts, library)[0]


def load_document(tree: Tree, name: str, facts: Facts, library: Library | None = None) -> tuple[HostSpec, Map]:
    """The same, and the one document that all layers became."""
    findings = Findings()
    file = f"hosts/{name}.yaml"
    if file not in tree:
        hosts = [path for path in tree if path.startswith("hosts/")]
        raise SpecError(
            [Mistake(mark=Mark(file), text=f"there is no such file in the repository; {near(file, hosts)}")]
        )
    documents = Documents(library or Library(tree), findings)
    spec, combined = None, None
    with suppress(Enough):
        layers = documents.layers(file)
        if layers:
            names = _names(layers, name, facts, findings)
            combined = _combined(layers, names, findings)
            spec = _spec(tree, name, combined, facts, documents, findings)
    if findings:
        notes = _placed(findings.notes(), findings, documents)
        raise SpecError(_placed(findings.told(), findings, documents), notes)
    assert spec is not None and combined is not None  # the models are silent only when they stand
    return replace(spec, notes=tuple(sorted(_placed(findings.notes(), findings, documents)))), combined[0]


def _names(layers: list[Document], name: str, facts: Facts, findings: Findings) -> Names:
    """All names that the host's texts may use."""
    given = {"fqdn": facts.fqdn or name, "home": facts.home, "user": facts.user}
    said = [layer.full.entries["vars"].value for layer in layers if "vars" in layer.full.entries]
    written: Node | None = Combiner(names={}, findings=Findings()).combine(said, MAP)
    return gather(written, given, findings)


def _combined(layers: list[Document], names: Names, findings: Findings) -> tuple[Map, Combiner]:
    """One document out of all layers."""
    combiner = Combiner(names=names, findings=findings)
    named: list[Map] = []
    for layer in layers:
        own = Map(layer.full.mark, {key: entry for key, entry in layer.full.entries.items() if key != "extends"})
        full = replace_names(own, HOST, names, findings) if layer.has_names else own
        assert isinstance(full, Map)  # as it was
        named.append(full)
    combined = combiner.combine([*beneath_package(named), *named], HOST)
    assert isinstance(combined, Map)  # maps over maps
    return combined, combiner


def _spec(
    tree: Tree, name: str, combined: tuple[Map, Combiner], facts: Facts, documents: Documents, findings: Findings
) -> HostSpec | None:
    """The models, and the rules between things."""
    root, combiner = combined
    modeller = Modeller(findings)
    host = modeller.model(root, HOST, Host)
    for spare in combiner.spares:
        if spare.shape.model is not None:
            alone = Findings()
            Modeller(alone).model(spare.node, spare.shape, spare.shape.model)
            if isinstance(spare.node, Map) and kind_of(spare.node, spare.shape):
                check_kinds(spare.node, spare.shape, alone)
            findings.adopt(alone)

    def tree_files(path: str) -> Iterator[str]:
        return (file.removeprefix(f"{path}/") for file in tree if file.startswith(f"{path}/"))

    check.check_profile(root, facts.profile, findings)
    if not facts.is_accepted:
        check.check_installed(root, facts.profile, facts.prosody, findings)
        check_zones(root, findings)
    check.check_domains(root, findings)
    check_kinds(root, HOST, findings)
    check_references(root, findings)
    tell_not_yet(root, findings.note if facts.profile is None else findings.add)
    check.check_files(root, tree_files, findings)
    check.check_refresh(root, findings)
    check.check_jobs(root, findings)
    check.check_services(root, findings)
    check.check_known_home(root, facts.home, findings)
    brought = check_plugins(root, tree_files, findings)
    if not facts.is_accepted:
        check_options(root, combiner.spares, facts.prosody, findings, found=facts.modules, brought=brought)
    sources = gather_sources(root, tree, findings, modeller.sealed)
    if host is None or findings:
        return None
    said = digest_of(name, host)
    return HostSpec(
        name=name,
        host=host,
        said=said,
        digest=digest_with(said, sources),
        documents=documents.names,
        sources=sources,
        marks=modeller.marks | first_lines(modeller.marks, lambda file: tree[file].data.decode("utf-8-sig")),
    )


def with_sources(spec: HostSpec, sources: Mapping[str, Source]) -> HostSpec:
    """The same document with these for the files that it uses: what `load` gives when nothing else changed."""
    return replace(spec, sources=sources, digest=digest_with(spec.said, sources))


def _placed(found: Iterable[tuple[Mark, str]], findings: Findings, documents: Documents) -> Iterator[Mistake]:
    """Each with the way to it, as it is written in its own file."""
    found = tuple(found)
    wanted = {mark for mark, _ in found}
    ways: dict[str, Ways | None] = {}
    for mark, text in found:
        if mark.file not in ways:
            document = documents[mark.file]
            ways[mark.file] = Ways(document.written, wanted) if document is not None else None
        known = ways[mark.file]
        way = known.to(mark, of_map=findings.is_of_map(mark, text)) if known is not None else ()
        yield Mistake(mark=mark, subject=".".join(map(_printable, way)), text=visible(text))


def _printable(key: Key) -> str:
    """A key as it is; one that would break the line of a log as YAML's double quotes write it."""
    text = shortened(str(key), _LONGEST_KEY)
    return text if text.isprintable() else quoted(text)
