"""The control socket: real sockets, a real working thread, clients that behave and clients that do not."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import ask, control
from agent.control import Request, Server
from schemas.errors import SettingsError, SourceRefused, Stalled

ROOT = Path(__file__).parents[2]


class Echo:
    """An engine that answers a few verbs of its own."""

    def __init__(self) -> None:
        self.served: list[str] = []
        self.gate = threading.Event()

    def answer(self, verb: str, arguments: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
        self.served.append(verb)
        match verb:
            case "version":
                return {"version": "1", **arguments}
            case "slow":
                progress("first")
                progress("second")
                self.gate.wait(10)
                return {"done": True}
            case "flood":
                for _ in range(2000):
                    progress("x" * 4096)
                return {"big": "y" * (8 << 20)}
            case "refuse":
                raise SourceRefused("the branch: is gone", remedy="push it")
            case "settings":
                raise SettingsError("agent.yaml: is wrong")
            case "stall":
                raise Stalled("the host: hands off")
        raise RuntimeError("a fault with s3cret-in-its-text")


@contextmanager
def serving(path: Path, engine: control.Engine) -> Iterator[Server]:
    """A server whose requests one working thread answers, as the loop does."""
    requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()

    def work() -> None:
        while (request := requests.get()) is not None:
            request.serve(engine)

    worker = threading.Thread(target=work)
    worker.start()
    server = Server(path, requests.put)
    try:
        yield server
    finally:
        server.close()
        requests.put(None)
        worker.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket goes; its directory is not there yet."""
    return tmp_path / "run" / "control.sock"


def nothing(_: str) -> None:
    """For those who want no progress."""


def test_a_verb_and_its_arguments_reach_the_engine_and_the_answer_comes_back(path: Path) -> None:
    """The whole way there and back."""
    with serving(path, Echo()):
        assert ask.ask(path, "version", {"full": True}, nothing) == {"version": "1", "full": True}


def test_progress_arrives_before_the_answer_and_in_order(path: Path) -> None:
    """A client sees what the engine is at while it is at it."""
    engine, seen = Echo(), []

    def see(text: str) -> None:
        seen.append(text)
        if text == "second":
            engine.gate.set()

    with serving(path, engine):
        assert ask.ask(path, "slow", {}, see) == {"done": True}
    assert seen == ["first", "second"]


@pytest.mark.parametrize(("verb", "reason", "code"), [
    ("refuse", "SourceRefused", 77), ("settings", "BadSettings", 78), ("stall", "Stalled", 1), ("fault", "Fault", 1),
])  # fmt: skip
def test_a_mistake_comes_back_with_its_reason_and_exit_code(path: Path, verb: str, reason: str, code: int) -> None:
    """An error is an answer; a fault of ours tells its type and not its text."""
    with serving(path, Echo()), pytest.raises(ask.Refused) as caught:
        ask.ask(path, verb, {}, nothing)
    assert (caught.value.reason, caught.value.code) == (reason, code)
    assert "s3cret" not in str(caught.value)


def test_only_the_owner_may_open_the_socket_and_enter_its_directory(path: Path) -> None:
    """0600 in 0700, whatever the umask."""
    former = os.umask(0)
    try:
        with serving(path, Echo()):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(former)
    assert not path.exists()


def test_another_user_is_refused_even_when_the_modes_let_him_in(path: Path, home: Path) -> None:
    """Peer credentials are checked, not only modes. As root we can be another; else we are one who is not root."""
    place = home / "run" / "control.sock"
    with serving(place, Echo()):
        if os.geteuid() == 0:
            place.parent.chmod(0o755)
            place.chmod(0o666)
            python = shutil.which("python3", path="/usr/bin") or sys.executable  # ours may lie where nobody may go
            client = subprocess.run(
                [python, "-c", _RAW_CLIENT, str(place)], capture_output=True, user=65534, timeout=20, check=True
            )
            assert json.loads(client.stdout)["error"]["reason"] == "Forbidden"
        else:
            assert ask.ask(place, "version", {}, nothing)["version"] == "1"


_RAW_CLIENT = """
import socket, sys
c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1])
try:
    c.sendall(b'{"verb": "version"}\\n')
except BrokenPipeError:
    pass  # turned away already
print(c.makefile().readline())
"""


def test_nobody_listening_is_NoAgent(path: Path) -> None:
    """Neither an absent socket nor a dead one is an agent."""
    with pytest.raises(ask.NoAgent):
        ask.ask(path, "version", {}, nothing)
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(ask.NoAgent):
        ask.ask(path, "version", {}, nothing)
    assert ask.running(path) is None


