"""One object that cannot be had holds up nothing else."""

from __future__ import annotations

import os

from places import DOCUMENT, Place


def test_a_file_that_cannot_be_looked_at_waits_alone(living: Place) -> None:
    """A push and the other files go on; when it can be looked at again, it is put right."""
    motd, page = living.home / "motd", living.home / "site/index.html"
    big = motd.with_name("big")
    with big.open("wb") as sparse:
        sparse.truncate(65 * 2**20)
    os.replace(big, motd)  # larger than what is read: also root cannot look at it
    page.write_text("by hand\n")
    living.push(document=DOCUMENT + "  <home>/more: {content: more}\n")
    outcome = living.reconcile()
    assert (living.home / "more").read_text() == "more"
    assert page.read_text() != "by hand\n"
    assert [wait["id"] for wait in outcome["waits"]] == [f"file:{motd}"]
    assert living.reconcile()["waits"], "it is told as long as it stands"
    motd.unlink()
    living.reconcile()
    assert motd.read_text() == "Kept by prosodist\n"


def test_one_activation_serves_all_that_a_pass_brings(living: Place) -> None:
    """A new component needs a new certificate and, with a new secret, two rounds; Prosody is restarted once."""
    more = DOCUMENT.replace("prosody:\n", "prosody:\n  turn_external_secret: {generated: fresh}\n", 1)
    more = more.replace("example.test: {}", "example.test: {components: {talk: muc}}", 1)
    living.push(document=more)
    living.log.clear()
    assert living.reconcile()["result"] == "changed"
    assert [told["disruption"] for told in living.told("activation.made")] == ["RESTART"]
