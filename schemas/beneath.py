"""What lies beneath `prosody.package`: the `.default` of the manager that installs Prosody on this kind of host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.nodes import Entry, Key, Map, Scalar
from schemas.places import places
from schemas.references import PACKAGE, own_manager, package_words


def beneath_package(layers: Sequence[Map]) -> Iterator[Map]:
    """A layer for each file that says such a body, to be laid under all; none where no file has `prosody`."""
    profiles = [node for layer in layers for _, node in places(layer, "profile")]
    manager = own_manager(profiles[-1].value if profiles and isinstance(profiles[-1], Scalar) else None)
    said = [mark for layer in layers for mark, _ in places(layer, "prosody")]
    if manager is None or not said:
        return
    mark = said[-1]
    for layer in layers:
        for _, body in places(layer, "packages", manager, ".default"):
            if isinstance(body, Map):
                words = PACKAGE.words & package_words(manager)
                lent: dict[Key, Entry] = {key: entry for key, entry in body.entries.items() if key in words}
                package = Map(mark, {"package": Entry(mark, Map(mark, lent))} if lent else {})
                yield Map(mark, {"prosody": Entry(mark, package)})
