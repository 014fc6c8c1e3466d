"""Files that Prosody's configuration includes are checked with it, before anything is written."""

from __future__ import annotations

import os

import pytest
from places import DOCUMENT, HOST, Place, on_both

NAME = f"hosts/{HOST}.yaml"
PLAIN = DOCUMENT.replace("prosody:\n", "prosody:\n  include: [<home>/a/more.lua, '<home>/d/*.lua']\n")
GOOD = '  <home>/a/more.lua: {source: files/more.lua}\n  <home>/d/one.lua: {content: "b = 1\\n", mode: "0644"}\n'
FILES: dict[str, str | bytes | None] = {NAME: PLAIN + GOOD, "files/more.lua": "a = 1\n"}

BAD: dict[str, tuple[dict[str, str | bytes | None], str]] = {
    "no Lua": ({"files/more.lua": "a = 1\nb = = 2\n"}, "files/more.lua:2:1: "),
    "Lua that fails": ({"files/more.lua": "a = 1\n\nnothing.at_all = 2\n"}, "files/more.lua:3:1: "),
    "by a pattern": ({NAME: PLAIN + GOOD + "  <home>/d/two.lua: {content: nothing.at_all = 1}\n"}, f"{NAME}:15:31: "),
    "taken away": ({NAME: PLAIN + GOOD.partition("\n")[2]}, f"{NAME}:3:13: "),
    "with another configuration": (
        {NAME: (PLAIN + GOOD).replace("prosody:\n", "prosody:\n  limits: {}\n"), "files/more.lua": "error('no')"},
        "files/more.lua:1:1: ",
    ),
}


def refuse(place: Place, files: dict[str, str | bytes | None], where: str) -> None:
    """Told at its place, with nothing left in the stage."""
    (mistake,) = place.refused(files)
    assert mistake.startswith(where) and "/stage/" not in mistake, mistake
    assert not place.told("change.made") and not os.listdir(place.home / "prosody/stage")


@pytest.mark.parametrize("name", BAD)
@on_both
def test_a_bad_included_file_is_refused_before_it_is_written(living: Place, name: str) -> None:
    """Changed alone, with the configuration, by a pattern, or taken away while it is included."""
    living.push(FILES)
    assert living.reconcile()["result"] == "changed"
    files, where = BAD[name]
    refuse(living, files, where)


@pytest.mark.parametrize("name", ["no Lua", "Lua that fails"])
def test_a_new_included_file_is_refused_before_it_is_written(living: Place, name: str) -> None:
    """It comes by the commit that includes it."""
    files, where = BAD[name]
    refuse(living, FILES | files, where)


def test_a_bad_block_in_an_included_file_is_refused_before_it_is_written(living: Place) -> None:
    """The file as it will be is what is judged, and a line of it is no line of the block's source."""
    theirs = living.home / "theirs.lua"
    theirs.write_text("a = 1\nb = 2\n")
    block = f"  {theirs}: {{source: files/more.lua, block: true, comment: --, notify: prosody}}\n"
    document = DOCUMENT.replace("prosody:\n", f"prosody:\n  include: [{theirs}]\n") + block
    living.push({NAME: document, "files/more.lua": "c = 3\n"})
    assert living.reconcile()["result"] == "changed"
    former = theirs.read_text()
    refuse(living, {"files/more.lua": "c = 3\nnothing.at_all = 1\n"}, "files/more.lua:")
    assert theirs.read_text() == former and former.startswith("a = 1\nb = 2\n")


def test_a_virtual_host_may_move_between_the_configuration_and_what_it_includes(living: Place) -> None:
    """Judged together as they will be: each with the other's former version is refused."""
    inside = 'Component "rooms.example.test" "muc"\n'
    host = "\n    rooms.example.test: {}"
    living.push(FILES | {"files/more.lua": inside})
    assert living.reconcile()["result"] == "changed"
    moved = (PLAIN + GOOD).replace("\n    example.test: {}", "\n    example.test: {}" + host)
    living.push({NAME: moved, "files/more.lua": "a = 1\n"})
    outcome = living.reconcile()
    assert outcome["result"] == "changed", (outcome, living.told("commit.refused"))
    assert "rooms.example.test" in living.prosody_config.read_text()


