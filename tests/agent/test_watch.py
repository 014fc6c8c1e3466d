"""What wakes the agent: real files, real git pushes, real signals, a real inotify."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import paths
from agent.control import Request
from agent.watch import Expiry, PathChanged, Push, Reason, SignalReceived, Timer, Watch

QUIET = 0.25
"""Seconds after which nothing more is expected."""

Ours = set[str]


@pytest.fixture
def ours() -> Ours:
    """Paths where the agent's own write lies."""
    return set()


@pytest.fixture
def watch(ours: Ours) -> Iterator[Watch]:
    """A watch, closed afterwards."""
    watch = Watch(ours=ours.__contains__)
    yield watch
    watch.close()


def reasons(watch: Watch, seconds: float = QUIET) -> tuple[Reason, ...]:
    """What wakes us within this time."""
    return watch.wait(time.time() + seconds)


def settle(watch: Watch) -> None:
    """Let pass what the arranging of a test still stirs."""
    while reasons(watch, 0.15) != (Timer(),):
        pass


def timed(watch: Watch, deed: Callable[[], object]) -> tuple[tuple[Reason, ...], float]:
    """What a deed wakes us with, and after how many seconds."""
    started = time.monotonic()
    deed()
    return reasons(watch, 3), time.monotonic() - started


def test_the_interval_ends_a_wait(watch: Watch) -> None:
    """Timer at `until`; Expiry where an awaited instant comes first; a past one at once."""
    started = time.monotonic()
    assert reasons(watch, 0.1) == (Timer(),)
    assert 0.09 < time.monotonic() - started < 0.5
    assert watch.wait(time.time() + 5, expiry=time.time() + 0.05) == (Expiry(),)
    assert watch.wait(float("inf"), expiry=0) == (Expiry(),)
    assert watch.wait(0) == (Timer(),)


def test_a_request_wakes_at_once_and_burst_of_reasons_is_one(watch: Watch) -> None:
    """Whatever is there is given together, each reason once."""
    request = Request(verb="plan", arguments={})
    threading.Timer(0.05, lambda: [watch.deliver(r) for r in (Push(), request, Push())]).start()
    found = watch.wait(float("inf"))
    found += reasons(watch) if request not in found else ()
    assert Push() in found
    assert request in found
    assert len(found) <= 3


# --- files ---


@pytest.mark.parametrize("deed", [
    lambda f: f.write_text("edited"),
    lambda f: f.unlink(),
    lambda f: f.chmod(0o600),
    lambda f: f.rename(f.parent.parent / "elsewhere"),
    lambda f: f.rename(f.with_name("beside")),
    lambda f: os.replace(shutil.copy(f, f.with_name("tmp")), f),
    lambda f: (f.unlink(), f.mkdir()),
    lambda f: (f.unlink(), f.symlink_to("/nowhere")),
], ids=["written", "removed", "mode", "moved away", "moved beside", "replaced", "directory", "link"])  # fmt: skip
def test_whatever_happens_to_a_managed_file_is_told_at_once(
    watch: Watch, home: Path, deed: Callable[[Path], object]
) -> None:
    """Within 50 ms, a file that is moved away included."""
    file = home / "etc" / "motd"
    file.parent.mkdir()
    file.write_text("wanted")
    assert watch.watch_files([str(file)]) == ()
    found, seconds = timed(watch, lambda: deed(file))
    assert found == (PathChanged(str(file)),)
    assert seconds < 0.05


def test_one_edit_is_one_reason(watch: Watch, home: Path) -> None:
    """Truncating, writing and closing make three events."""
    file = home / "motd"
    watch.watch_files([str(file)])

    def edit() -> None:
        with file.open("w") as opened:
            for _ in range(4):
                opened.write("line\n")
                opened.flush()
                time.sleep(0.001)

    editor = threading.Timer(0.1, edit)
    editor.start()
    assert reasons(watch, 3) == (PathChanged(str(file)),)
    editor.join()
    assert reasons(watch) == (Timer(),)


def test_neighbours_and_our_temporaries_wake_nobody(watch: Watch, home: Path) -> None:
    """Only the managed names of a directory count; reading counts for nothing."""
    file = home / "motd"
    file.write_text("wanted")
    watch.watch_files([str(file)])
    (home / "neighbour").write_text("x")
    (home / ".motd.k3x.prosodist").write_text("x")
    (home / "directory").mkdir()
    file.read_text()
    list(home.iterdir())
    assert reasons(watch) == (Timer(),)


