"""What others change: told once, kept, and put right where git minds."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from places import DOCUMENT, Place, is_open, on_both


def test_an_edit_is_told_once_kept_and_corrected(living: Place) -> None:
    """`correct`: one event when it appears, one when it clears, and the person's bytes can be had back."""
    motd = living.home / "motd"
    motd.write_bytes(b"mine\n\xff")
    living.reconcile()
    living.reconcile()
    assert motd.read_text() == "Kept by prosodist\n"
    assert _told(living, motd) == ["drift.appeared", "drift.cleared"]
    (kept,) = json.loads(living.command("kept", "list", "-o", "json").stdout)
    assert kept["object"] == str(motd)
    assert living.command("kept", "show", kept["id"]).stdout == b"mine\n\xff"
    living.command("kept", "restore", kept["id"])
    assert motd.read_bytes() == b"mine\n\xff"


def test_detect_tells_and_leaves(living: Place) -> None:
    """`detect`: told once, told when it changes, told when it is taken back; never touched and never again per pass."""
    watched = living.home / "watched"
    with living.engine() as engine:
        for text in ("mine\n", "mine\n", "mine again\n", "watched\n", "watched\n"):
            watched.write_text(text)
            engine.answer("reconcile", {}, print)
            engine.answer("reconcile", {"full": True}, print)
            assert watched.read_text() == text
    assert _told(living, watched) == ["drift.appeared", "drift.changed", "drift.cleared"]


def test_detect_survives_the_agent(living: Place) -> None:
    """An agent started anew does not tell what its forerunner told; `drift` lists it."""
    (living.home / "watched").write_text("mine\n")
    living.reconcile()
    living.reconcile()
    assert _told(living, living.home / "watched") == ["drift.appeared"]
    (found,) = json.loads(living.command("drift", "-o", "json").stdout)["drift"]
    assert found["object"] == str(living.home / "watched")


def test_ignore_looks_only_once(living: Place) -> None:
    """`ignore`: made when absent; afterwards an edit, a deletion and a commit are all the same to it."""
    once = living.home / "once"
    once.write_text("mine\n")
    living.reconcile()
    once.unlink()
    living.push(document=DOCUMENT.replace('"once\\n"', '"twice\\n"'))
    living.reconcile()
    assert not once.exists()
    assert _told(living, once) == []


def test_an_ignored_edit_is_kept_when_git_begins_to_mind(living: Place) -> None:
    """What was ignored is a person's work all the same: it is kept before it is overwritten."""
    once = living.home / "once"
    once.write_text("mine\n")
    living.reconcile()
    living.push(document=DOCUMENT.replace(", drift: ignore", ""))
    living.reconcile()
    assert once.read_text() == "once\n"
    assert b"mine\n" in _kept(living, once)


def test_git_wins_a_conflict_and_the_edit_is_kept(living: Place) -> None:
    """Both changed: told as a conflict, kept, and git's word stands; under `detect` too."""
    for name in ("motd", "watched"):
        (living.home / name).write_text("mine\n")
    changed = DOCUMENT.replace("Kept by", "Written by").replace('"watched', '"seen')
    living.push(document=changed)
    living.reconcile()
    assert (living.home / "motd").read_text() == "Written by prosodist\n"
    assert (living.home / "watched").read_text() == "seen\n"
    for name in ("motd", "watched"):
        assert b"mine\n" in _kept(living, living.home / name)
    assert {entry["class"] for entry in living.told("drift.appeared")} == {"conflict"}


def test_what_is_gone_from_git_is_removed_if_we_made_it(living: Place) -> None:
    """Ours and gone: removed. Equal but there before us: let go of. A stranger in our directory: both stay."""
    (living.home / "theirs").write_text("theirs\n")
    more = '  <home>/theirs: {content: "theirs\\n"}\n  <home>/box: {directory: true}\n  <home>/box/a: {content: a}\n'
    living.push(document=DOCUMENT + more)
    living.reconcile()
    (living.home / "box/stranger").write_text("keep me")
    living.push(document=DOCUMENT.replace("  <home>/site/index.html: {source: files/index.html}\n", ""))
    outcome = living.reconcile()
    assert outcome["failures"] == []
    assert not (living.home / "site/index.html").exists()
    assert not (living.home / "box/a").exists()
    assert (living.home / "box/stranger").read_text() == "keep me"
    assert (living.home / "theirs").read_text() == "theirs\n"
    assert living.reconcile()["result"] == "in_sync"


def test_a_file_that_was_there_before_is_kept(living: Place) -> None:
    """A new path in git under which a person's file lies: kept, then replaced."""
    (living.home / "new").write_text("here before\n")
    living.push(document=DOCUMENT + "  <home>/new: {content: git}\n")
    living.reconcile()
    assert (living.home / "new").read_text() == "git"
    assert b"here before\n" in _kept(living, living.home / "new")


