"""The real agent, as a process: it hears a push and an edit by itself, and does not fight."""

from __future__ import annotations

import contextlib
import threading

from places import DOCUMENT, Place, on_both
from test_clients import within


@on_both
def test_a_push_and_an_edit_are_heard(living: Place) -> None:
    """A push is on the disk, and an edit put right, without waiting for the interval."""
    text = living.settings.read_text().replace("interval: 1s", "interval: 1h")
    living.settings.write_text(text)
    with living.agent() as agent:
        revision = living.push(document=DOCUMENT.replace("Kept by", "Pushed by"))
        motd = living.home / "motd"
        assert within(5, lambda: motd.read_text() == "Pushed by prosodist\n")
        agent.wait_for(lambda entry: entry["event"] == "pass.done" and entry["revision"] == revision)
        motd.write_text("mine\n")
        agent.wait_for(lambda entry: entry["event"] == "drift.appeared")
        agent.wait_for(lambda entry: entry["event"] == "drift.cleared")
        assert motd.read_text() == "Pushed by prosodist\n"
    assert agent.process.returncode == 0
    assert len(living.prosodies()) == 1, "Prosody outlives the agent"


def test_who_writes_without_end_is_not_fought_without_end(living: Place) -> None:
    """Another process that puts its own text back at once: told once as contested, and everything else goes on."""
    motd, over = living.home / "motd", threading.Event()

    def fight() -> None:
        while not over.wait(0.005):
            with contextlib.suppress(OSError):
                if motd.read_bytes() != b"mine\n":
                    motd.write_bytes(b"mine\n")

    fighter = threading.Thread(target=fight)
    fighter.start()
    try:
        with living.agent() as agent:
            agent.wait_for(lambda entry: entry["event"] == "drift.contested")
            living.push(document=DOCUMENT.replace('"watched', '"seen'))
            assert within(5, lambda: (living.home / "watched").read_text() == "seen\n")
            settled = len(agent.entries())
            over.wait(3)
            assert len(agent.entries()) <= settled + 4, agent.entries()[settled:]
            events = [entry["event"] for entry in agent.entries()]
    finally:
        over.set()
        fighter.join()
    assert events.count("drift.contested") == 1
    assert "stalled" not in events and "rolled_back" not in events