def test_our_own_write_wakes_nobody_and_an_edit_over_it_does(watch: Watch, home: Path, ours: Ours) -> None:
    """What shows the signature of our own write is ours."""
    file = home / "motd"
    watch.watch_files([str(file)])
    ours.add(str(file))
    file.write_text("by the agent")
    assert reasons(watch) == (Timer(),)
    ours.clear()
    file.write_text("by a person")
    assert reasons(watch, 3) == (PathChanged(str(file)),)


def test_a_file_whose_directory_is_missing_is_seen_when_it_comes(watch: Watch, home: Path) -> None:
    """The nearest directory that exists is watched, and each that appears on the way."""
    file = home / "a" / "b" / "c" / "motd"
    watch.watch_files([str(file)])
    for directory in (home / "a", home / "a" / "b", home / "a" / "b" / "c"):
        directory.mkdir()
        assert reasons(watch, 3) == (PathChanged(str(file)),)
    settle(watch)
    file.write_text("here")
    assert reasons(watch, 3) == (PathChanged(str(file)),)


def test_a_whole_way_that_appears_at_once_is_followed(watch: Watch, home: Path) -> None:
    """mkdir -p is faster than any watch can be set."""
    for number in range(10):
        file = home / f"w{number}" / "b" / "c" / "motd"
        watch.watch_files([str(file)])
        file.parent.mkdir(parents=True)
        assert PathChanged(str(file)) in reasons(watch, 3)
        settle(watch)
        file.write_text("here")
        assert reasons(watch, 3) == (PathChanged(str(file)),)


@pytest.mark.parametrize("depth", [1, 2], ids=["its directory", "the one above"])
def test_a_directory_that_is_replaced_is_watched_anew(watch: Watch, home: Path, depth: int) -> None:
    """A watch stays with the directory that was moved away; what takes its place must not be missed."""
    file = home / "a" / "b" / "motd"
    file.parent.mkdir(parents=True)
    file.write_text("wanted")
    watch.watch_files([str(file), str(home / "a" / "other")])
    replaced = file.parents[depth - 1]
    replaced.rename(home / "former")
    file.parent.mkdir(parents=True)
    assert PathChanged(str(file)) in reasons(watch, 3)
    settle(watch)
    file.write_text("another")
    assert reasons(watch, 3) == (PathChanged(str(file)),)


def test_a_directory_that_goes_is_told_for_all_that_was_in_it(watch: Watch, home: Path) -> None:
    """rm -r."""
    files = [home / "a" / name for name in ("one", "two")]
    files[0].parent.mkdir()
    watch.watch_files(map(str, files))
    for file in files:
        file.write_text("x")
    settle(watch)
    shutil.rmtree(home / "a")
    found = reasons(watch, 3) + reasons(watch)
    assert {PathChanged(str(file)) for file in files} <= set(found)


def test_a_new_set_of_paths_replaces_the_former_without_a_new_observer(watch: Watch, home: Path) -> None:
    """A commit changes what is managed; what stays is not touched."""
    for name in "abc":
        (home / name).mkdir()
    watch.watch_files([str(home / "a" / "f"), str(home / "b" / "f")])
    threads = {thread.ident for thread in threading.enumerate()}
    watch.watch_files([str(home / "b" / "f"), str(home / "c" / "f")])
    assert len(threads & {thread.ident for thread in threading.enumerate()}) >= len(threads) - 1
    for name in "abc":
        (home / name / "f").write_text("x")
    found = set(reasons(watch, 3) + reasons(watch))
    assert found - {Timer()} == {PathChanged(str(home / name / "f")) for name in "bc"}


def test_the_same_set_again_costs_next_to_nothing(watch: Watch, home: Path) -> None:
    """It is said after every pass."""
    (home / "d").mkdir()
    wanted = [str(home / "d" / str(number)) for number in range(1000)]
    watch.watch_files(wanted)
    before = time.process_time()
    watch.watch_files(wanted)
    assert time.process_time() - before < 0.001


