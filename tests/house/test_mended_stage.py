"""Files that Prosody's configuration includes come by the same commit."""

from __future__ import annotations

import os

from places import DOCUMENT, Place, on_both

INCLUDING = DOCUMENT.replace(
    "prosody:\n", "prosody:\n  include: [<home>/a/more.lua, <home>/b/more.lua, '<home>/d/*.lua']\n"
)
FILES = (
    '  <home>/a/more.lua: {{content: "c2s_timeout = {}\\n", mode: "0644"}}\n'
    '  <home>/d/one.lua: {{content: "", mode: "0644"}}\n'
    '  <home>/b/more.lua: {{content: "s2s_timeout = {}\\n", mode: "0644"}}\n'
)


@on_both
def test_included_files_come_by_the_same_commit(living: Place) -> None:
    """The files are written first, and the configuration is taken in the same pass."""
    living.push(document=INCLUDING + FILES.format(300, 200))
    outcome = living.reconcile()
    assert outcome["result"] == "changed", living.told("commit.refused")
    assert "Include" in living.prosody_config.read_text()
    assert not os.listdir(living.home / "prosody/stage")


def test_two_included_files_of_one_name_are_staged_side_by_side(living: Place) -> None:
    """Changed together with the configuration, each stands for itself in the check."""
    living.push(document=INCLUDING + FILES.format(300, 200))
    living.reconcile()
    living.push(document=INCLUDING.replace("c2s_require_encryption: false", "limits: {}") + FILES.format(301, 201))
    outcome = living.reconcile()
    assert outcome["result"] == "changed", outcome
    assert (living.home / "a/more.lua").read_text() == "c2s_timeout = 301\n"
    assert (living.home / "b/more.lua").read_text() == "s2s_timeout = 201\n"
