"""Modules beside a package that brings some too: one that comes in this pass, one that does not, one as dpkg has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from msgspec.structs import replace
from world import World, spec

from reconcilers import plugins, sourced
from reconcilers.apt import offers
from reconcilers.apt.choose import Candidate
from reconcilers.apt.offers import Offers
from reconcilers.contract import FileInfo, Reader, Site
from schemas.desired import HostSpec, Source
from schemas.errors import SpecError
from schemas.plan import Change, NextRound, Verdict, Wait
from schemas.record import Record

PACKAGE = "prosody-modules"
STATUS = """\
Package: prosody-modules
Status: install ok installed
Architecture: amd64
Multi-Arch: {}
Version: 1-1
"""
LISTING = "0123  usr/share/doc/prosody-modules/copyright\n0123  usr/lib/prosody/modules/mod_lastlog/mod_lastlog.lua\n"
INFO = "/var/lib/dpkg/info"


class Said(Reader):
    """A host of which only these files are known, and what apt said of the package."""

    def __init__(self, files: Mapping[str, str] | None = None, versions: tuple[str, ...] | None = None) -> None:
        self._files = {PurePosixPath(path): text.encode() for path, text in (files or {}).items()}
        self._versions = versions

    def read(self, path: PurePosixPath) -> bytes | None:
        return self._files.get(path)

    def stat(self, path: PurePosixPath) -> FileInfo | None:
        return None

    def listdir(self, path: PurePosixPath) -> tuple[str, ...] | None:
        return None

    def due(self, instant: float) -> bool:
        return False

    def recall(self, id_: str) -> Record | None:
        if id_ != offers.RECORD or self._versions is None:
            return None
        known = tuple(Candidate(version=version, priority=500, suites=("stable",)) for version in self._versions)
        said = Offers(updated=1.0, said="same", lists=0, candidates={PACKAGE: known})
        return Record(value=said.to_json(), at=1.0)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A Debian host whose Lua is not asked."""
    world = World(tmp_path, Path("/usr/bin/prosody"))
    return replace(world.site, profile="debian", prosody=None, digest=lambda _: "same")


def _wish(**host: Any) -> HostSpec:
    said = {"distribution": {"package": PACKAGE}, "own": {"source": "files/modules"}}
    sources = {f"files/modules/mod_{name}.lua": b"-- ours\n" for name in ("hello", "lastlog")}
    return spec({"plugins": said}, sources, profile="debian", **host)


def _plan(reader: Reader, site: Site, wish: HostSpec | None = None) -> dict[str, Verdict]:
    wish = wish or _wish()
    have = plugins.observe(reader, wish, {}, site)
    return {verdict.id.rpartition("/")[2]: verdict for verdict in plugins.plan(wish, have, {}, site)}


@pytest.mark.parametrize("versions", [("1-1",), None], ids=["on offer", "never asked"])
def test_a_package_that_comes_in_this_pass_is_waited_for(site: Site, versions: tuple[str, ...] | None) -> None:
    """Its modules are the first's, and not known before."""
    verdicts = _plan(Said(versions=versions), site)
    assert set(verdicts) == {"mod_hello.lua", "mod_lastlog.lua"}
    assert all(isinstance(v, Wait) and isinstance(v.until, NextRound) for v in verdicts.values())


def test_a_package_that_cannot_be_had_holds_up_nothing(site: Site) -> None:
    """Who waited for it in every pass would keep configuration, certificates and services waiting too."""
    verdicts = _plan(Said(versions=()), site)
    assert set(verdicts) == {"mod_hello.lua", "mod_lastlog.lua"}
    assert all(isinstance(verdict, Change) for verdict in verdicts.values())
    absent = _wish(packages={"apt": {PACKAGE: {"version": "absent"}}})
    assert all(isinstance(verdict, Change) for verdict in _plan(Said(versions=("1-1",)), site, absent).values())


@pytest.mark.parametrize(
    ("multi", "listed"), [("foreign", f"{INFO}/{PACKAGE}.md5sums"), ("same", f"{INFO}/{PACKAGE}:amd64.md5sums")]
)
def test_what_an_installed_package_brings_is_known(site: Site, multi: str, listed: str) -> None:
    """Of one that may be there for several architectures dpkg keeps the listing under another name."""
    reader = Said({"/var/lib/dpkg/status": STATUS.format(multi), listed: LISTING})
    assert sourced.brought_by(reader, PACKAGE) == {"mod_lastlog"}
    assert set(_plan(reader, site)) == {"mod_hello.lua"}


@pytest.mark.parametrize("below", ["", "mod_hello.lua"], ids=["in a tree", "by its path"])
def test_a_module_that_files_write_too_is_refused(site: Site, below: str) -> None:
    """Two that write one path would undo each other's work, and the commit would be gone back from as unhealthy."""
    place, entry = site.paths.plugins[0] / below, {"source": "also/mod_hello.lua"} if below else {"tree": "also"}
    wish = _wish(files={str(place): entry})
    more = {**wish.sources, "also/mod_hello.lua": Source(data=b"-- too\n"), "also/README": Source(data=b"all\n")}
    with pytest.raises(SpecError) as refused:
        _plan(Said(versions=()), site, replace(wish, sources=more))
    (mistake,) = refused.value.mistakes
    assert mistake.subject == f"files.{place}"
    assert mistake.text == "prosody.plugins brings mod_hello.lua already; take one of them out"


def test_what_else_a_tree_has_lies_beside_them(site: Site) -> None:
    """In the same directory, at other paths."""
    wish = _wish(files={str(site.paths.plugins[0]): {"tree": "also"}})
    wish = replace(wish, sources={**wish.sources, "also/README": Source(data=b"for all\n")})
    assert set(_plan(Said(versions=()), site, wish)) == {"mod_hello.lua", "mod_lastlog.lua"}