def test_paths_in_too_many_directories_are_named(watch: Watch, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no watch covers is said, and the full look stands behind it."""
    monkeypatch.setattr(paths, "_MOST_DIRECTORIES", 3)
    for name in "abcd":
        (home / name).mkdir()
    unwatched = watch.watch_files(str(home / name / "f") for name in "abcd")
    assert 0 < len(unwatched) < 4
    assert set(unwatched) <= {str(home / name / "f") for name in "abcd"}


def test_a_directory_behind_a_link_is_watched(watch: Watch, home: Path) -> None:
    """Distributions link /lib and /var/run."""
    (home / "real").mkdir()
    (home / "link").symlink_to("real")
    assert watch.watch_files([str(home / "link" / "f")]) == ()
    (home / "real" / "f").write_text("x")
    assert reasons(watch, 3) == (PathChanged(str(home / "link" / "f")),)


# --- a repository on this disk ---


def git(*words: str, cwd: Path) -> None:
    """Run git, away from anybody's configuration."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *identity, *words], cwd=cwd, check=True, capture_output=True, env=environment)


@pytest.fixture
def work(home: Path) -> Path:
    """A clone with one commit, pushed to `home/bare`."""
    git("init", "-q", "--bare", "bare", cwd=home)
    git("clone", "-q", "bare", "work", cwd=home)
    push(home / "work")
    return home / "work"


def push(work: Path) -> None:
    """A commit and a push."""
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=work)
    git("push", "-q", "origin", "HEAD:main", cwd=work)


def test_every_push_wakes_once(watch: Watch, home: Path, work: Path) -> None:
    """Loose, packed, after gc; 80 events of a push are one reason, and reading the repository is none."""
    watch.watch_repository([str(home / "bare")])
    for prepare in (
        lambda: None,
        lambda: git("pack-refs", "--all", cwd=home / "bare"),
        lambda: git("gc", "-q", cwd=home / "bare"),
    ):
        prepare()
        settle(watch)
        git("commit", "-q", "--allow-empty", "-m", "x", cwd=work)
        git("push", "-q", "origin", "HEAD:main", cwd=work)
        assert reasons(watch, 3) == (Push(),)
        assert set(reasons(watch)) <= {Push(), Timer()}
    settle(watch)
    git("log", "--all", cwd=home / "bare")
    git("fetch", "-q", cwd=work)
    assert reasons(watch) == (Timer(),)


def test_a_push_is_told_as_soon_as_the_ref_has_moved(watch: Watch, home: Path, work: Path) -> None:
    """Moves are not held back to find their other half."""
    watch.watch_repository([str(home / "bare")])
    ref = home / "bare" / "refs" / "heads" / "main"
    for _ in range(20):
        lock = ref.with_name("main.lock")
        lock.write_bytes(ref.read_bytes())
        found, seconds = timed(watch, lambda lock=lock: os.replace(lock, ref))  # type: ignore[misc]
        assert found == (Push(),)
        assert seconds < 0.03
        settle(watch)


def test_a_new_branch_in_a_directory_of_its_own_wakes(watch: Watch, home: Path, work: Path) -> None:
    """refs/heads/ops is made by the push itself."""
    watch.watch_repository([str(home / "bare")])
    git("push", "-q", "origin", "HEAD:ops/new", cwd=work)
    assert reasons(watch, 3) == (Push(),)
    settle(watch)
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=work)
    git("push", "-q", "origin", "HEAD:ops/new", cwd=work)
    assert reasons(watch, 3) == (Push(),)


def test_a_commit_in_a_repository_with_a_work_tree_wakes(watch: Watch, work: Path) -> None:
    """Nobody need push when the agent watches the very clone."""
    watch.watch_repository([str(work)])
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=work)
    assert reasons(watch, 3) == (Push(),)


def test_a_repository_that_is_replaced_or_comes_later_is_found(watch: Watch, home: Path, work: Path) -> None:
    """mv away, clone anew at the same path: told, and its next push as well."""
    bare = home / "bare"
    watch.watch_repository([str(bare)])
    bare.rename(home / "former")
    assert reasons(watch, 3) == (Push(),)
    git("clone", "-q", "--bare", "former", "bare", cwd=home)
    assert Push() in reasons(watch, 3)
    settle(watch)
    push(work)
    assert reasons(watch, 3) == (Push(),)