def test_the_socket_of_a_killed_agent_is_replaced(path: Path) -> None:
    """kill -9 leaves a socket behind; the next agent takes its place."""
    child = subprocess.Popen([sys.executable, "-c", _LISTENER, str(path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    assert ask.running(path) == child.pid
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert path.is_socket()
    with serving(path, Echo()):
        assert ask.ask(path, "version", {}, nothing) == {"version": "1"}


_LISTENER = """
import sys, time
from agent.control import Server
Server(sys.argv[1], print)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_living_agent_keeps_its_socket(path: Path) -> None:
    """A second one is told who is there, and the first goes on answering."""
    with serving(path, Echo()):
        with pytest.raises(SettingsError, match=rf"process id {os.getpid()} listens"):
            Server(path, nothing)  # type: ignore[arg-type]
        assert ask.ask(path, "version", {}, nothing) == {"version": "1"}


def test_what_is_no_socket_is_left_alone(path: Path) -> None:
    """A file where the socket should be may be somebody's."""
    path.parent.mkdir(mode=0o700)
    path.write_text("mine")
    with pytest.raises(SettingsError, match="no socket"):
        Server(path, nothing)  # type: ignore[arg-type]
    assert path.read_text() == "mine"


def test_a_directory_that_others_may_write_is_refused(path: Path) -> None:
    """There somebody else could put a socket in our place."""
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(SettingsError, match="others may write"):
        Server(path, nothing)  # type: ignore[arg-type]


def test_a_path_longer_than_an_address_works(tmp_path: Path) -> None:
    """sun_path has 108 bytes; directories have more."""
    path = tmp_path / ("d" * 120) / "control.sock"
    with serving(path, Echo()):
        assert ask.ask(path, "version", {}, nothing) == {"version": "1"}


@pytest.mark.parametrize("data", [
    b"", b"\n", b"[]\n", b"nonsense\n", b'{"verb": 1}\n', b'{"full": true}\n', b"\xff\xfe\n", b"[" * 60000 + b"\n",
])  # fmt: skip
def test_nonsense_gets_an_answer_and_does_no_harm(path: Path, data: bytes) -> None:
    """Whatever arrives, the agent says what it wants and answers the next one."""
    engine = Echo()
    with serving(path, engine):
        with ask.connect(path) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert json.loads(client.makefile().readline())["error"]["reason"] == "BadRequest"
        assert engine.served == []
        assert ask.ask(path, "version", {}, nothing) == {"version": "1"}


def test_an_endless_request_is_cut_off(path: Path) -> None:
    """Memory is not a client's to fill."""
    with serving(path, Echo()), ask.connect(path) as client:
        client.settimeout(10)
        reply = b""
        try:
            for _ in range(1000):
                client.sendall(b"x" * 4096)
        except OSError:
            reply = client.recv(4096)
        assert b"BadRequest" in reply or not reply


def test_a_client_that_reads_nothing_does_not_hold_up_the_next(path: Path) -> None:
    """The engine floods it with far more than a socket buffers; others are answered at once all the same."""
    with serving(path, Echo()), ask.connect(path) as deaf:
        deaf.sendall(b'{"verb": "flood"}\n')
        time.sleep(0.3)
        started = time.monotonic()
        assert ask.ask(path, "version", {}, nothing) == {"version": "1"}
        assert time.monotonic() - started < 3
        # the deaf one hangs up, and its thread ends


def test_a_client_that_dies_is_served_without_harm(path: Path) -> None:
    """Its request is carried out, its answer goes nowhere."""
    engine = Echo()
    with serving(path, engine):
        with ask.connect(path) as doomed:
            doomed.sendall(b'{"verb": "slow"}\n')
            while not engine.served:
                time.sleep(0.01)
        engine.gate.set()
        assert ask.ask(path, "version", {}, nothing) == {"version": "1"}
    assert engine.served == ["slow", "version"]


def test_silent_clients_use_up_their_places_and_no_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond the last place are told so at once; a place is free again when its time is up."""
    monkeypatch.setattr(control, "_READ_SECONDS", 0.7)
    with serving(path, Echo()):
        silent = [ask.connect(path) for _ in range(16)]
        time.sleep(0.2)
        with pytest.raises(ask.Refused, match="16 others") as caught:
            ask.ask(path, "version", {}, nothing)
        assert caught.value.reason in ("Busy", "Ended")
        time.sleep(0.8)
        assert ask.ask(path, "version", {}, nothing) == {"version": "1"}
        for client in silent:
            client.close()


def test_those_who_wait_are_told_that_the_agent_stops(path: Path) -> None:
    """A request that nobody will take ends with a word."""
    server = Server(path, lambda request: None)
    failure: list[ask.Refused] = []

    def wait() -> None:
        try:
            ask.ask(path, "reconcile", {}, nothing)
        except ask.Refused as error:
            failure.append(error)

    client = threading.Thread(target=wait)
    client.start()
    time.sleep(0.3)
    server.close()
    client.join(5)
    assert [error.reason for error in failure] == ["Stopping"]


def test_patience_ends_while_the_agent_is_busy(path: Path) -> None:
    """Who can look for himself need not wait for a pass."""
    engine = Echo()
    with serving(path, engine):
        first = threading.Thread(target=lambda: ask.ask(path, "slow", {}, nothing))
        first.start()
        while not engine.served:
            time.sleep(0.01)
        with pytest.raises(ask.NoPatience):
            ask.ask(path, "version", {}, nothing, patience=0.2)
        engine.gate.set()
        first.join()


def test_an_idle_server_uses_no_cpu(path: Path) -> None:
    """accept blocks; nothing polls."""
    with serving(path, Echo()):
        ask.ask(path, "version", {}, nothing)
        time.sleep(0.1)
        before = time.process_time()
        time.sleep(2)
        assert time.process_time() - before < 0.002
