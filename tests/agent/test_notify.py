"""The service manager is told, through a real datagram socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import notify, program
from agent.notify import NEVER, Watchdog


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        monkeypatch.chdir(tmp_path)
        listener.bind("notify")
        listener.settimeout(0.05)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def heard(manager: socket.socket) -> list[str]:
    """All that it was told since."""
    found: list[str] = []
    while True:
        try:
            found += manager.recv(4096).decode().split("\n")
        except TimeoutError:
            return found


def test_it_is_told_only_where_it_asks(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """By NOTIFY_SOCKET; a reload comes with the instant at which it began."""
    assert notify.notify("READY=1", "STATUS=as it is") and notify.is_supervised()
    notify.say_reloading()
    assert [line.split("=")[0] for line in heard(manager)] == ["READY", "STATUS", "RELOADING", "MONOTONIC_USEC"]
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    assert not notify.notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert not notify.notify("READY=1") and not notify.is_supervised()


def test_the_watchdog_hears_a_beat_and_what_takes_longer(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more often than needed; a bounded step moves the limit and puts it back, also when it fails."""
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    watchdog = Watchdog()
    watchdog.beat()
    assert heard(manager) == [], "it was begun a moment ago"
    assert watchdog.next_beat() <= time.time() + 0.1
    time.sleep(0.06)
    watchdog.beat()
    watchdog.beat()
    assert heard(manager) == ["WATCHDOG=1"]
    with watchdog.patience(0.01):
        pass
    assert heard(manager) == [], "a short step needs none"
    with pytest.raises(KeyError), watchdog.patience(60):
        raise KeyError
    assert heard(manager) == ["WATCHDOG_USEC=60200000", "WATCHDOG=1", "WATCHDOG_USEC=200000", "WATCHDOG=1"]


@pytest.mark.parametrize("pid", ["", "1"])
def test_no_watchdog_no_beat(manager: socket.socket, monkeypatch: pytest.MonkeyPatch, pid: str) -> None:
    """Where none was asked for, or it is for another process, nothing is due."""
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    if pid:
        monkeypatch.setenv("WATCHDOG_USEC", "1000")
        monkeypatch.setenv("WATCHDOG_PID", pid)
    watchdog = Watchdog()
    with watchdog.patience(3600):
        watchdog.beat()
    assert watchdog.next_beat() == NEVER and heard(manager) == []


def test_a_program_is_replaced_when_its_mark_is_another(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that is taken away is no newer one, and without a manager nobody would start that."""
    mark = tmp_path / "configured"
    monkeypatch.setattr(program, "MARK", str(mark))
    assert not program.is_replaced()
    mark.write_text("newer")
    assert program.is_replaced()
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert not program.is_replaced()
