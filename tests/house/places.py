"""A whole house in a directory of its own: a repository, settings, the agent, and the Prosody that it runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import releases
import structlog
from repositories import GitRepository

from agent.engine import Engine
from agent.loop import single
from agent.settings import load_settings

HOST = "chat.example.test"
on_both = pytest.mark.parametrize(
    "installed", sorted(releases.RELEASES), ids=["prosody-0.12", "prosody-13.0"], indirect=True
)
"""For what depends on Prosody itself: the test is run with each."""
CHECKOUT = Path(__file__).parents[2]
DOCUMENT = """\
profile: local
prosody:
  modules_enabled: [saslauth, tls, disco, ping, admin_shell]
  c2s_require_encryption: false
  virtual_hosts:
    example.test: {}
files:
  <home>/motd: {content: "Kept by prosodist\\n"}
  <home>/watched: {content: "watched\\n", drift: detect}
  <home>/once: {content: "once\\n", drift: ignore}
  <home>/site/index.html: {source: files/index.html}
"""
FILES: dict[str, str | bytes | None] = {f"hosts/{HOST}.yaml": DOCUMENT, "files/index.html": "hello\n"}


class Place:
    """One host. Events of engines that ran in this process are in `log`, oldest first."""

    def __init__(self, root: Path, repository: GitRepository, installed: Path) -> None:
        self.root, self.repository, self.installed = root, repository, installed
        self.home, self.state = root / "home", root / "state"
        self.home.mkdir(mode=0o755)
        self.settings = root / "etc/agent.yaml"
        self.settings.parent.mkdir()
        self.settings.write_text(
            f"repository: {repository.bare}\nhost: {HOST}\nprofile: local\nhome: {self.home}\n"
            f"state_dir: {self.state}\ncontrol_socket: {root}/control.sock\nage_key: {root}/etc/age.key\ninterval: 1s\n"
        )
        self.log: list[dict[str, Any]] = []

    @property
    def prosody_config(self) -> Path:
        return self.home / "prosody/etc/prosody.cfg.lua"

    @property
    def program(self) -> tuple[str, ...]:
        """What runs the agent; root's agent would look for Prosody nowhere but where the system keeps programs."""
        if self.installed == Path("/usr/bin/prosody"):
            return (sys.executable, "-m", "agent")
        return (sys.executable, str(Path(__file__).with_name("beside.py")), str(self.installed))

    def push(self, files: dict[str, str | bytes | None] | None = None, **more: str) -> str:
        """Commit and push. `document=` stands for the host's own file."""
        named = {f"hosts/{HOST}.yaml" if name == "document" else name: text for name, text in more.items()}
        self.repository.commit({**(files or {}), **named})
        return self.repository.push()

    @contextlib.contextmanager
    def engine(self) -> Iterator[Engine]:
        """An agent in this process, asked verb by verb."""
        with structlog.testing.capture_logs() as entries:
            try:
                with single(load_settings(self.settings), self.settings) as engine:
                    yield engine
            finally:
                self.log += entries

    def reconcile(self, **arguments: Any) -> dict[str, Any]:
        """One pass of an agent that lives for it alone."""
        with self.engine() as engine:
            return engine.answer("reconcile", arguments, _silently)

    def refused(self, files: dict[str, str | bytes | None]) -> list[str]:
        """What this commit is refused for; nothing of the host has changed."""
        before, alive = self.bytes(), self.prosody()
        self.push(files)
        self.log.clear()
        outcome = self.reconcile()
        assert outcome["result"] == "invalid", outcome
        assert (self.bytes(), self.prosody()) == (before, alive)
        (told,) = self.told("commit.refused")
        mistakes: list[str] = told["mistakes"]
        return mistakes

    def command(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[bytes]:
        """The real command line."""
        argv = [*self.program, *words, "--config", str(self.settings)]
        ran = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, timeout=60)
        assert code is None or ran.returncode == code, (words, ran.returncode, ran.stdout, ran.stderr)
        return ran

    @contextlib.contextmanager
    def agent(self, *before: str) -> Iterator[Running]:
        """The real agent, as a process; `before` is what it is started below, such as strace."""
        with (self.root / "agent.log").open("ab") as log:
            argv = [*before, *self.program, "run", "--config", str(self.settings)]
            process = subprocess.Popen(argv, cwd=CHECKOUT, stderr=log, stdout=log, start_new_session=True)
        running = Running(process, self.root / "agent.log")
        try:
            running.wait_for(lambda entry: entry["event"].startswith("pass."))
            yield running
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)

    def told(self, event: str) -> list[dict[str, Any]]:
        """Every such event so far."""
        return [entry for entry in self.log if entry["event"] == event]

    def prosodies(self) -> list[tuple[int, int]]:
        """Each living Prosody of this place: pid and start time."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                if os.fsencode(self.prosody_config) in argv and b"-F" in argv and stat[0] != "Z":
                    found.append((int(pid), int(stat[19])))
        return found

    def prosody(self) -> tuple[int, int]:
        """The one that lives."""
        (one,) = self.prosodies()
        return one

    def port(self, service: str = "c2s") -> int:
        """The port that was chosen for this service."""
        (line,) = [
            line for line in self.prosody_config.read_text().splitlines() if line.startswith(f"{service}_ports = ")
        ]
        return int("".join(filter(str.isdigit, line.partition("=")[2])))

    def bytes(self, *, times: bool = True) -> str:
        """All of the home but what Prosody itself writes: names, kinds, modes, owners, times, contents."""
        digest = hashlib.sha256()
        for directory, directories, files in os.walk(self.home):
            directories[:] = sorted(name for name in directories if name not in ("data", "log", "run"))
            for name in sorted([*files, *directories]):
                path = Path(directory, name)
                found = path.lstat()
                if path.name == "stage":
                    continue  # candidates are checked there; what stays of them is looked at below
                digest.update(repr((str(path), found.st_mode, found.st_uid, found.st_gid)).encode())
                if path.is_file() and not path.is_symlink():
                    digest.update(f"{found.st_mtime_ns if times else 0}".encode() + path.read_bytes())
        return digest.hexdigest()

    def close(self) -> None:
        for pid, _ in self.prosodies():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while self.prosodies():
            time.sleep(0.01)


class Running:
    """An agent process, and what it logged."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log, self._from = process, log, log.stat().st_size

    def entries(self) -> list[dict[str, Any]]:
        text = self._log.read_bytes()[self._from :].decode()
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n") and line[0] == "{"]

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool], *, seconds: float = 30.0) -> dict[str, Any]:
        """The first entry that is wanted."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for entry in self.entries():
                if wanted(entry):
                    return entry
            assert self.process.poll() is None, self._log.read_text()[self._from :][-3000:]
            time.sleep(0.02)
        raise AssertionError(f"not logged within {seconds} s: {self.entries()[-5:]}")


@contextlib.contextmanager
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def is_open(port: int) -> bool:
    """Whether anybody listens there."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _silently(_: str) -> None:
    """Nobody looks on."""
