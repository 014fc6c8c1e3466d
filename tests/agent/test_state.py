"""State: what is remembered, that it survives, that what is not new costs nothing, and who may look."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.state import (
    AlreadyRunning,
    Anchor,
    Confirmation,
    Entry,
    State,
    StateTooNew,
    StateUnusable,
    Suspension,
)
from schemas.errors import AgentError, SettingsError
from schemas.record import Marks, OpenDrift, Owned, Record
from schemas.secret import Secret

ROOT = Path(__file__).parents[2]
C1, C2, C3 = "1" * 40, "2" * 40, "3" * 40
NOW = 1_795_266_900.0


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "var" / "state"


@pytest.fixture
def state(state_dir):
    with State.open(state_dir) as state:
        yield state


def owned(number: int, **other) -> Owned:
    values = {"id": f"file:/etc/{number}", "reconciler": "files", "wish": "w", "digest": "d", "revision": C1}
    return Owned(**(values | other))


def drift(id_: str, *, live: str | None = "x", since: float = NOW, why: str = "differs") -> OpenDrift:
    return OpenDrift(id=id_, drift="corrective", live=live, why=why, since=since)


def bytes_and_times(state_dir: Path) -> dict[str, tuple[bytes, int]]:
    return {
        f.name: (f.read_bytes(), f.stat().st_mtime_ns) for f in sorted(state_dir.iterdir()) if f.name[-4:] != "-shm"
    }


def names(state_dir: Path) -> list[str]:
    return sorted(file.name for file in state_dir.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- the directory, the file, the lock ---------------------------------------------------------------------


def test_only_the_agent_may_look_into_its_directory(state_dir):
    """The directory is 0700, every file in it 0600, whatever the umask. The state is fresh, not lost."""
    before = os.umask(0)
    try:
        state = State.open(state_dir)
    finally:
        os.umask(before)
    assert (state.fresh, state.lost) == (True, False)
    assert mode(state_dir) == 0o700
    assert {file.name: mode(file) for file in state_dir.iterdir()} == dict.fromkeys(
        ["digest.key", "lock", "state.sqlite", "state.sqlite-shm", "state.sqlite-wal"], 0o600
    )
    state.close()
    with State.open(state_dir) as again:
        assert (again.fresh, again.lost) == (False, False)


def test_a_second_agent_is_refused_and_told_who_is_first(state_dir):
    """Another process on the same directory ends with the pid of the one at work, until that dies."""
    code = "import sys; from pathlib import Path; from agent.state import State\n"
    code += "state = State.open(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(state_dir)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout.readline() == b"open\n"
        with pytest.raises(AlreadyRunning, match=f"pid {first.pid}") as refused:
            State.open(state_dir)
        assert refused.value.pid == first.pid
        first.kill()
    State.open(state_dir).close()


def test_a_child_that_outlives_a_killed_agent_keeps_no_agent_out(state_dir):
    """Loading runs in a forked child; an agent that is started again at once need not wait for its end."""
    code = "import os, sys, time; from pathlib import Path; from agent.state import State\n"
    code += "state = State.open(Path(sys.argv[1])); child = os.fork()\n"
    code += "if not child: print(os.getpid(), flush=True)\n"
    code += "time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(state_dir)], cwd=ROOT, stdout=subprocess.PIPE) as first:
        child = int(first.stdout.readline())
        try:
            first.kill()
            first.wait()
            State.open(state_dir).close()
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_newer_database_is_refused_and_left_as_it_is(state_dir):
    """A program that was put back to an older version must not touch what it does not know."""
    State.open(state_dir).close()
    with sqlite3.connect(state_dir / "state.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for look in (State.open, State.peek):
        with pytest.raises(StateTooNew, match="a newer prosodist"):
            look(state_dir)
    assert not list(state_dir.glob("*damaged*"))


@pytest.mark.parametrize("damage", [b"", b"not a database " * 500])
def test_a_damaged_database_is_set_aside_and_a_new_one_begun(state_dir, damage):
    """It says so by `lost`, nothing is deleted, and a second time does not overwrite the first."""
    State.open(state_dir).close()
    for number in (1, 2):
        (state_dir / "state.sqlite").write_bytes(damage)
        with State.open(state_dir) as state:
            assert (state.fresh, state.lost) == (False, True)
            assert state.aside == state_dir / f"state.sqlite.damaged-{number}"
            assert state.aside.read_bytes() == damage
            state.mark(good=C1)


def test_a_page_torn_in_the_middle_is_found_at_the_start(state_dir):
    """Damage below a whole header counts too."""
    with State.open(state_dir) as state:
        state.begin_round((owned(n) for n in range(500)), owes=None)
    file = state_dir / "state.sqlite"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2] + b"\xa5" * 8192 + data[len(data) // 2 + 8192 :])
    with State.open(state_dir) as state:
        assert state.lost
        assert state.owned() == {}


def test_the_log_of_a_database_that_was_deleted_is_not_replayed(state_dir):
    """What remains of a deleted database goes aside too; it would bring old pages into the new one."""
    with killed_writer(state_dir):
        pass
    (state_dir / "state.sqlite").unlink()
    with State.open(state_dir) as state:
        assert (state.fresh, state.lost) == (False, True)
        assert state.owned() == {}
    assert (state_dir / "state.sqlite.damaged-1-wal").exists()


def test_a_lost_digest_key_counts_as_lost_state(state_dir):
    """Under a new key no digest of old means anything."""
    with State.open(state_dir) as state:
        key = state.digest_key()
        assert len(key) == 32
        assert state.digest_key() == key
    (state_dir / "digest.key").unlink()
    with State.open(state_dir) as state:
        assert state.lost
        assert state.digest_key() != key


def test_a_digest_key_that_others_may_read_is_refused(state_dir):
    """And so is one of another length."""
    State.open(state_dir).close()
    (state_dir / "digest.key").chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 0600"):
        State.open(state_dir)
    (state_dir / "digest.key").chmod(0o600)
    (state_dir / "digest.key").write_bytes(b"short")
    with pytest.raises(SettingsError, match="5 bytes"):
        State.open(state_dir)


def test_a_directory_that_cannot_be_made_is_refused_in_words():
    """/proc takes no directory, not even root's."""
    with pytest.raises(StateUnusable, match=r"/proc/prosodist/state.sqlite: .*; make it usable"):
        State.open(Path("/proc/prosodist"))


