"""`requires`: what is only observed is held against its range, and told when it does not fit."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from world import World, spec

from reconcilers import dpkg, requires
from schemas.plan import Change, Holds, Kind, Verdict, Wait
from schemas.record import Owned


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host on which dpkg remembers three packages."""
    packages = {"lua-sec": "1.2.0-2", "libssl3": "3.0.11-1~deb12u2", "lua5.4": "5.4.4-3"}
    status = "\n\n".join(f"Package: {n}\nStatus: install ok installed\nVersion: {v}" for n, v in packages.items())
    (tmp_path / "status").write_text(status + "\n")
    monkeypatch.setattr(dpkg, "STATUS", PurePosixPath(tmp_path, "status"))
    return World(tmp_path, Path("/usr/bin/prosody"))


def _judge(world: World, wanted: dict[str, str], owned: tuple[Owned, ...] = ()) -> list[Verdict]:
    said, ours = spec(None, requires=wanted), {one.id: one for one in owned}
    have = requires.observe(world.host, said, ours, world.site)
    return list(requires.plan(said, have, ours, world.site))


def test_what_is_there_in_its_range_holds(world: World) -> None:
    """By the names that LuaRocks and the projects use; Prosody's own word for itself, dpkg's for all else."""
    wanted = {"luasec": ">=1.2", "openssl": ">=3.0, <4", "prosody": world.prosody.line, "libssl3": "3.0.11"}
    assert all(isinstance(verdict, Holds) for verdict in _judge(world, wanted))


@pytest.mark.parametrize(
    ("name", "range_", "told"),
    [
        ("openssl", ">=3.5", "openssl: 3.0.11-1~deb12u2 is installed, and git requires >=3.5"),
        ("luaexpat", ">=1.5", "luaexpat: none is installed, and git requires >=1.5"),
        ("prosody", ">=99", "is installed, and git requires >=99"),
    ],
)
def test_what_is_unmet_waits_and_is_told(world: World, name: str, range_: str, told: str) -> None:
    """Nothing is installed for it."""
    (verdict,) = _judge(world, {name: range_})
    assert isinstance(verdict, Wait) and told in verdict.why


def test_gone_from_git_is_let_go_of(world: World) -> None:
    """It was never ours to remove."""
    owned = Owned(id="requires:openssl", reconciler="requires", wish=">=3", digest="3.0.11", revision="")
    (verdict,) = _judge(world, {}, (owned,))
    assert isinstance(verdict, Change) and verdict.kind is Kind.RELEASED and not verdict.actions
