"""The second copy of what must not be lost: accepted and good, with all their history, in one git bundle.

`state_dir/kept.bundle` is what git-bundle(1) writes (format 2), so that a person can clone it without the agent.
libgit2 reads no bundles: the pack in it is put back as it is, with its index, which lies beside it as
`kept-<checksum of the pack>.idx`.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pygit2

from agent import durable
from agent.bounded import apart

_SIGNATURE = b"# v2 git bundle\n"
_CHECKSUM = 20

PACKING_MEGABYTES = 1024
"""For a child that packs files of 256 MiB."""
_SECONDS = 120.0


class BundleDamaged(Exception):
    """It is there, but cannot be read or is not what was written."""


class Bundle:
    """`kept.bundle` in one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "kept.bundle"

    def refs(self) -> dict[str, str]:
        """Ref → full id; empty when there is no bundle. Reads the head only. Raises BundleDamaged."""
        try:
            with self.path.open("rb") as file:
                return self._read_head(file.read(4096))[0]
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise BundleDamaged(f"{self.path}: {error.strerror}") from None

    def write(
        self, repository: pygit2.Repository, refs: Mapping[str, str], *, between: Callable[[], None] | None = None
    ) -> None:
        """Everything that these refs reach, durably; the former bundle stands until this one is whole.

        In a child: to pack a file takes three times its size of memory. Raises TooDear, and what `between` raises.
        """
        packing = partial(self._write, repository, refs)
        apart(packing, seconds=_SECONDS, megabytes=PACKING_MEGABYTES, between=between)

    def _write(self, repository: pygit2.Repository, refs: Mapping[str, str]) -> None:
        builder = pygit2.PackBuilder(repository)
        for id_ in _reachable(repository, refs.values()):
            builder.add(id_)
        for left in self.path.parent.glob(".kept[-.]*"):  # by an agent or a child that was killed here
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=".kept-") as place:
            builder.write(place)
            (pack,) = Path(place).glob("*.pack")
            (index,) = Path(place).glob("*.idx")
            data = pack.read_bytes()
            checksum = data[-_CHECKSUM:].hex()
            durable.replace(self._index(checksum), index.read_bytes(), mode=0o600)
        # With a HEAD, a person can `git clone kept.bundle`.
        named = {**refs, "HEAD": min(refs.items())[1]}
        head = _SIGNATURE + "".join(f"{id_} {name}\n" for name, id_ in sorted(named.items())).encode() + b"\n"
        durable.replace(self.path, head + data, mode=0o600)
        for former in self.path.parent.glob("kept-*.idx"):
            if former != self._index(checksum):
                former.unlink()

    def restore(self, packs: Path) -> str:
        """Put pack and index into a repository's `objects/pack`; the pack's name, empty without a bundle.

        Raises BundleDamaged, and nothing is put there.
        """
        try:
            whole = self.path.read_bytes()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise BundleDamaged(f"{self.path}: {error.strerror}") from None
        _, begin = self._read_head(whole)
        pack, checksum = whole[begin:], whole[-_CHECKSUM:].hex()
        index = self._index(checksum)
        if not is_sealed(pack) or not index.is_file() or not is_sealed(index.read_bytes()):
            raise BundleDamaged(f"{self.path}: its checksum is wrong, or {index.name} is not what belongs to it")
        name = f"pack-{checksum}"
        packs.joinpath(f"{name}.pack").write_bytes(pack)
        shutil.copyfile(index, packs / f"{name}.idx")
        return name

    def _index(self, checksum: str) -> Path:
        return self.path.with_name(f"kept-{checksum}.idx")

    def _read_head(self, data: bytes) -> tuple[dict[str, str], int]:
        """The refs, and where the pack begins."""
        end = data.find(b"\n\n")
        if not data.startswith(_SIGNATURE) or end < 0:
            raise BundleDamaged(f"{self.path}: does not begin as a git bundle does")
        lines = data[len(_SIGNATURE) : end].decode("utf-8", "replace").splitlines()
        named = (line.partition(" ") for line in lines)
        return {name: id_ for id_, _, name in named if name != "HEAD"}, end + 2


def is_sealed(data: bytes) -> bool:
    """Whether it ends in its own SHA-1, as packs and indexes do."""
    digest = hashlib.sha1(data[:-_CHECKSUM], usedforsecurity=False).digest()
    return len(data) > _CHECKSUM and digest == data[-_CHECKSUM:]


def _reachable(repository: pygit2.Repository, tips: Iterable[str]) -> Iterator[pygit2.Oid]:
    """Every object below these commits, once. PackBuilder.add_recur would walk each commit's whole tree again."""
    seen: set[pygit2.Oid] = set()
    for tip in tips:
        for commit in repository.walk(pygit2.Oid(hex=tip)):
            if commit.id in seen:
                continue
            seen.add(commit.id)
            yield commit.id
            waiting = [commit.tree_id]
            while waiting:
                id_ = waiting.pop()
                if id_ in seen:
                    continue
                seen.add(id_)
                yield id_
                for entry in repository[id_].peel(pygit2.Tree):
                    if entry.filemode == pygit2.enums.FileMode.TREE:
                        waiting.append(entry.id)
                    elif entry.filemode != pygit2.enums.FileMode.COMMIT and entry.id not in seen:
                        seen.add(entry.id)
                        yield entry.id