# --- what is remembered ------------------------------------------------------------------------------------


def test_everything_is_there_after_the_next_start(state_dir):
    """One of each kind, written, closed, opened and read."""
    suspension = Suspension(reason="moving", by="ana", since=NOW, until=NOW + 60)
    with State.open(state_dir) as state:
        assert state.marks() == Marks()
        assert (state.owed(), state.suspension(), state.held(), state.confirmed()) == (None,) * 4
        state.mark(attempted=C3, accepted=C3, applied=C2)
        state.mark(good=C1, pins={"prosody": "0.12.3-1"})
        state.reject("digest", C2, "prosody does not answer")
        state.begin_round([owned(1), owned(2, reconciler="config", made=False)], owes="prosody: RESTART")
        state.remember("ports", {"c2s": 35222}, NOW)
        state.drift_seen([drift("file:/etc/motd")])
        state.suspend(suspension)
        state.hold("p1", C3, {"changes": []})
        state.confirm("p1", C3)
        state.append(Entry(at=NOW, kind="change.made", revision=C1, event={"object": "/etc/motd"}))
    with State.open(state_dir) as state:
        assert state.marks() == Marks(attempted=C3, accepted=C3, applied=C2, good=C1, rejected=C2)
        assert state.pins() == {"prosody": "0.12.3-1"}
        assert state.rejected("digest") == "prosody does not answer"
        assert state.owned() == {
            "files": {"file:/etc/1": owned(1)},
            "config": {"file:/etc/2": owned(2, reconciler="config", made=False)},
        }
        assert state.owed() == "prosody: RESTART"
        assert state.recall("ports") == Record(value={"c2s": 35222}, at=NOW)
        assert state.open_drift() == (drift("file:/etc/motd"),)
        assert state.suspension() == suspension
        assert [suspension.over(at) for at in (NOW + 59, NOW + 60)] == [False, True]
        assert (state.held().digest, state.held().revision, state.held().plan) == ("p1", C3, {"changes": []})
        assert state.confirmed() == Confirmation("p1", C3)
        (entry,) = state.history()
        assert entry == Entry(seq=1, at=NOW, kind="change.made", revision=C1, event={"object": "/etc/motd"})


