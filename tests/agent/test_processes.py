"""Programs run clean, within limits and to an end; processes are named so that no stranger is ever hit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from users import User

from agent import living, processes
from schemas.errors import Temporary

SELF = """
import json, os, resource
print(json.dumps({
    "environment": dict(os.environ), "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(),
    "directory": os.getcwd(), "descriptors": len(os.listdir("/proc/self/fd")), "session": os.getsid(0) == os.getpid(),
    "fsize": resource.getrlimit(resource.RLIMIT_FSIZE), "cpu": resource.getrlimit(resource.RLIMIT_CPU),
}))
"""


def test_a_program_gets_nothing_of_ours(as_user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clean environment, `/`, three descriptors, a session of its own, and the uid of the user asked for."""
    import json

    monkeypatch.setenv("PROSODIST_SECRET", "hunter2")
    argv = ("/usr/bin/python3", "-I", "-c", SELF)
    with open("/dev/null") as held:
        os.set_inheritable(held.fileno(), True)
        seen = json.loads(processes.run(argv, user=as_user.name, limits=processes.QUERY).stdout)
    environment = {name: seen["environment"][name] for name in seen["environment"] if name != "LC_CTYPE"}
    assert environment == processes.ENVIRONMENT
    assert (seen["uid"], seen["gid"]) == (as_user.uid, as_user.gid)
    assert set(seen["groups"]) <= set(os.getgrouplist(as_user.name, as_user.gid)) or os.geteuid() != 0
    assert (seen["directory"], seen["descriptors"], seen["session"]) == ("/", 4, True)
    assert (seen["fsize"], seen["cpu"]) == ([0, 0], [10, 10])


def test_a_query_can_neither_write_nor_fork_nor_run_for_ever(as_user: User, home: Path) -> None:
    """What evaluates a configuration is held, whatever that says. (Only root's own queries may fork.)"""
    home.chmod(0o777)
    limits = processes.Limits(cpu=1)

    def lua(script: str) -> bytes:
        ended = processes.run(("/usr/bin/lua5.4", "-e", script), user=as_user.name, limits=limits, timeout=20)
        return ended.stdout if ended.code == 0 else str(ended.code).encode()

    assert lua(f"local f = io.open('{home}/f', 'w') f:write('x') f:close()") == str(-signal.SIGXFSZ).encode()
    assert lua("print(os.execute('true'))").startswith((b"nil", b"false"))
    assert lua("while true do end") == str(-signal.SIGKILL).encode()
    assert lua("local s = ('x'):rep(2^31) print(#s)") == b"1"


def test_stdin_and_both_outputs_may_be_large() -> None:
    """Neither side waits for the other for ever."""
    words = b"x" * 2_000_000
    script = (
        "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d); sys.stderr.buffer.write(d); sys.exit(3)"
    )
    ended = processes.run((sys.executable, "-c", script), stdin=words)
    assert (ended.code, ended.stdout, ended.stderr) == (3, words, words)
    assert processes.run(("/bin/true",), stdin=words).code == 0


def test_who_runs_too_long_or_says_too_much_is_killed_with_all_its_group(tmp_path: Path) -> None:
    """The child that it started as well."""
    script = f"sleep 100 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(Temporary, match=r"^/bin/sh: it did not end within 0.3 s"):
        processes.run(("/bin/sh", "-c", script), timeout=0.3)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while living.living(pid) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert living.living(pid) is None
    with pytest.raises(Temporary, match="printed over"):
        processes.run(("/usr/bin/yes",), timeout=20)


def test_a_daemon_that_holds_the_output_is_not_waited_for() -> None:
    """The program itself has ended: that is what counts."""
    began = time.monotonic()
    ended = processes.run(("/bin/sh", "-c", "sleep 3 & echo done"), timeout=20)
    assert ended.stdout == b"done\n"
    assert time.monotonic() - began < 2


def test_what_cannot_be_started_is_told_in_words(tmp_path: Path) -> None:
    """Missing, not executable, no absolute path, no program at all, an unknown user."""
    (tmp_path / "text").write_text("hello")
    (tmp_path / "odd").write_bytes(b"\x7fELF odd")
    (tmp_path / "odd").chmod(0o755)
    for name in ("/no/such", str(tmp_path / "text"), "true", str(tmp_path)):
        for limits in (None, processes.QUERY):
            with pytest.raises(Temporary, match=f"^{name}: "):
                processes.run((name,), limits=limits)
    with pytest.raises(Temporary, match=f"^{tmp_path}/odd: it cannot be started: Exec format error"):
        processes.run((str(tmp_path / "odd"),))
    with pytest.raises(Temporary, match="user no-such-user: there is none"):
        processes.run(("/bin/true",), user="no-such-user")
    if os.geteuid() != 0:
        with pytest.raises(Temporary, match="only root can"):
            processes.run(("/bin/true",), user="nobody")
    else:
        (tmp_path / "text").chmod(0o700)
        for limits in (None, processes.QUERY):
            with pytest.raises(Temporary, match=f"^{tmp_path}/text: it cannot be"):
                processes.run((str(tmp_path / "text"),), user="nobody", limits=limits)


def sleeping(*argv: str) -> subprocess.Popen[bytes]:
    """A child whose arguments can be seen: exec closes our pipe a moment before it sets them."""
    child = subprocess.Popen(argv)
    while (seen := living.living(child.pid)) is None or seen.argv != argv:
        time.sleep(0.001)
    return child


def test_a_zombie_is_dead() -> None:
    """It has a number and a start time still, and lives no more."""
    child = sleeping("/bin/sleep", "100")
    seen = living.living(child.pid)
    assert seen
    assert (seen.argv, seen.started) == (("/bin/sleep", "100"), living.started(child.pid))
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert os.path.exists(f"/proc/{child.pid}/stat")
    assert living.living(child.pid) is None
    assert living.started(child.pid) is None
    child.wait()


def test_a_name_with_brackets_does_not_confuse(tmp_path: Path) -> None:
    """The kernel puts the program's name in brackets and escapes nothing."""
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    child = sleeping(str(program), "100")
    try:
        seen = living.living(child.pid)
        assert seen
        assert abs(seen.started / os.sysconf("SC_CLK_TCK") - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5
    finally:
        child.kill()
        child.wait()


def test_a_process_is_found_by_the_end_of_its_arguments() -> None:
    """`lua5.4 /usr/bin/prosody -F` is a `/usr/bin/prosody -F`; a longer one is not."""
    child = sleeping("/bin/sleep", "100.25", "0.125")
    try:
        assert [found.pid for found in living.find(("100.25", "0.125"))] == [child.pid]
        assert living.find(("/bin/sleep", "100.25")) == ()
    finally:
        child.kill()
        child.wait()


def test_another_process_with_the_same_number_is_never_signalled() -> None:
    """The start time is another: somebody else has got the number."""
    child = sleeping("/bin/sleep", "100")
    try:
        when = living.started(child.pid)
        assert when
        living.stop(child.pid, when - 1, timeout=0.1)
        assert child.poll() is None
        living.stop(child.pid, when, timeout=5)
        assert child.wait() == -signal.SIGTERM
        living.stop(child.pid, when, timeout=5)
    finally:
        child.kill()
        child.wait()


def test_who_does_not_hear_term_is_killed() -> None:
    """After the timeout, and no sooner."""
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        when = living.started(child.pid)
        assert when
        began = time.monotonic()
        living.stop(child.pid, when, timeout=0.3)
        assert 0.3 <= time.monotonic() - began < 3
        assert child.wait() == -signal.SIGKILL
