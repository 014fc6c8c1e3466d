"""What a push may do on this host: the table of its kind and the settings' `allow`, but for what is closed within.

One judge for the loader, which tells it of each place of a document, for the reconcilers, and for the hands.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from agent.fence import Fence
from reconcilers.contract import Paths
from schemas.desired import File, HostSpec
from schemas.errors import Mark, Mistake
from schemas.needs import Need, mistakes, refusal
from schemas.opening import AS_ROOT, Opening

Made = Callable[[str], bool]
"""Whether the agent has made the object of the inventory with this id."""


class Bounds:
    """`own` is what belongs to the agent alone, `made` asks the inventory; `hands`: where it writes for itself.

    `lacks` tells whether this package is not installed here, whoever might have brought it.
    """

    def __init__(
        self,
        opening: Opening,
        paths: Paths,
        *,
        own: tuple[PurePosixPath, ...],
        hands: tuple[PurePosixPath, ...],
        made: Made,
        lacks: Callable[[str], bool] = lambda package: False,
    ) -> None:
        self._opening, self._made, self._lacks = opening, made, lacks
        write = tuple(map(PurePosixPath, opening.places("write")))
        self.fence = Fence(open=(*write, *hands), closed=own)
        """Where the hands may reach. The agent's own files below an open place are closed, Prosody's are not."""
        self._closed = frozenset((*own, *_prosodys(paths)))
        self._directories = frozenset() if self._is_root else _directories(paths)  # else they are a package's

    def mistakes(self, spec: HostSpec, *, accepted: bool = False) -> Iterator[Mistake]:
        """What a push of this document may not do, each at its place.

        When one was accepted, what it ends was the agent's: that is not asked of an inventory which may be lost since.
        """
        yield from mistakes(spec, self._refuse_anew if accepted else self._refuse)
        for name, entry in spec.host.files.items():
            for path in _in_tree(PurePosixPath(name), entry, spec):
                if why := self.may_write(path):
                    yield _mistake(spec, ("files", name), f"a push may not write {path}: {why}")
            if why := _out_of_sight(entry):
                yield _mistake(spec, ("files", name, "mode"), why)

    def may_write(self, path: PurePosixPath) -> str:
        """Why a push may not write there; empty when it may."""
        if not self._opening.allows("write", str(path)):
            more = f", or open it on the host: allow: {{write: [{path.parent}]}}" if self._is_root else ""
            open_ = _listed(self._opening.places("write"))
            return f"under the profile {self._opening.profile} only {open_} open; choose a path below it{more}"
        if path in self._directories:
            return f"the profile {self._opening.profile} makes this directory; choose a path below it"
        if ".ssh" in path.parts and not self._opening.is_everything:
            return "who writes below .ssh may log in; choose another path"
        return self._closed_to(path)

    def may_read(self, path: PurePosixPath) -> str:
        """Why a push may not have that file read; empty when it may. What is closed to writing is closed too."""
        if not self._opening.allows("read", str(path)):
            open_ = _listed(self._opening.places("read"))
            return (
                f"the agent runs as root, so only {open_} open to reading; put the secret below it, "
                f"or open it on the host: allow: {{read: [{path}]}}"
            )
        return self._closed_to(path)

    def allows(self, word: str, value: str) -> bool:
        """Whether the host lets a push do this: a word of `allow`, and what of it."""
        return self._opening.allows(word, value)

    @property
    def _is_root(self) -> bool:
        return self._opening.profile in AS_ROOT

    def _refuse(self, need: Need) -> str:
        match need.word:
            case "write":
                why = self.may_write(PurePosixPath(need.value))
                return f"a push may not write there: {why}" if why else ""
            case "read":
                why = self.may_read(PurePosixPath(need.value))
                return f"a push may not read {need.value}: {why}" if why else ""
            case "pair" if why := self._closed_to(PurePosixPath(need.value)):
                return f"a push may not read {need.value}: {why}"
        if any(map(self._made, need.unless_made)) or (need.unless_lacking and self._lacks(need.unless_lacking)):
            return ""
        return refusal(need, self._opening)

    def _refuse_anew(self, need: Need) -> str:
        return "" if need.unless_made else self._refuse(need)

    def _closed_to(self, path: PurePosixPath) -> str:
        closed = self.fence.holder(path, self._closed)  # neither hands nor eyes follow a link below the home
        return f"{closed} is closed; choose another path" if closed else ""


def _listed(places: tuple[str, ...]) -> str:
    return f"{', '.join(places)} {'is' if len(places) == 1 else 'are'}"


def _prosodys(paths: Paths) -> tuple[PurePosixPath, ...]:
    """What of Prosody's own is written by the agent alone."""
    return (paths.config, paths.stage, paths.secrets, paths.pidfile, paths.socket)


def _directories(paths: Paths) -> frozenset[PurePosixPath]:
    """What is made for Prosody, and what that lies in: a second opinion of one of these would never come to rest."""
    made = (paths.data, paths.certificates, *(file.parent for file in (paths.config, paths.pidfile, paths.log)))
    return frozenset((*made, paths.data.parent))


def _in_tree(path: PurePosixPath, entry: File, spec: HostSpec) -> list[PurePosixPath]:
    """Each file and directory that a tree brings besides its own."""
    names = (name for name in spec.sources if entry.tree is not None and name.startswith(f"{entry.tree}/"))
    files = {path / PurePosixPath(name).relative_to(entry.tree or "") for name in names}
    return sorted(files.union(above for file in files for above in file.parents if path in above.parents))


def _out_of_sight(entry: File) -> str:
    """Why the agent could not see again what it writes with this mode; empty when it can.

    Root reads whatever the mode is. Anybody else would write it, and never know what lies there.
    """
    needed = 0o500 if entry.directory else 0o400
    if os.geteuid() == 0 or entry.mode is None or int(entry.mode, 8) & needed == needed:
        return ""
    return f"the agent, not being root, could not look at it again; write a mode that includes {needed:04o}"


def _mistake(spec: HostSpec, way: tuple[str | int, ...], text: str) -> Mistake:
    subject = ".".join(map(str, way))
    return Mistake(mark=spec.origin(*way) or Mark(f"hosts/{spec.name}.yaml"), subject=subject, text=text)