def test_everything_can_be_taken_back(state):
    """Each thing has its way out."""
    state.begin_round([owned(1), owned(2)], owes=None)
    state.disown(["file:/etc/1", "file:/etc/unknown"])
    assert list(state.owned()["files"]) == ["file:/etc/2"]
    state.begin_round((), owes="prosody: RELOAD")
    state.clear_owed()
    state.remember("child", {"pid": 7}, NOW)
    state.forget("child")
    state.suspend(Suspension(reason="r", by="b", since=NOW))
    state.resume()
    state.hold("p", C1, {})
    state.clear_held()
    state.confirm("p", C1)
    state.clear_confirmed()
    gone = (
        state.owed(),
        state.recall("child"),
        state.suspension(),
        state.held(),
        state.confirmed(),
    )
    assert gone == (None,) * 5


def test_an_input_stays_rejected_until_it_is_let_go(state):
    """`rejected` among the marks is the newest one that still is."""
    state.reject("d1", C1, "one")
    state.reject("d2", C2, "two")
    assert (state.rejected("d1"), state.rejected("d2"), state.rejected("d3")) == ("one", "two", None)
    state.unreject("d2")
    assert (state.rejected("d2"), state.marks().rejected) == (None, C1)
    state.unreject()
    assert (state.rejected("d1"), state.marks().rejected) == (None, None)
    state.mark(rejected=C3)  # a commit with mistakes has no input that could be remembered
    assert state.marks().rejected == C3


def test_a_round_is_written_ahead_and_settled(state):
    """What is about to be owned and what will be owed are one transaction; what comes of it another."""
    state.begin_round([owned(1, digest="")], owes="prosody: RESTART")
    assert state.owned()["files"]["file:/etc/1"].digest == ""
    assert state.owed() == "prosody: RESTART"
    state.begin_round([], owes=None)
    assert state.owed() == "prosody: RESTART", "a round that owes nothing itself does not pay an older debt"
    state.begin_round([owned(2)], owes=None)
    state.settle_round([owned(1)], gone=["file:/etc/2"], owes=None)
    assert (state.owned(), state.owed()) == ({"files": {"file:/etc/1": owned(1)}}, None)


def test_a_secret_never_gets_in(state):
    """A record that holds one is a bug, and is refused instead of written as ***."""
    with pytest.raises(TypeError):
        state.remember("child", {"password": Secret("hunter2")}, NOW)
    assert state.recall("child") is None


def test_history_keeps_the_newest_ten_thousand(state):
    """Numbers go on when old entries go."""
    state.append(*(Entry(at=NOW, kind="pass.done", revision=None, event={"n": n}) for n in range(10_003)))
    state.append(Entry(at=NOW, kind="pass.done", revision=None, event={"n": "last"}))
    everything = state.history(limit=20_000)
    assert len(everything) == 10_000
    assert (everything[0].seq, everything[0].event) == (10_004, {"n": "last"})
    assert everything[-1].seq == 5
    assert [entry.seq for entry in state.history(limit=2)] == [10_004, 10_003]


# --- drift -------------------------------------------------------------------------------------------------


def test_a_drift_is_news_once_when_it_appears_changes_and_clears(state):
    """Neither is the same sight later, nor are other words for it; `since` stays the first instant."""
    assert state.drift_seen([drift("a"), drift("b")]).appeared == (drift("a"), drift("b"))
    later = state.drift_seen([drift("a", since=NOW + 60), drift("b", since=NOW + 60, why="otherwise put")])
    assert (later.appeared, later.changed) == ((), ())
    changed = state.drift_seen([drift("a", live=None, since=NOW + 120)])
    assert (changed.appeared, changed.changed) == ((), (drift("a", live=None, since=NOW),))
    assert state.drift_cleared(["a", "never seen"]) == (drift("a", live=None),)
    assert state.drift_cleared(["a"]) == ()
    assert [d.id for d in state.open_drift()] == ["b"]
    assert state.drift_seen([drift("a", since=NOW + 180)]).appeared == (drift("a", since=NOW + 180),)


