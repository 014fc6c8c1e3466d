"""What a configuration opens while it is read decides what is loaded, so a proof must not outlive its change."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from world import World

from agent.trace import Tracer
from reconcilers.parsed import parse


@pytest.mark.parametrize("way", ["Include '{}/*.lua'", "Include '{}/a.lua'", "dofile '{}/a.lua'"])
def test_an_edit_in_place_of_an_opened_file_ends_the_proof(home: Path, prosody: Path, way: str) -> None:
    """By a pattern, by name, and by Lua of its own; the directory itself is the same afterwards."""
    world = World(home, prosody)
    included = home / "a.lua"
    included.write_text("c2s_timeout = 300\n")
    tracer = Tracer(world.host, clock=lambda: time.time() + 60)
    parse(tracer, world.site, world.prosody, way.format(home).encode() + b"\n", depends=())
    proof = tracer.proof()
    assert proof is not None
    assert proof.holds(world.host, time.time())
    included.write_text("c2s_timeout = 30100\n")
    assert not proof.holds(world.host, time.time())