def test_an_included_file_is_read_as_prosody_with_the_mode_that_it_will_have(living: Place) -> None:
    """Root's own copy would be read by root; an ordinary user is Prosody's user too, and may read what is its own."""
    files = FILES | {NAME: PLAIN + GOOD.replace("files/more.lua}", 'files/more.lua, mode: "0600"}')}
    if os.geteuid() == 0:
        refuse(living, files, f"{NAME}:3:13: ")
    else:
        living.push(files)
        assert living.reconcile()["result"] == "changed"


def test_of_many_included_files_the_bad_one_is_told(living: Place) -> None:
    """Two staged names may begin alike: what is said of the eleventh is no word about the second."""
    names = [f"<home>/a{number:02}" for number in range(12)] + ["<home>/b.lua"]
    include = f"  include: [{', '.join(names)}]\n"
    document = DOCUMENT.replace("prosody:\n", f"prosody:\n{include}")
    document += "".join(f"  {name}: {{content: '', mode: '0644'}}\n" for name in names[:-1])
    bad = "  <home>/b.lua: {content: nothing.at_all = 1}\n"
    line = len((document + bad).splitlines())
    refuse(living, {NAME: document + bad}, f"{NAME}:{line}:{bad.index('nothing') + 1}: ")
    if os.geteuid() == 0:
        unreadable = "  <home>/b.lua: {content: '', mode: '0600'}\n"
        refuse(living, {NAME: document + unreadable}, f"{NAME}:3:{include.index(names[-1]) + 1}: ")


@pytest.mark.parametrize("edit", ["is no = = Lua\n", "b = 2\n", None])
def test_an_edit_of_what_is_included_is_put_right_and_disturbs_nobody(living: Place, edit: str | None) -> None:
    """Whatever it says: Prosody has not loaded it, and the commit is not to blame."""
    living.push(FILES)
    living.reconcile()
    included, alive = living.home / "d/one.lua", living.prosody()
    living.log.clear()
    included.unlink() if edit is None else included.write_text(edit)
    assert living.reconcile()["result"] == "changed"
    assert (included.read_text(), living.prosody()) == ("b = 1\n", alive)
    assert not living.told("commit.refused") and not living.told("activation.made")


@pytest.mark.parametrize("edit", ["is no = = Lua\n", "b = 2\n"])
def test_an_edit_that_is_only_told_is_not_made_live(living: Place, edit: str) -> None:
    """`detect`: it stays where it is, Prosody as it runs, and everything else goes on."""
    living.push({**FILES, NAME: (PLAIN + GOOD).replace('mode: "0644"', "drift: detect")})
    living.reconcile()
    alive = living.prosody()
    living.log.clear()
    (living.home / "d/one.lua").write_text(edit)
    (living.home / "motd").write_text("mine\n")
    outcome = living.reconcile()
    assert [change["object"] for change in outcome["reported"]] == [str(living.home / "d/one.lua")]
    assert (living.home / "motd").read_text() == "Kept by prosodist\n"
    assert living.prosody() == alive
    assert not living.told("commit.refused") and not living.told("activation.made")


def test_what_others_break_in_a_file_of_theirs_stops_nothing_else(living: Place) -> None:
    """Included, and none of git's: the running Prosody has loaded it. It is told, and the rest is kept as git says."""
    theirs = living.root / "theirs.lua"
    theirs.write_text("a = 1\n")
    theirs.chmod(0o644)
    living.push(document=DOCUMENT.replace("prosody:\n", f"prosody:\n  include: [{theirs}]\n"))
    living.reconcile()
    alive = living.prosody()
    living.log.clear()
    theirs.write_text("is no = = Lua\n")
    (living.home / "motd").write_text("mine\n")
    outcome = living.reconcile()
    assert (living.home / "motd").read_text() == "Kept by prosodist\n"
    (wait,) = outcome["waits"]
    assert f"{theirs}:1: " in wait["why"]
    assert living.prosody() == alive and not living.told("commit.refused")
    living.push({"files/index.html": "newer\n"})
    assert living.reconcile()["result"] == "changed"
    theirs.write_text("a = 1\n")
    assert living.reconcile()["waits"] == []
    assert living.prosody() == alive