def test_corrections_are_counted_while_they_follow_each_other(state):
    """A drift that returns after a correction is known again; after a long quiet the count begins anew."""
    counts = []
    for at in (NOW, NOW + 60, NOW + 120, NOW + 5000):
        assert len(state.drift_seen([drift("a", since=at)]).appeared) == 1
        (corrected,) = state.drift_corrected(["a"], at=at, within=600)
        counts.append((corrected.corrected, corrected.last_corrected))
        state.drift_cleared(["a"])
    assert counts == [(1, NOW), (2, NOW + 60), (3, NOW + 120), (1, NOW + 5000)]
    assert state.open_drift() == ()
    assert state.drift_corrected(["never seen"], at=NOW, within=600) == ()


# --- cost and loss -----------------------------------------------------------------------------------------


def test_what_is_not_new_is_not_written(state, state_dir):
    """Every call once more with the same words: no byte and no time of any file changes."""

    def say_everything():
        state.mark(attempted=C1, accepted=C1, applied=C1, good=C1, pins={"a": 1, "b": 2})
        state.reject("d", C2, "r")
        state.unreject("other")
        state.begin_round((owned(n) for n in range(20)), owes=None)
        state.begin_round((owned(n) for n in range(20)), owes="prosody: RELOAD")
        state.settle_round([owned(1)], gone=["file:/none"], owes="prosody: RELOAD")
        state.disown(["file:/none"])
        state.remember("ports", {"c2s": 1, "s2s": 2}, NOW)
        state.forget("none")
        state.drift_seen([drift("a")])
        state.drift_cleared(["none"])
        state.drift_corrected(["none"], at=NOW, within=60)
        state.append()
        state.suspend(Suspension(reason="r", by="b", since=NOW))
        state.hold("p", C1, {"x": [1]})
        state.clear_confirmed()
        state.digest_key()

    say_everything()
    before = bytes_and_times(state_dir)
    time.sleep(0.02)  # longer than a tick of the file system's clock
    say_everything()
    assert bytes_and_times(state_dir) == before
    state.begin_round([owned(1, digest="new")], owes=None)
    assert bytes_and_times(state_dir) != before, "or this test sees nothing"


