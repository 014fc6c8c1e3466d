"""`files` in whole passes: blocks, checks, and trees."""

from __future__ import annotations

import os

from places import DOCUMENT, Place


def test_what_a_check_refuses_is_told_once_and_the_rest_goes_on(living: Place) -> None:
    """No poll runs it again with the same bytes; a person's `reconcile` does, and a better commit is taken."""
    calls = living.root / "calls"
    check = living.root / "check"
    check.write_text(f'#!/bin/sh\necho >> {calls}\ngrep -q good "$1" || {{ echo "line 1: no good"; exit 1; }}\n')
    check.chmod(0o755)
    if os.geteuid() == 0:
        with living.settings.open("a") as settings:
            settings.write(f"allow: {{run: [{check}]}}\n")
    document = DOCUMENT + f"  <home>/a-conf: {{content: bad, check: [{check}, <file>]}}\n  <home>/b: {{content: b}}\n"
    living.push(document=document)
    with living.engine() as engine:
        first = engine.passes.run()
        assert first.failures and "line 1: no good" in first.failures[0]
        assert (living.home / "b").read_text() == "b" and not (living.home / "a-conf").exists()
        for _ in range(3):
            outcome = engine.passes.run()
            assert [wait.id for wait in outcome.waits] == [f"file:{living.home}/a-conf"]
        assert calls.read_text() == "\n"
        engine.passes.run(retry=True)
        assert calls.read_text() == "\n\n"
    told = [entry for entry in living.told("change.failed") if entry["object"] == f"{living.home}/a-conf"]
    assert len(told) == 2, "when it was refused, and when a person had asked again"
    living.push(document=document.replace("content: bad", "content: good"))
    assert living.reconcile()["result"] == "changed"
    assert (living.home / "a-conf").read_text() == "good"


def test_a_block_comes_and_goes_with_its_entry(living: Place) -> None:
    """An edit by hand within it is kept and put right, the rest is theirs; a second pass does nothing."""
    torrc = living.home / "torrc"
    torrc.write_bytes(b"theirs \xff\n")
    living.push(document=DOCUMENT + "  <home>/torrc: {content: ours, block: true}\n")
    assert living.reconcile()["result"] == "changed"
    assert living.reconcile()["result"] == "in_sync"
    torrc.write_bytes(torrc.read_bytes().replace(b"ours", b"mine") + b"more\n")
    living.log.clear()
    assert living.reconcile()["result"] == "changed"
    assert b"\nours\n" in torrc.read_bytes() and torrc.read_bytes().endswith(b"more\n")
    assert [entry["object"] for entry in living.told("kept.stored")] == [str(torrc)]
    living.push(document=DOCUMENT)
    assert living.reconcile()["result"] == "changed"
    assert torrc.read_bytes() == b"theirs \xff\nmore\n"


def test_a_tree_is_looked_at_in_the_full_look(living: Place) -> None:
    """After the commit that says so, at the start, and with `--full`; in between nobody walks it."""
    inner = living.home / "tree/a"
    inner.mkdir(parents=True)
    inner.chmod(0o700)
    document = DOCUMENT + '  <home>/tree: {directory: true, mode: "0750", recurse: true}\n'
    living.push(document=document)
    with living.engine() as engine:
        assert engine.passes.run().result.value == "changed"
        assert inner.stat().st_mode & 0o777 == 0o750
        inner.chmod(0o700)
        (living.home / "motd").write_text("by hand")
        assert [change.id for change in engine.passes.run().made] == [f"file:{living.home}/motd"]
        assert inner.stat().st_mode & 0o777 == 0o700
        made = engine.passes.run(full=True).made
        assert [change.id for change in made] == [f"below:{living.home}/tree"]
        inner.chmod(0o700)
    with living.engine() as engine:
        assert [change.id for change in engine.passes.run().made] == [f"below:{living.home}/tree"]


def test_a_file_that_goes_takes_its_directories_with_it(living: Place) -> None:
    """Those that were made for it, however deep, and in the same pass."""
    living.push(document=DOCUMENT + "  <home>/v/w/x/y/z/file: {content: x}\n")
    living.reconcile()
    living.push(document=DOCUMENT)
    assert living.reconcile()["result"] == "changed"
    assert not (living.home / "v").exists() and (living.home / "site").exists()
    assert living.reconcile()["result"] == "in_sync"
