"""`check`: what a program of the host finds wrong never takes its place."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from msgspec.structs import replace
from world import World, spec

from reconcilers import files, ports
from schemas.actions import CHECKS
from schemas.desired import HostFile, HostSpec
from schemas.errors import CheckRefused
from schemas.plan import Change, Wait


@pytest.fixture
def world(home: Path, prosody12: Path) -> World:
    return World(home, prosody12)


def program(world: World, script: str) -> str:
    """A shell script that looks at its argument."""
    path = world.home / "check"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def wanted(world: World, check: str, content: object = "good\n", **entry: object) -> HostSpec:
    return spec({}, files={f"{world.home}/conf": {"content": content, "check": (check, "<file>"), **entry}})


def refused(world: World, host: HostSpec) -> str:
    """What the check says of it."""
    with pytest.raises(CheckRefused) as error:
        world.make(world.change(host, files), "files")
    return str(error.value)


def test_the_program_sees_the_candidate_beside_its_place(world: World) -> None:
    """In the same directory, under a name that its readers pass over, dressed as wanted, while the old one stands."""
    (world.home / "conf").write_text("old\n")
    log = shlex.quote(str(world.home / "seen"))
    script = (
        f'dirname "$1" > {log}; basename "$1" >> {log}; stat -c %a "$1" >> {log}; cat "$1" {world.home}/conf >> {log}'
    )
    check = program(world, f"{script}; env | grep -v -e ^_= -e ^PWD= -e ^SHLVL= -e ^OLDPWD= >> {log}")
    world.converge(wanted(world, check, mode="0604"), ports, files)
    directory, name, mode, new, old, *environment = (world.home / "seen").read_text().splitlines()
    assert (directory, mode, new, old) == (str(world.home), "604", "good", "old")
    assert name.startswith(".conf.") and name.endswith(".prosodist")
    assert {line.partition("=")[0] for line in environment} == {"LANG", "PATH"}
    assert (world.home / "conf").read_text() == "good\n"
    assert not list(world.home.glob(".conf*"))


def test_what_is_found_wrong_changes_nothing(world: World) -> None:
    """Its words are told with the name that people know, and no candidate is left."""
    (world.home / "conf").write_text("old\n")
    check = program(world, 'grep -q good "$1" || { echo "$1: line 1 is bad" >&2; exit 3; }')
    words = refused(world, wanted(world, check, "bad\n"))
    assert f"{world.home}/conf: line 1 is bad" in words and "exit status 3" in words
    assert (world.home / "conf").read_text() == "old\n"
    assert sorted(os.listdir(world.home)) == ["check", "conf"]


def test_the_same_bytes_are_not_tried_again_at_once(world: World) -> None:
    """They wait, with the words; others are tried, and the same in an hour or when the program is another."""
    check = program(world, 'echo called >> "${0%/*}/calls"; grep -q good "$1"')
    bad = wanted(world, check, "bad\n")
    refused(world, bad)
    (verdict,) = world.verdicts(bad, files)
    assert isinstance(verdict, Wait) and "finds it wrong" in verdict.why
    assert (world.home / "calls").read_text() == "called\n"
    world.now += 3601
    refused(world, bad)
    assert isinstance(world.verdicts(bad, files)[0], Wait)
    program(world, "exit 0")
    assert isinstance(world.change(bad, files), Change)
    world.converge(wanted(world, check), ports, files)
    assert (world.home / "conf").read_text() == "good\n"


def test_what_was_found_wrong_long_ago_is_forgotten(world: World) -> None:
    """It keeps nothing back any more, and its path may be gone from git."""
    check = program(world, "exit 3")
    refused(world, wanted(world, check))
    world.now += 3601
    other = spec({}, files={f"{world.home}/other": {"content": "x", "check": (check, "<file>")}})
    refused(world, other)
    assert list(world.records[CHECKS].value) == [f"{world.home}/other"]


def test_of_a_secret_the_program_says_nothing(world: World) -> None:
    """What it says may quote it."""
    (world.home / "secret").write_text("s3cret")
    check = program(world, 'cat "$1"; exit 1')
    words = refused(world, wanted(world, check, HostFile(host_file=f"{world.home}/secret")))
    assert "s3cret" not in words and "s3cret" not in str(world.records)


def test_a_program_that_is_closed_or_missing_is_waited_for(world: World) -> None:
    """The first is for the host's admin, the second for a package."""
    (verdict,) = world.verdicts(wanted(world, f"{world.home}/none"), files)
    assert isinstance(verdict, Wait) and f"{world.home}/none" in verdict.why
    world.site = replace(world.site, allows=lambda word, value: word != "run")
    (verdict,) = world.verdicts(wanted(world, program(world, "exit 0")), files)
    assert isinstance(verdict, Wait) and "allow: {run:" in verdict.why


def test_a_program_that_does_not_end_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And counts as one that finds it wrong."""
    monkeypatch.setattr("agent.checks._TIMEOUT", 0.3)
    assert "did not end" in refused(world, wanted(world, program(world, "sleep 60")))


def test_a_block_is_checked_within_its_file(world: World) -> None:
    """What the program sees is the whole file."""
    (world.home / "conf").write_text("theirs\n")
    check = program(world, 'grep -q theirs "$1" && ! grep -q bad "$1"')
    refused(world, wanted(world, check, "bad\n", block=True))
    assert (world.home / "conf").read_text() == "theirs\n"
    world.converge(wanted(world, check, block=True), ports, files)
    assert "theirs\n" in (world.home / "conf").read_text() and "good\n" in (world.home / "conf").read_text()
