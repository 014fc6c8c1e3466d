"""A host to measure on: a repository, settings, and the real agent with its real Prosody, in a directory of its own."""

from __future__ import annotations

import compileall
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.bench import meter
from tests.repositories import GitRepository

HOST = "chat.example.test"
CHECKOUT = Path(__file__).parent.parent.parent
PATIENCE = 180.0
"""Seconds; thousands of files are written one after the other, each durably."""
_RIPE = 2.2
"""Seconds after which a signature proves something; see `agent/trace.py`."""

PROSODY = """\
prosody:
  modules_enabled: [{modules}]
{options}  virtual_hosts:
    example.test: {{components: {{rooms: {{module: muc, restrict_room_creation: local}}}}}}
"""
MODULES = ("roster", "saslauth", "tls", "dialback", "disco", "carbons", "pep", "mam", "smacks", "admin_shell")
FILES = {
    "<home>/site": "{directory: true}",
    "<home>/data": "{directory: true}",
    "<home>/current": "{link: <home>/site}",
    **{
        f"<home>/site/page{number}.txt": f"{{template: templates/page.j2, vars: {{number: '{number}'}}}}"
        for number in range(4)
    },
}
TEMPLATE = "page {{ number }} of {{ fqdn }}\n{% for n in range(20) %}line {{ n }} of {{ number }}\n{% endfor %}"


def host_file(*, files: dict[str, str], modules: tuple[str, ...] = MODULES, options: str = "") -> str:
    """The host's document. `options` are whole lines, indented by two."""
    text = "profile: local\n" + PROSODY.format(modules=", ".join(modules), options=options)
    return text + "files:\n" + "".join(f"  {path}: {entry}\n" for path, entry in files.items())


class House:
    """The typical host: 4 templates, 2 folders, key, certificate, link and Prosody. Everything in it ends with it."""

    def __init__(self, *, files: dict[str, str] = FILES, repository: dict[str, str] | None = None) -> None:
        """`files` is the document's part of that name; `repository` is committed beside it."""
        self.place = Path(tempfile.mkdtemp(prefix="prosodist-bench-"))
        self.home, self.state, self.log_file = self.place / "home", self.place / "state", self.place / "log"
        self.config = self.place / "agent.yaml"
        self.files = files
        self._agent: subprocess.Popen[bytes] | None = None
        self.home.mkdir()
        self.repository = GitRepository(self.place)
        self.push({"templates/page.j2": TEMPLATE, **(repository or {})})
        self.config.write_text(
            f"repository: {self.repository.bare}\nhost: {HOST}\nprofile: local\nhome: {self.home}\n"
            f"state_dir: {self.state}\nage_key: {self.place}/age\ninterval: 10m\nlog: {{format: json}}\n"
        )
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(self._install())}

    def _install(self) -> Path:
        """The program as an installation has it: compiled."""
        program = self.place / "program"
        for name in ("agent", "reconcilers", "schemas"):
            shutil.copytree(CHECKOUT / name, program / name, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(program, quiet=1)
        return program

    # --- git ---

    def commit(self, files: dict[str, str] | None = None, **document: Any) -> None:
        """Commit `files` and the host's document, with the words of `host_file`."""
        text = host_file(**{"files": self.files, **document})
        self.repository.commit({f"hosts/{HOST}.yaml": text, **(files or {})})

    def push(self, files: dict[str, str] | None = None, **document: Any) -> float:
        """Commit and push. When the push was over (`time.perf_counter`)."""
        self.commit(files, **document)
        self.repository.push()
        return time.perf_counter()

    # --- the agent ---

    def command(self, *words: str) -> list[str]:
        """The command line of a verb."""
        return [sys.executable, "-m", "agent", *words, "--config", str(self.config)]

    def start(self) -> None:
        """Start the agent and wait until its first pass is over."""
        self.spawn()
        self.wait_log("pass.done")

    def spawn(self) -> None:
        """Start the agent."""
        with self.log_file.open("wb") as log:
            self._agent = subprocess.Popen(self.command("run"), env=self.environment, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """The agent's."""
        assert self._agent is not None
        return self._agent.pid

    def ripen(self) -> None:
        """Until signatures are old enough to prove something, and the pass that takes them as proof is over."""
        time.sleep(_RIPE)
        self.poke()
        self.rest()

    def poke(self) -> None:
        """Ask for a pass."""
        os.kill(self.pid, signal.SIGUSR1)

    def rest(self, *, quiet: float = 0.03) -> None:
        """Until the agent has used no CPU for `quiet` seconds."""
        before = -1.0
        while (now := meter.cpu_ms(self.pid)) != before:
            before = now
            time.sleep(quiet)

    def events(self) -> list[dict[str, Any]]:
        """What the agent logged."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines() if line.startswith("{")]

    def wait_log(self, event: str, *, after: int = 0) -> None:
        """Until this event is among those after the first `after` bytes of the log."""
        name = f'"event": "{event}"'.encode()
        wait_until(
            lambda: name in self.log_file.read_bytes()[after:], f"{event} in the log", step=0.0005, tell=self.tail
        )

    def tail(self) -> str:
        """The log's end, for an error message."""
        return self.log_file.read_text()[-3000:]

    def stop(self) -> None:
        """End the agent; Prosody goes on."""
        if self._agent is not None:
            self._agent.terminate()
            self._agent.wait(PATIENCE)
            self._agent = None

    # --- Prosody ---

    @property
    def prosody_pid(self) -> int:
        """Prosody's own word; 0 when there is none."""
        try:
            return int((self.home / "prosody/run/prosody.pid").read_text())
        except (OSError, ValueError):
            return 0

    @property
    def port(self) -> int:
        """Where Prosody listens for clients."""
        found = re.search(r"c2s_ports = \{ (\d+)", (self.home / "prosody/etc/prosody.cfg.lua").read_text())
        assert found
        return int(found[1])

    def __enter__(self) -> House:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()
        if pid := self.prosody_pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        shutil.rmtree(self.place, ignore_errors=True)


@contextmanager
def converged(**words: Any) -> Iterator[House]:
    """A house whose first commit is converged and proved."""
    with House(**words) as house:
        house.start()
        house.ripen()
        yield house


def wait_until(
    holds: Callable[[], object], what: str, *, step: float = 0.0005, tell: Callable[[], str] = lambda: ""
) -> float:
    """When it first held (`time.perf_counter`). Raises TimeoutError."""
    end = time.perf_counter() + PATIENCE
    while not holds():
        if time.perf_counter() > end:
            raise TimeoutError(f"{what}: not within {PATIENCE} s\n{tell()}")
        time.sleep(step)
    return time.perf_counter()
