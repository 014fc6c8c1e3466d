"""What never was in git: told once, left alone, and no reason to call the host out of sync."""

from __future__ import annotations

import json

from places import DOCUMENT, HOST, Place

NAME = f"hosts/{HOST}.yaml"


def strangers(place: Place) -> list[tuple[str, str]]:
    status = json.loads(place.command("status", "-o", "json").stdout)
    assert status["sync"] == "Synced", status
    return [(found["kind"], found["object"]) for found in status["unmanaged"]]


def test_what_is_not_in_git_is_told_once_and_left_alone(living: Place) -> None:
    """A module, a file beside the configuration and one beside the certificates; and once more when they are gone."""
    assert strangers(living) == [], "what the agent makes and Prosody leaves is nothing to tell of"
    home = living.home / "prosody"
    (home / "modules").mkdir()
    paths = [home / "modules/mod_mine.lua", home / "etc/more.cfg.lua", home / "certs/old.test.crt"]
    for path in paths:
        path.write_text("-- mine\n")
    living.log.clear()
    for _ in range(3):
        assert living.reconcile()["changes"] == []
    told = [(entry["object"], entry["class"]) for entry in living.told("unmanaged.appeared")]
    assert told == [(str(path), "unmanaged") for path in paths]
    assert strangers(living) == list(zip(("plugin", "file", "file"), map(str, paths), strict=True))
    shown = living.command("plan", "--detailed-exitcode").stdout.decode()
    assert f"? not in git: {paths[0]}: a plugin" in shown and "in sync" in shown
    assert [path.read_text() for path in paths] == ["-- mine\n"] * 3
    for path in paths:
        path.unlink()
    living.log.clear()
    living.reconcile()
    assert [entry["object"] for entry in living.told("unmanaged.cleared")] == list(map(str, paths))
    assert strangers(living) == []


def test_what_is_ignored_is_not_told(living: Place) -> None:
    """Kind by kind, as git says; all of it where the host's drift is ignored."""
    (living.home / "prosody/modules").mkdir()
    (living.home / "prosody/modules/mod_mine.lua").touch()
    (living.home / "prosody/etc/more.cfg.lua").touch()
    living.push(document=DOCUMENT + "unmanaged: {plugins: ignore, accounts: ignore}\n")
    living.reconcile()
    assert [kind for kind, _ in strangers(living)] == ["file"]
    living.push(document=DOCUMENT + "unmanaged: {plugins: ignore, files: ignore}\n")
    living.reconcile()
    assert strangers(living) == []
    living.push(document=DOCUMENT + "drift: ignore\n")
    living.reconcile()
    assert strangers(living) == []


def test_what_git_takes_over_is_told_no_more(living: Place) -> None:
    """A module of the same name: then it is git's."""
    (living.home / "prosody/modules").mkdir()
    (living.home / "prosody/modules/mod_mine.lua").write_text("-- by hand\n")
    living.reconcile()
    assert len(strangers(living)) == 1
    document = DOCUMENT.replace("prosody:\n", "prosody:\n  plugins: {own: {source: files/modules}}\n")
    living.push({NAME: document, "files/modules/mod_mine.lua": "-- git's\n"})
    living.reconcile()
    assert strangers(living) == []
    assert living.told("kept.stored"), "what was there before is kept"


def test_a_host_that_an_included_file_brings_is_told(living: Place) -> None:
    """By the running configuration, since git does not say what is in that file."""
    theirs = living.root / "theirs.lua"
    theirs.write_text('VirtualHost "theirs.test"\n')
    theirs.chmod(0o644)
    living.push(document=DOCUMENT.replace("prosody:\n", f"prosody:\n  include: [{theirs}]\n"))
    living.reconcile()
    living.reconcile()
    assert strangers(living) == [("host", "theirs.test")]
