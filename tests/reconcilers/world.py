"""A host to think about: a real LocalHost on a directory of its own, a real Prosody, rounds made by hand."""

from __future__ import annotations

import getpass
import grp
import hashlib
import hmac
import os
import pwd
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from agent.fence import Fence
from agent.host import LocalHost
from reconcilers import certificates, config, directories, installation, ports, secrets, services
from reconcilers.candidate import render_candidate
from reconcilers.contract import Reconciler, Site
from reconcilers.mainfile import MainFile
from reconcilers.managers import child
from reconcilers.profiles import local
from reconcilers.render import render
from schemas.actions import Stop
from schemas.desired import Host as Document
from schemas.desired import HostSpec, Source
from schemas.errors import Mark
from schemas.plan import Change, Verdict
from schemas.record import Owned, Record

ALL: tuple[Reconciler[Any], ...] = (directories, secrets, ports, certificates, config, services)


def spec(prosody: Mapping[str, Any] | None, sources: Mapping[str, bytes] | None = None, **host: Any) -> HostSpec:
    """A HostSpec from a document; every value of it is said to stand at line 1, its top-level option at its own."""
    document = Document.model_validate(
        {"profile": "local", **host, **({"prosody": prosody} if prosody is not None else {})}
    )
    marks: dict[tuple[str | int, ...], Mark] = {}
    for line, way in enumerate(_ways({"prosody": prosody or {}}, ()), start=1):
        marks[way] = Mark("hosts/a.yaml", line, 1)
    files = {name: Source(data=data) for name, data in (sources or {}).items()}
    said = frozenset({"hosts/a.yaml"})
    return HostSpec(name="a", host=document, said="", digest="", documents=said, sources=files, marks=marks)


def _ways(value: object, way: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The way to each value; `options` is no word of the language."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            below = way if key == "options" else (*way, key)
            if below != way:
                yield below
            yield from _ways(item, below)


class World:
    """A host with this Prosody; `home` may be entered by all."""

    def __init__(self, home: Path, program: Path) -> None:
        self.home = home
        self.records: dict[str, Record] = {}
        self.owned: dict[str, dict[str, Owned]] = {}
        self.now = time.time()
        self.host = LocalHost(
            fence=Fence(open=(PurePosixPath(home),)),
            keep=lambda copy, why: None,
            remember=self._remember,
            recall=self.records.get,
            forget=lambda id_: self.records.pop(id_, None),
            clock=lambda: self.now,
        )
        user = "prosody" if os.geteuid() == 0 else None
        owner = user or getpass.getuser()
        found = installation.find_prosody(self.host, (PurePosixPath(program),))
        assert found is not None
        self.prosody = found
        self.site = Site(
            profile="local",
            fqdn="a",
            home=PurePosixPath(home),
            paths=local.site_paths(PurePosixPath(home)),
            age_key=PurePosixPath(home, "age.key"),
            prosody=found,
            user=user,
            owner=owner,
            group=grp.getgrgid(pwd.getpwnam(owner).pw_gid).gr_name,
            may_write=lambda path: "",
            may_read=lambda path: "" if path.is_relative_to(home) else "not open",
            allows=lambda word, value: True,
            digest=lambda data: hmac.digest(b"key", data, hashlib.sha256).hex(),
            render=render,
            hide=lambda secret: None,
        )
        self.config = Path(self.site.paths.config)

    def _remember(self, id_: str, value: Mapping[str, Any]) -> None:
        self.records[id_] = Record(value=value, at=self.now)

    def verdicts(self, wanted: HostSpec, *reconcilers: Reconciler[Any]) -> list[Verdict]:
        """What these say now (all of them, unless named)."""
        said: list[Verdict] = []
        for reconciler in reconcilers or ALL:
            owned = self.owned.get(reconciler.NAME, {})
            have = reconciler.observe(self.host, wanted, owned, self.site)
            said += reconciler.plan(wanted, have, owned, self.site)
        return said

    def change(self, wanted: HostSpec, reconciler: Reconciler[Any]) -> Change:
        """The only verdict, a change."""
        (verdict,) = self.verdicts(wanted, reconciler)
        assert isinstance(verdict, Change)
        return verdict

    def converge(self, wanted: HostSpec, *reconcilers: Reconciler[Any]) -> int:
        """Rounds until nothing changes; how many there were."""
        for number in range(1, 8):
            changed = False
            for reconciler in reconcilers or ALL:
                for verdict in self.verdicts(wanted, reconciler):
                    if isinstance(verdict, Change):
                        self.make(verdict, reconciler.NAME)
                        changed = True
            if not changed:
                return number
        raise AssertionError("does not converge")

    def make(self, change: Change, name: str) -> None:
        """Carry one change out, and own or disown its object."""
        for action in change.actions:
            self.host.perform(action)
        inventory = self.owned.setdefault(name, {})
        if change.wanted is None:
            inventory.pop(change.id, None)
        else:
            inventory[change.id] = Owned(id=change.id, reconciler=name, wish=change.wanted, digest="", revision="")

    def stop(self) -> None:
        """End the Prosody that was started here."""
        self.host.perform(Stop(id=child.PROCESS, timeout=5.0))


def candidate(world: World, wanted: HostSpec) -> MainFile:
    """The rendered configuration, with its ports and secrets in place."""
    world.converge(wanted, directories, secrets, ports)
    main = render_candidate(world.host, wanted, world.site)
    assert isinstance(main, MainFile), main
    return main