@pytest.mark.parametrize("how", ["mode", "owner", "deleted", "moved", "link", "directory mode", "directory moved"])
def test_every_way_to_drift_is_put_right(living: Place, how: str) -> None:
    """Mode, owner, deletion, a file or its directory moved away, a link in its place."""
    motd = living.home / "motd"
    before = living.bytes(times=False)
    match how:
        case "mode":
            motd.chmod(0o666)
        case "owner":
            if os.geteuid() == 0:
                living.push(document=DOCUMENT.replace('prosodist\\n"', 'prosodist\\n", owner: root'))
                living.reconcile()
                os.chown(motd, 1, 1)
                assert living.reconcile()["changes"]
                assert motd.stat().st_uid == 0
                return
            motd.chmod(0o600)  # no one but root gives files away
        case "deleted":
            motd.unlink()
        case "moved":
            motd.rename(living.root / "elsewhere")
        case "link":
            motd.unlink()
            motd.symlink_to("/etc/passwd")
        case "directory mode":
            (living.home / "prosody/certs").chmod(0o777)
        case "directory moved":
            (living.home / "site").rename(living.root / "elsewhere")
    living.reconcile()
    assert living.bytes(times=False) == before
    gone = 2 if how == "directory moved" else 1  # the file, and the directory that was made for it
    assert len(living.told("drift.appeared")) == len(living.told("drift.cleared")) == gone
    assert Path("/etc/passwd").read_text().startswith("root:")


@on_both
def test_an_edit_of_prosodys_configuration_is_told_by_option(living: Place) -> None:
    """Kept, told option by option, put right; Prosody runs what git says already and is left alone."""
    config = living.prosody_config
    wanted, alive = config.read_bytes(), living.prosody()
    config.write_bytes(wanted.replace(b"c2s_require_encryption = false", b"c2s_require_encryption = true"))
    living.reconcile()
    assert config.read_bytes() == wanted
    (told,) = living.told("drift.appeared")
    assert told["diff"] == ["c2s_require_encryption true → false"]
    assert any(b"c2s_require_encryption = true" in text for text in _kept(living, config))
    assert living.prosody() == alive
    assert living.told("activation.made") == []


@on_both
def test_an_edit_that_prosody_has_loaded_is_taken_out_of_it(living: Place) -> None:
    """Whoever edits and restarts Prosody has it restarted once more: what runs is compared, not what lies there."""
    config, (pid, _) = living.prosody_config, living.prosody()
    wanted = config.read_bytes()
    config.write_bytes(wanted.replace(b"c2s_require_encryption = false", b"c2s_require_encryption = true"))
    os.kill(pid, signal.SIGKILL)
    living.reconcile()
    assert config.read_bytes() == wanted
    assert is_open(living.port())
    assert living.reconcile()["result"] == "in_sync"


def test_detect_does_not_make_an_edit_of_the_configuration_live(living: Place) -> None:
    """An edit that is only reported brings no restart from us, nor does it hinder one that git asks for elsewhere."""
    living.push(document=DOCUMENT.replace("prosody:\n", "prosody:\n  drift: detect\n"))
    living.reconcile()
    alive = living.prosody()
    with living.prosody_config.open("ab") as config:
        config.write(b'welcome_message = "mine"\n')
    with living.engine() as engine:
        for _ in range(2):
            engine.answer("reconcile", {"full": True}, print)
    assert living.prosody() == alive
    assert _told(living, living.prosody_config) == ["drift.appeared"]


@on_both
def test_a_prosody_that_was_killed_is_started_again(living: Place) -> None:
    """By one pass, and just once."""
    (pid, _) = living.prosody()
    os.kill(pid, signal.SIGKILL)
    living.reconcile()
    assert living.prosody()[0] != pid
    assert is_open(living.port())


def test_what_somebody_writes_again_and_again_is_not_fought_over(living: Place) -> None:
    """Corrected five times, told once as contested, then left alone; everything else goes on."""
    motd = living.home / "motd"
    with living.engine() as engine:
        for round_ in range(8):
            motd.write_text(f"mine {round_}\n")
            outcome = engine.passes.run(full=False).to_json()
    assert motd.read_text() == "mine 7\n"
    assert len(living.told("drift.contested")) == 1
    assert len(living.told("drift.appeared")) <= 5
    assert living.told("drift.changed") == []
    assert outcome["result"] == "in_sync"
    living.push(document=DOCUMENT.replace('"watched', '"seen'))
    living.reconcile()
    assert (living.home / "watched").read_text() == "seen\n"


def test_a_person_ends_a_contest(living: Place) -> None:
    """A Prosody that died again and again stays down for a while; `reconcile` starts it at once."""
    with living.engine() as engine:
        for _ in range(6):
            for pid, _ in living.prosodies():
                os.kill(pid, signal.SIGKILL)
            engine.passes.run(full=False)
    assert not living.prosodies()
    living.reconcile()
    assert is_open(living.port())


def test_what_is_only_told_is_not_called_in_sync(living: Place) -> None:
    """There was nothing to do, and yet the host is not as git says."""
    (living.home / "watched").write_text("mine\n")
    said = living.command("reconcile").stdout.decode()
    assert "nothing to change now, 1 reported only at" in said
    assert "in sync" not in said


def _told(place: Place, path: Path) -> list[str]:
    return [
        entry["event"]
        for entry in place.log
        if entry["event"].startswith("drift.") and entry.get("object") == str(path)
    ]


def _kept(place: Place, path: Path) -> list[bytes]:
    listed = json.loads(place.command("kept", "list", "-o", "json").stdout)
    return [place.command("kept", "show", item["id"]).stdout for item in listed if item["object"] == str(path)]
