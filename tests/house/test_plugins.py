"""Modules of the repository in a real Prosody: there, live, whole, from one source each, and gone again."""

from __future__ import annotations

import os
import time
from pathlib import Path

from places import DOCUMENT, HOST, Place, on_both

NAME = f"hosts/{HOST}.yaml"
WITH = DOCUMENT.replace("admin_shell]", "admin_shell, hello]").replace(
    "prosody:\n", "prosody:\n  plugins: {own: {source: files/modules}}\n"
)
HELLO = 'module:log("info", "hello %s", module:require("words").say());\n'


def words(text: str) -> str:
    return f'return {{ say = function () return "{text}"; end }};\n'


FILES: dict[str, str | bytes | None] = {
    NAME: WITH,
    "files/modules/mod_hello/mod_hello.lua": HELLO,
    "files/modules/mod_hello/words.lib.lua": words("one"),
    "files/modules/mod_spare.lua": "-- nobody enables it\n",
    "files/modules/README.md": "for people\n",
}


def modules(place: Place) -> Path:
    return place.home / "prosody/modules"


def said(place: Place, text: str) -> bool:
    """Whether the module has said so, within some seconds."""
    log = place.home / "prosody/log/prosody.log"
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if f"hello {text}\n" in log.read_text():
            return True
        time.sleep(0.02)
    return False


def laid(place: Place) -> list[str]:
    return sorted(str(path.relative_to(modules(place))) for path in modules(place).rglob("*"))


@on_both
def test_modules_come_change_and_go(place: Place) -> None:
    """From the first commit on; what changes in one is live after a restart, and says why."""
    place.push(FILES)
    outcome = place.reconcile()
    assert outcome["result"] == "changed", outcome
    assert said(place, "one")
    assert laid(place) == ["mod_hello", "mod_hello/mod_hello.lua", "mod_hello/words.lib.lua", "mod_spare.lua"]
    assert place.reconcile()["result"] == "in_sync"
    alive = place.prosody()
    place.push({"files/modules/mod_hello/words.lib.lua": words("two"), "files/modules/README.md": "more\n"})
    with place.engine() as engine:
        shown = engine.answer("plan", {}, lambda _: None)
    (owed,) = shown["activations"]
    assert owed["disruption"] == "RESTART" and "words.lib.lua changed" in owed["reason"]
    outcome = place.reconcile()
    assert [change["object"] for change in outcome["changes"]] == [str(modules(place) / "mod_hello/words.lib.lua")]
    assert [one["disruption"] for one in outcome["activations"]] == ["RESTART"]
    assert said(place, "two") and place.prosody() != alive
    place.push({NAME: DOCUMENT})
    assert place.reconcile()["result"] == "changed"
    assert laid(place) == []
    assert "plugin_paths" not in place.prosody_config.read_text()
    assert place.reconcile()["result"] == "in_sync"


def test_prosody_may_not_write_its_own_code(place: Place) -> None:
    """Root's, readable by all; under an ordinary user all is of the one user."""
    place.push(FILES)
    place.reconcile()
    for path in (modules(place), *modules(place).rglob("*")):
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
        assert found.st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


def test_the_first_source_that_has_a_module_wins_with_all_of_it(place: Place) -> None:
    """`mod_x.lua` of the one is never mixed with `mod_x/` of another; `modules` takes just these."""
    sources = "{first: {source: files/first}, few: {source: files/few, modules: [spare]}, own: {source: files/modules}}"
    document = WITH.replace("{own: {source: files/modules}}", sources)
    first = 'module:log("info", "hello first");\n'
    more: dict[str, str | bytes | None] = {
        "files/first/mod_hello.lua": first,
        "files/few/mod_spare/mod_spare.lua": "-- few\n",
        "files/few/mod_third.lua": "-- not asked for\n",
    }
    place.push(FILES | more | {NAME: document})
    assert place.reconcile()["result"] == "changed"
    assert laid(place) == ["mod_hello.lua", "mod_spare", "mod_spare/mod_spare.lua"]
    assert said(place, "first")


@on_both
def test_a_module_that_is_no_lua_is_refused_before_anything_is_written(living: Place) -> None:
    """At its line in git, together with what else is wrong; the running Prosody never hears of it."""
    bad = FILES | {"files/modules/mod_hello/words.lib.lua": "local x = 1\nreturn = 2\n"}
    (mistake,) = living.refused(bad)
    assert mistake.startswith("files/modules/mod_hello/words.lib.lua:2:1: lua: ")
    also = WITH.replace("prosody:\n", "prosody:\n  lua: is no = = Lua\n").replace("/motd", "/../motd")
    assert len(living.refused(bad | {NAME: also})) >= 1
    assert not modules(living).exists()


def test_a_module_that_lies_nowhere_is_refused(living: Place) -> None:
    """Nor does one count that only lies there because the commit before brought it."""
    living.push(FILES)
    living.reconcile()
    gone = {"files/modules/mod_hello/mod_hello.lua": None, "files/modules/mod_hello/words.lib.lua": None}
    (mistake,) = living.refused(gone)
    assert mistake.startswith(f"{NAME}:4:") and "hello is no module of Prosody" in mistake
    assert "mod_hello" in laid(living)


def test_a_hand_in_a_module_is_kept_and_put_right_and_disturbs_nobody(living: Place) -> None:
    """What Prosody has loaded is git's, so there is nothing to make live."""
    living.push(FILES)
    living.reconcile()
    alive = living.prosody()
    edited = modules(living) / "mod_hello/mod_hello.lua"
    edited.write_text("error('no')\n")
    outcome = living.reconcile()
    assert outcome["result"] == "changed" and not outcome["activations"]
    assert edited.read_text() == HELLO and living.prosody() == alive
    assert living.told("kept.stored")


def test_an_edit_that_is_only_told_is_not_made_live(living: Place) -> None:
    """`detect` on the source: whatever was written by hand is no reason to restart."""
    living.push(FILES | {NAME: WITH.replace("files/modules}", "files/modules, drift: detect}")})
    living.reconcile()
    alive = living.prosody()
    edited = modules(living) / "mod_spare.lua"
    edited.write_text("-- mine\n")
    outcome = living.reconcile()
    assert [change["object"] for change in outcome["reported"]] == [str(edited)]
    assert edited.read_text() == "-- mine\n" and living.prosody() == alive


def test_killed_between_write_and_restart_the_restart_is_still_owed(living: Place) -> None:
    """What runs is the baseline, and not the file on the disk."""
    living.push(FILES)
    living.reconcile()
    alive = living.prosody()
    (modules(living) / "mod_hello/words.lib.lua").write_text(words("two"))
    living.push({"files/modules/mod_hello/words.lib.lua": words("two")})
    outcome = living.reconcile()
    assert not outcome["changes"] and [one["disruption"] for one in outcome["activations"]] == ["RESTART"]
    assert said(living, "two") and living.prosody() != alive


def test_what_a_person_lays_there_stays(living: Place) -> None:
    """A module of theirs outlives ours."""
    living.push(FILES)
    living.reconcile()
    (modules(living) / "mod_theirs.lua").write_text("-- theirs\n")
    living.push({NAME: DOCUMENT})
    living.reconcile()
    assert laid(living) == ["mod_theirs.lua"]
