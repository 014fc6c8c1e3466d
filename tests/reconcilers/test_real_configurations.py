"""Three configurations that people run, said in the language: Prosody's own reader finds the two files equal."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from world import World, candidate

from reconcilers.parsed import Parsed, parse
from reconcilers.ports import DEFAULTS
from reconcilers.profiles import local
from schemas.desired import HostSpec
from schemas.load import Blob, Facts, load

REAL = Path(__file__).parents[1] / "schemas/real"

NAMES = ("debian-0.12", "debian-13.0", "shared-hosting")


def at_home(home: Path, text: bytes) -> bytes:
    """What Debian keeps in /etc/prosody/conf.d is none of the file's, and not everybody may read it."""
    (home / "conf.d").mkdir(exist_ok=True)
    return text.replace(b"/etc/prosody/conf.d/", f"{home}/conf.d/".encode())


def said_in_the_language(name: str) -> HostSpec:
    """Refuses a mistake; notes are no mistakes."""
    return load({"hosts/a.yaml": Blob((REAL / f"{name}.yaml").read_bytes())}, "a", Facts(home="/home/juliet"))


@pytest.mark.parametrize("name", NAMES)
def test_prosody_reads_the_same_of_both_files(home: Path, prosody: Path, name: str) -> None:
    """Every option of every scope, on both versions; beside them stands only what the place supplies."""
    world, place = World(home, prosody), PurePosixPath(home, "prosody.cfg.lua")
    ours = at_home(home, candidate(world, said_in_the_language(name)).text)
    original = (REAL / f"{name}.cfg.lua").read_bytes()
    theirs, rendered = parse(world.host, world.site, world.prosody, original, ours, at=place).texts
    assert isinstance(theirs, Parsed), theirs
    assert isinstance(rendered, Parsed), rendered
    supplied = local.supplied_options(world.site, DEFAULTS).keys() - theirs.scopes["*"].keys()
    globally = {option: value for option, value in rendered.scopes["*"].items() if option not in supplied}
    assert {**rendered.scopes, "*": globally} == theirs.scopes


@pytest.mark.parametrize(("name", "option"), [("debian-0.12", "limits"), ("shared-hosting", "ssl")])
def test_a_single_difference_is_seen(home: Path, prosody12: Path, name: str, option: str) -> None:
    """What the test above compares is what the files say: one option less in the original is one too many in ours."""
    world, place = World(home, prosody12), PurePosixPath(home, "prosody.cfg.lua")
    original = (REAL / f"{name}.cfg.lua").read_bytes().replace(f"{option} =".encode(), b"another =")
    text = at_home(home, candidate(world, said_in_the_language(name)).text)
    (theirs,) = parse(world.host, world.site, world.prosody, original, at=place).texts
    (ours,) = parse(world.host, world.site, world.prosody, text).texts
    assert isinstance(theirs, Parsed) and isinstance(ours, Parsed)
    assert any(option in ours.scopes[scope].keys() - theirs.scopes[scope].keys() for scope in theirs.scopes)
