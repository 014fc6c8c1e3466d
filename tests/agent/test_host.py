"""The host answers what is asked and does what each action says."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from hands import Hands
from users import User

from agent import below, living
from schemas.actions import (
    ChoosePorts,
    DressTree,
    Forget,
    Keep,
    Link,
    Make,
    MakeDir,
    Remember,
    RemoveFile,
    Run,
    Signal,
    Spawn,
    Stop,
    WriteFile,
)
from schemas.errors import ActionFailed, Stale, Temporary
from schemas.record import Record
from schemas.secret import Secret


@pytest.fixture
def hands(home: Path) -> Iterator[Hands]:
    hands = Hands(home)
    yield hands
    for id_ in list(hands.records):
        if "pid" in hands.records[id_].value:
            hands.host.perform(Stop(id=id_))


# --- to look ----------------------------------------------------------------------------------------------


def test_a_look_sees_what_is_there(hands: Hands, as_user: User) -> None:
    """Kind, mode, owner and target; None for what is not there."""
    (hands.home / "f").write_bytes(b"text")
    (hands.home / "f").chmod(0o4711)
    (hands.home / "d").mkdir(mode=0o700)
    (hands.home / "l").symlink_to("nowhere")
    os.mkfifo(hands.home / "p")
    kinds = {name: hands.host.stat(hands.path(name)) for name in "fdlp"}
    assert [info.kind for info in kinds.values() if info] == ["file", "directory", "link", "other"]
    info = kinds["f"]
    assert info
    assert (info.mode, info.owner) == (0o4711, (hands.home / "f").owner())
    assert kinds["l"]
    assert kinds["l"].target == "nowhere"
    assert hands.host.listdir(PurePosixPath(hands.home)) == ("d", "f", "l", "p")
    assert hands.host.read(hands.path("f")) == b"text"
    for name in ("d", "l", "p", "none", "f/below"):
        assert hands.host.read(hands.path(name)) is None
    assert hands.host.stat(hands.path("none")) is hands.host.listdir(hands.path("f")) is None


def test_what_is_too_large_or_not_ours_to_read_is_temporary(hands: Hands, as_user: User) -> None:
    """A look never fills the memory; who may not look is told so."""
    with open(hands.home / "large", "wb") as file:
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(Temporary, match=r"/large: over 64 MiB"):
        hands.host.read(hands.path("large"))
    (hands.home / "shut").write_bytes(b"")
    (hands.home / "shut").chmod(0)
    if os.geteuid() == 0:
        assert hands.host.read(hands.path("shut")) == b""
    else:
        with pytest.raises(Temporary, match=r"/shut: the agent's user may not"):
            hands.host.read(hands.path("shut"))


def test_an_instant_comes(hands: Hands) -> None:
    """By the clock that the host was given."""
    assert hands.host.due(time.time() - 1)
    assert not hands.host.due(time.time() + 60)


# --- to act -----------------------------------------------------------------------------------------------


def test_our_own_writes_are_known_again(hands: Hands) -> None:
    """Until somebody else touches what we wrote, or puts back what we removed."""
    path = hands.path("f")
    assert not hands.host.ours(path)
    hands.host.perform(WriteFile(path=path, content=b"x", mode=0o644))
    assert hands.host.ours(path)
    (hands.home / "f").chmod(0o600)
    assert not hands.host.ours(path)
    was = hands.was("f")
    assert was
    hands.host.perform(RemoveFile(path=path, was=was))
    assert hands.host.ours(path)
    (hands.home / "f").touch()
    assert not hands.host.ours(path)


def test_what_was_kept_can_be_put_back(hands: Hands) -> None:
    """Content, mode and owner; what lay there meanwhile is kept in its turn. Links too."""
    hands.host.perform(WriteFile(path=hands.path("f"), content=b"by hand", mode=0o604))
    hands.host.perform(Link(path=hands.path("l"), target="there"))
    for name in ("f", "l", "none"):
        hands.host.perform(Keep(path=hands.path(name), why="a test"))
    file, link = hands.kept
    hands.host.perform(WriteFile(path=hands.path("f"), content=b"ours", mode=0o640, was=hands.was("f")))
    was = hands.was("l")
    assert was
    hands.host.perform(RemoveFile(path=hands.path("l"), was=was))
    hands.host.restore(file)
    hands.host.restore(link)
    assert (hands.home / "f").read_bytes() == b"by hand"
    assert (hands.home / "f").stat().st_mode & 0o7777 == 0o604
    assert os.readlink(hands.home / "l") == "there"
    assert [copy.content for copy in hands.kept[2:]] == [b"ours"]


def test_a_program_that_fails_says_why_but_never_a_secret(hands: Hands) -> None:
    """The last lines of what it said; nothing of it when it was told a secret."""
    hands.host.perform(Run(argv=("/bin/true",)))
    with pytest.raises(ActionFailed, match=r"^/bin/sh: exit status 3: no luck"):
        hands.host.perform(Run(argv=("/bin/sh", "-c", "echo no luck >&2; exit 3")))
    with pytest.raises(ActionFailed) as failed:
        hands.host.perform(Run(argv=("/bin/sh", "-c", "cat >&2; exit 3"), stdin=Secret("hunter2")))
    assert "hunter2" not in str(failed.value)
    with pytest.raises(ActionFailed, match=r"^/no/such: "):
        hands.host.perform(Run(argv=("/no/such",)))


def test_records_are_remembered_and_forgotten(hands: Hands) -> None:
    """As the plan says."""
    hands.host.perform(Remember(id="a", record={"n": 1}))
    record = hands.host.recall("a")
    assert record
    assert record.value == {"n": 1}
    hands.host.perform(Forget(id="a"))
    assert hands.host.recall("a") is None


def test_ports_are_free_distinct_and_stay(hands: Hands) -> None:
    """A later choice adds names and changes none."""
    hands.host.perform(ChoosePorts(id="ports", names=("c2s", "s2s")))
    first = dict(hands.records["ports"].value)
    hands.host.perform(ChoosePorts(id="ports", names=("s2s", "http")))
    ports = dict(hands.records["ports"].value)
    assert {name: ports[name] for name in first} == first
    assert sorted(ports) == ["c2s", "http", "s2s"]
    assert len(set(ports.values())) == 3
    assert all(20000 <= port < 32768 for port in ports.values())


def test_a_secret_is_drawn_once(hands: Hands) -> None:
    """32 bytes, closed to others, and never drawn anew over one that is there."""
    make = Make(path=hands.path("s"), kind="secret", mode=0o600)
    hands.host.perform(make)
    drawn = (hands.home / "s").read_bytes()
    assert len(drawn) == 43
    assert (hands.home / "s").stat().st_mode & 0o7777 == 0o600
    with pytest.raises(Stale):
        hands.host.perform(make)
    assert (hands.home / "s").read_bytes() == drawn
    with pytest.raises(ActionFailed, match="nothing of the kind 'dhparam'"):
        hands.host.perform(Make(path=hands.path("s"), kind="dhparam"))


def test_a_self_signed_pair_fits_together(hands: Hands) -> None:
    """For every name, also one that is not ASCII and one too long for a common name; OpenSSL agrees."""
    long = ".".join(["label" * 6] * 3)
    parameters = (("names", f"{long},bücher.example,*.example.test"), ("days", "10"))
    hands.host.perform(Make(path=hands.path("host"), kind="self-signed", parameters=parameters))
    key, crt = hands.home / "host.key", hands.home / "host.crt"
    assert (key.stat().st_mode & 0o7777, crt.stat().st_mode & 0o7777) == (0o640, 0o644)

    def openssl(*argv: str) -> str:
        return subprocess.run(["openssl", *argv], check=True, capture_output=True, text=True).stdout

    def fit() -> bool:
        public = openssl("pkey", "-in", str(key), "-pubout")
        return public == openssl("x509", "-in", str(crt), "-noout", "-pubkey")

    assert fit()
    text = openssl("x509", "-in", str(crt), "-noout", "-text")
    ascii_name = "xn--bcher-kva.example"
    for word in (f"DNS:{long}", f"DNS:{ascii_name}", "DNS:*.example.test", f"CN={ascii_name}"):
        assert word in text.replace("CN = ", "CN=")  # OpenSSL 3.0 and 3.5 write it apart
    openssl("x509", "-in", str(crt), "-noout", "-checkend", str(9 * 86400))
    hands.host.perform(Make(path=hands.path("host"), kind="self-signed", parameters=parameters))
    assert fit()


# --- children ---------------------------------------------------------------------------------------------

SLEEP = ("/bin/sh", "-c", "umask; echo here; exec sleep 1000")


def test_a_child_stays_and_is_remembered(hands: Hands, as_user: User) -> None:
    """Its own session, its user, its umask, its log; after its end it is no zombie to us."""
    os.chown(hands.home, as_user.uid, -1)
    user = None if os.geteuid() else as_user.name
    argv = ("/bin/sh", "-c", "umask; id -u; while :; do sleep 0.05; done", str(hands.home))
    hands.host.perform(Spawn(id="child", argv=argv, user=user, log=hands.path("log"), umask=0o027))
    value = hands.records["child"].value
    process = hands.host.process(value["pid"])
    assert process
    assert (process.started, process.user) == (value["started"], as_user.name)
    assert os.getsid(process.pid) == process.pid
    log = hands.home / "log"
    deadline = time.monotonic() + 5
    while log.read_text().count("\n") < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert log.read_text() == f"0027\n{as_user.uid}\n"
    assert (log.stat().st_mode & 0o7777, log.stat().st_uid) == (0o640, as_user.uid)
    os.kill(process.pid, signal.SIGKILL)
    while hands.host.process(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    hands.host.process(process.pid)
    time.sleep(0.05)
    hands.host.process(process.pid)
    assert not os.path.exists(f"/proc/{process.pid}")


def test_a_living_process_is_adopted(hands: Hands) -> None:
    """An agent that was killed between start and record left it; a second one would take its socket."""
    watched = hands.home / "watched"
    watched.touch()
    argv = ("/usr/bin/tail", "-f", str(watched))  # one that forks nothing, which would look the same for an instant
    hands.host.perform(Spawn(id="child", argv=argv))
    first = hands.records.pop("child").value
    while not living.find(argv):  # exec shows no arguments for an instant
        time.sleep(0.001)
    other = hands.make()
    other.perform(Spawn(id="child", argv=argv))
    assert hands.records["child"].value == first
    assert len(living.find(argv)) == 1
    other.perform(Stop(id="child"))
    assert hands.host.process(first["pid"]) is None
    assert "child" not in hands.records


def test_a_process_that_is_not_our_child_is_ended_too(hands: Hands) -> None:
    """It was started by an agent that is dead: nobody of us is its parent."""
    script = "sleep 1000.75 >/dev/null 2>&1 & echo $!"
    pid = int(subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout)
    hands.records["orphan"] = Record(value={"pid": pid, "started": living.started(pid), "boot": living.boot()}, at=0)
    hands.host.perform(Stop(id="orphan", timeout=5))
    assert living.living(pid) is None
    hands.host.perform(Stop(id="orphan"))


@pytest.mark.parametrize("wrong", [{"started": 1}, {"boot": "another"}])
def test_a_stranger_with_the_number_is_let_be(hands: Hands, wrong: dict[str, object]) -> None:
    """Another start time, or another boot: the record speaks of somebody who is dead."""
    child = subprocess.Popen(["/bin/sleep", "1000"])
    try:
        value = {"pid": child.pid, "started": living.started(child.pid), "boot": living.boot(), **wrong}
        hands.records["child"] = Record(value=value, at=0)
        hands.host.perform(Stop(id="child", timeout=0.1))
        assert child.poll() is None
        assert "child" not in hands.records
    finally:
        child.kill()
        child.wait()


def test_a_signal_reaches_the_child_and_no_stranger(hands: Hands) -> None:
    """A record of somebody who is dead is a failure that says so: what was to be told was not told."""
    argv = ("/bin/sh", "-c", "trap 'echo heard' HUP; echo ready; while :; do sleep 0.02; done", str(hands.home))
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup the shell could not trap it
    hands.host.perform(Spawn(id="child", argv=argv, log=hands.path("log")))
    signal.signal(signal.SIGHUP, former)
    log, deadline = hands.home / "log", time.monotonic() + 5
    while "ready" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    hands.host.perform(Signal(id="child", name="HUP"))
    while "heard" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert log.read_text() == "ready\nheard\n"
    value = hands.records["child"].value
    for stranger in ({**value, "started": 1}, {**value, "boot": "another"}):
        hands.records["stranger"] = Record(value=stranger, at=0)
        with pytest.raises(ActionFailed, match=r"^stranger: "):
            hands.host.perform(Signal(id="stranger", name="KILL"))
    del hands.records["stranger"]
    assert hands.host.process(value["pid"])


def test_a_log_that_is_no_file_of_its_own_is_refused(hands: Hands) -> None:
    """A FIFO would block, a link leads elsewhere, a second name may be that of a file of root's."""
    os.mkfifo(hands.home / "fifo")
    (hands.home / "link").symlink_to("elsewhere")
    (hands.home / "one").touch()
    os.link(hands.home / "one", hands.home / "two")
    for name in ("fifo", "link", "two"):
        with pytest.raises(ActionFailed, match=f"/{name}: "):
            hands.host.perform(Spawn(id="child", argv=SLEEP, log=hands.path(name)))
    assert not (hands.home / "elsewhere").exists()
    assert "child" not in hands.records


def test_a_directory_is_dressed_again(hands: Hands) -> None:
    """An existing one gets the mode; what is right already is not touched."""
    (hands.home / "d").mkdir(mode=0o700)
    action = MakeDir(path=hands.path("d"), mode=0o750)
    hands.host.perform(action)
    was = hands.was("d")
    hands.host.perform(action)
    assert hands.was("d") == was
    assert (hands.home / "d").stat().st_mode & 0o7777 == 0o750


def test_what_may_not_be_given_away_fails_by_itself(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deed that cannot be done is no look that has to wait: it would hold up all that comes with it, each time."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(below, "mend", refuse)
    with pytest.raises(ActionFailed, match="the agent's user may not do that"):
        hands.host.perform(DressTree(path=hands.path("d"), owner="0"))
