"""Without git the last good state is enforced."""

from __future__ import annotations

from places import DOCUMENT, Place


def test_a_repository_that_is_gone_is_told_once(living: Place) -> None:
    """Moved away: told once, drift is still corrected; back again: told once, and a new commit goes live."""
    bare, away = living.repository.bare, living.root / "away.git"
    with living.engine() as engine:
        bare.rename(away)
        for _ in range(2):
            (living.home / "motd").write_text("mine\n")
            engine.answer("reconcile", {}, print)
            assert (living.home / "motd").read_text() == "Kept by prosodist\n"
        status = engine.answer("status", {}, print)
        assert "SourceStale" in [condition["type"] for condition in status["conditions"]]
    living.reconcile()
    away.rename(bare)
    revision = living.push(document=DOCUMENT.replace("Kept by", "Mended by"))
    with living.engine() as engine:
        for _ in range(2):
            assert engine.answer("reconcile", {}, print)["revision"] == revision
    assert len(living.told("source.unreachable")) == 1
    assert len(living.told("source.recovered")) == 1
    assert (living.home / "motd").read_text() == "Mended by prosodist\n"


def test_suspended_drift_is_told_and_nothing_is_changed(living: Place) -> None:
    """`suspend` takes the hands away and leaves the eyes; `resume` gives them back."""
    motd = living.home / "motd"
    with living.engine() as engine:
        engine.answer("suspend", {"reason": "looking into it"}, print)
        motd.write_text("mine\n")
        for _ in range(2):
            assert engine.answer("reconcile", {}, print)["result"] == "suspended"
        assert motd.read_text() == "mine\n"
        assert len(living_events(living, engine)) == 1
        engine.answer("resume", {}, print)
        engine.answer("reconcile", {}, print)
    assert motd.read_text() == "Kept by prosodist\n"


def living_events(place: Place, engine: object) -> list[object]:
    """What the history says of drift so far."""
    history = engine.answer("history", {"limit": 100}, print)["history"]  # type: ignore[attr-defined]
    return [entry for entry in history if entry["event"] == "drift.appeared"]