@contextmanager
def killed_writer(state_dir: Path):
    """A real process that writes rounds until it is killed; yields how many it said were done."""
    code = (
        "import sys; from pathlib import Path; from agent.state import State\n"
        "from schemas.record import Owned\n"
        "state = State.open(Path(sys.argv[1]))\n"
        "for round in range(1, 10**6):\n"
        "    mine = dict(reconciler='files', wish='', digest=str(round), revision='')\n"
        "    state.begin_round([Owned(id=f'file:{n}', **mine) for n in range(50)], owes=str(round))\n"
        "    print(round, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(state_dir)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with process:
        for line in process.stdout:
            if int(line) >= 20:
                break
        process.send_signal(signal.SIGKILL)
        said = [int(line), *map(int, process.stdout.read().split())]
    yield said[-1]


def test_a_killed_agent_loses_no_round_and_halves_none(state_dir):
    """kill -9 at any instant: all of the round that was said to be done, or all of the one after it."""
    with killed_writer(state_dir) as said, State.open(state_dir) as state:
        rounds = {each.digest for each in state.owned()["files"].values()}
        assert rounds == {state.owed()}
        assert int(state.owed()) in (said, said + 1)
        assert not state.lost


def test_a_disk_that_refuses_is_told_in_words_and_nothing_is_half_done(state):
    """The kernel lets no file grow: the call fails, the former state stands, and the next call works."""
    state.begin_round([owned(1)], owes="before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StateUnusable, match=r"state.sqlite: .*free.*space"):
            state.begin_round((owned(n, digest="after") for n in range(2000)), owes="after")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (state.owned(), state.owed()) == ({"files": {"file:/etc/1": owned(1)}}, "before")
    state.begin_round((), owes="later")
    assert state.owed() == "later"


# --- looking on --------------------------------------------------------------------------------------------


def test_there_is_nothing_to_look_at_before_an_agent_has_run(state_dir):
    """And looking makes nothing, not even the directory."""
    assert State.peek(state_dir) is None
    assert not state_dir.exists()


def test_one_may_look_while_the_agent_writes(state, state_dir):
    """A look is of one moment; the next one sees the next commit. It keeps nobody waiting and leaves nothing behind."""
    state.mark(good=C1)
    before = names(state_dir)
    with State.peek(state_dir) as view:
        assert view.marks().good == C1
        assert view.digest_key() == state.digest_key()
        state.mark(good=C2)
        assert view.marks().good == C1
    with State.peek(state_dir) as view:
        assert view.marks().good == C2
    assert names(state_dir) == before


def test_one_may_look_when_no_agent_runs(state_dir):
    """Not a file appears or changes."""
    with State.open(state_dir) as state:
        state.mark(good=C1)
    before = names(state_dir), bytes_and_times(state_dir)
    with State.peek(state_dir) as view:
        assert view.marks().good == C1
        assert not hasattr(view, "mark")
        assert (names(state_dir), bytes_and_times(state_dir)) == before
    assert (names(state_dir), bytes_and_times(state_dir)) == before


def test_one_may_look_at_what_a_killed_agent_left(state_dir):
    """The log is read without being replayed into the file."""
    with killed_writer(state_dir) as said:
        index = state_dir / "state.sqlite-shm"
        index.write_bytes(bytes(len(index.read_bytes())))  # as after a crash of the machine
        before = names(state_dir), bytes_and_times(state_dir), index.read_bytes()
        with State.peek(state_dir) as view:
            assert int(view.owed()) in (said, said + 1)
        assert (names(state_dir), bytes_and_times(state_dir), index.read_bytes()) == before


def test_looking_on_never_fails_while_agents_come_and_go(state_dir):
    """A reader beside starts and ends sees whole states only, each at least as new as the last."""
    State.open(state_dir).close()
    code = (
        "import sys; from pathlib import Path; from agent.state import State\n"
        "for n in range(60):\n"
        "    with State.open(Path(sys.argv[1])) as state: state.begin_round((), owes=f'{n:09}')\n"
    )
    seen = []
    with subprocess.Popen([sys.executable, "-c", code, str(state_dir)], cwd=ROOT) as agents:
        while agents.poll() is None:
            with State.peek(state_dir) as view:
                seen.append(view.owed() or "")
    assert agents.returncode == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 3


def test_looking_at_something_else_is_refused_in_words(state_dir):
    """A looker sets nothing aside."""
    state_dir.mkdir(parents=True)
    (state_dir / "state.sqlite").write_bytes(b"not a database " * 500)
    with pytest.raises(AgentError, match="start"):
        State.peek(state_dir)


# --- the anchor --------------------------------------------------------------------------------------------


def test_the_anchor_holds_the_accepted_revision(tmp_path):
    """Readable by all, since it is no secret; written only when it is another."""
    anchor = Anchor(tmp_path / "accepted")
    assert anchor.read() is None
    assert anchor.write(C1) == ""
    assert anchor.read() == C1
    inode = anchor.path.stat().st_ino
    assert anchor.write(C1) == ""
    assert anchor.path.stat().st_ino == inode
    assert anchor.write(C2) == ""
    assert (anchor.read(), mode(anchor.path), names(tmp_path)) == (C2, 0o644, ["accepted"])


def test_an_anchor_that_cannot_be_written_says_why():
    """The pass goes on without it."""
    assert "second copy" in Anchor(Path("/proc/accepted")).write(C1)


@pytest.mark.parametrize("content", [b"", b"main\n", b"\xff" * 40])
def test_a_damaged_anchor_does_not_pass_for_none(tmp_path, content):
    """Otherwise emptying it would let a rewritten history in."""
    (tmp_path / "accepted").write_bytes(content)
    with pytest.raises(SettingsError, match="holds no revision"):
        Anchor(tmp_path / "accepted").read()