def test_a_repository_that_is_no_longer_wanted_wakes_nobody(watch: Watch, home: Path, work: Path) -> None:
    """The settings were read again."""
    watch.watch_repository([str(home / "bare")])
    watch.watch_repository([])
    push(work)
    assert reasons(watch) == (Timer(),)


# --- signals ---


def test_signals_are_reasons(watch: Watch) -> None:
    """Each ends a wait that has no end of its own, and two at once are not lost."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    former = {number: signal.getsignal(number) for number in numbers}
    watch.hear_signals()
    try:
        for number in numbers:
            threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
            assert watch.wait(float("inf")) == (SignalReceived(number),)
        assert SignalReceived(signal.SIGTERM).stops
        assert not SignalReceived(signal.SIGHUP).stops
        assert watch.stopping(), "a stop that a wait has told of is not forgotten"
    finally:
        watch.close()
        for number, handler in former.items():
            signal.signal(number, handler)


STOPPING = """
import os, signal, threading, time
from agent.watch import Watch, SignalReceived
watch = Watch(ours=lambda path: False)
watch.hear_signals()
os.kill(os.getpid(), signal.SIGHUP)
time.sleep(0.2)
assert not watch.stopping()
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
started = time.monotonic()
while not watch.stopping():
    sum(range(100000))  # a step of a pass
assert time.monotonic() - started < 2
assert watch.wait(float("inf")) == (SignalReceived(signal.SIGHUP), SignalReceived(signal.SIGTERM))
watch.close()
"""


def test_a_stop_is_heard_between_two_steps_of_a_pass() -> None:
    """And what came before it is still told, in order."""
    subprocess.run([sys.executable, "-c", STOPPING], cwd=Path(__file__).parents[2], check=True, timeout=30)


def test_many_signals_are_each_heard(watch: Watch) -> None:
    """A signal that comes in the very moment in which a wait begins must not be lost until the next poll."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    former = {number: signal.getsignal(number) for number in numbers}
    watch.hear_signals()
    try:
        for _ in range(300):
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1)).start()
            assert watch.wait(time.time() + 5) == (SignalReceived(signal.SIGUSR1),)
    finally:
        watch.close()
        for number, handler in former.items():
            signal.signal(number, handler)


def test_nothing_is_left_of_a_watch_that_was_closed(home: Path) -> None:
    """No thread and no descriptor, whatever stirs in the end; a request that nobody took is told so."""
    threads, descriptors = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    watch, request = Watch(ours=lambda path: False), Request(verb="plan", arguments={})
    (home / "etc").mkdir()
    watch.watch_files([str(home / "etc" / "motd")])
    shutil.rmtree(home / "etc")
    watch.deliver(request)
    time.sleep(0.1)
    watch.close()
    assert request.reply()["error"]["reason"] == "Stopping"
    assert set(threading.enumerate()) <= threads
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_what_is_written_beside_the_way_wakes_no_thread(watch: Watch, home: Path) -> None:
    """A managed directory below a busy one, /tmp or /var/log: writing there costs us nothing."""
    busy, managed = home / "log", home / "managed"
    managed.mkdir()
    busy.write_text("")
    watch.watch_files([str(managed / "motd")])
    settle(watch)
    switches = _switches()
    for _ in range(50):
        with busy.open("a") as opened:
            opened.write("line\n")
        time.sleep(0.005)
    assert _switches() - switches < 50 + 25  # ours, one a sleep, and hardly any more


def test_a_directory_on_the_way_that_gets_a_managed_file_is_watched_deeper(watch: Watch, home: Path) -> None:
    """A commit brings a file beside the directory that was only passed through."""
    (home / "managed").mkdir()
    (home / "motd").write_text("")
    watch.watch_files([str(home / "managed" / "f")])
    watch.watch_files([str(home / "managed" / "f"), str(home / "motd")])
    (home / "motd").write_text("x")
    assert reasons(watch, 3) == (PathChanged(str(home / "motd")),)


def _switches() -> int:
    """How often any thread of this process gave up the CPU of its own accord: once for each wakeup."""
    total = 0
    for task in os.listdir("/proc/self/task"):
        for line in Path(f"/proc/self/task/{task}/status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total
