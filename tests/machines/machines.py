"""Whole Debian machines: booted with systemd by systemd-nspawn, the program installed in a venv of its own.

An image is built once by debootstrap and kept in the tests' cache; each machine is a copy, in a network of its own:
as many run at once as one likes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import releases
from disk import disk
from network import Network, network
from trees import CHECKOUT, Tree, carry_settings, copy_checkout, copy_pip_settings, pip_directories

PACKAGES = "systemd,systemd-sysv,dbus,ca-certificates,python3,python3-venv,git,openssl,iproute2"
PROGRAM = "/opt/prosodist"
SOURCE = "/usr/src/prosodist"
HOST = "chat.example.test"
SETTINGS = f"repository: /srv/git\nhost: {HOST}\ninterval: 1h\n"
_BOOT = """\
umount -l /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$2"
echo $$ >"/sys/fs/cgroup/$2/cgroup.procs"
exec systemd-nspawn --quiet -D "$1" --boot --register=no --keep-unit --console=pipe --kill-signal=SIGRTMIN+3 \\
    --capability=CAP_NET_ADMIN
"""
"""Debian 13's systemd wants cgroup v2, whatever the machine under it has. Its network is its own to rule.

And a control group of its own: two that share one end each other's units.
"""
_PATIENCE = 60.0


class Said(NamedTuple):
    """A command's exit status, what it answered and what else it said."""

    status: int
    output: str
    errors: str


class Machine:
    """A booted Debian, with a repository of desired state on it."""

    def __init__(self, root: Path, network: Network) -> None:
        self.root = root
        self.address = network.address
        self._network = network.path
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> None:
        """Start it, and wait until systemd has come up."""
        log = Path(f"{self.root}.log")
        with log.open("ab") as file:
            self._nspawn = subprocess.Popen(
                [
                    *("nsenter", f"--net={self._network}", "unshare", "--mount"),
                    *("sh", "-c", _BOOT, "boot", str(self.root), self._network.name),
                ],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self._leader = _child(self._nspawn.pid)
            if self._leader and self.run("systemctl", "is-system-running", "--wait").output.strip() in (
                "running",
                "degraded",
            ):
                return
            time.sleep(0.1)
        raise TimeoutError(f"{self.root}: it has not booted; {log.read_text()[-500:]}")

    def end(self, *, cut: bool = False) -> None:
        """Shut it down; with `cut`, as a power cut does."""
        if self._nspawn is None:
            return
        if not cut and self._leader:
            self.run("systemctl", "poweroff")
        try:
            self._nspawn.wait(0.0 if cut else 30.0)
        except subprocess.TimeoutExpired:
            for pid in (self._leader, self._nspawn.pid):
                if pid:
                    os.kill(pid, signal.SIGKILL)
            self._nspawn.wait()
        self._nspawn, self._leader = None, 0

    def run(self, *argv: str) -> Said:
        """A command in it, as root."""
        ran = subprocess.run(
            self._entered(*argv), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
        return Said(ran.returncode, ran.stdout, ran.stderr)

    @contextmanager
    def begun(self, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command in it meanwhile, whatever becomes of it."""
        command = subprocess.Popen(
            self._entered(*argv), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield command
        finally:
            if child := _child(command.pid):  # nsenter enters no PID namespace itself
                os.kill(child, signal.SIGKILL)
            command.wait()

    @contextmanager
    def killed(self, *argv: str) -> Iterator[None]:
        """Run a command in it meanwhile, and kill it in the end."""
        with self.begun(*argv) as command:
            yield
            assert command.poll() is None, "it has ended by itself"

    def _entered(self, *argv: str) -> list[str]:
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        enter = ["nsenter", "-t", str(self._leader), *["-m", "-u", "-i", "-n", "-p", "-r", "-w"], "--"]
        return [*enter, "env", "-i", f"PATH={path}", "HOME=/root", "LANG=C.UTF-8", *argv]

    def prosodist(self, *words: str) -> Said:
        """A verb of ours."""
        return self.run(f"{PROGRAM}/bin/prosodist", *words)

    def reconcile(self) -> dict[str, Any]:
        """One pass, and its outcome."""
        said = self.prosodist("reconcile", "-o", "json")
        assert said.output.startswith("{"), said
        outcome: dict[str, Any] = json.loads(said.output)
        return outcome

    @property
    def leader(self) -> int:
        """Its systemd, by its number on this machine."""
        return self._leader

    def push(self, files: dict[str, str]) -> None:
        """Commit these files, and nothing else, to the host's repository."""
        self.commit(files)
        ran = self.run("git", "-C", "/srv/work", "push", "-q", "origin", "HEAD:main")
        assert ran.status == 0, ran.errors

    def commit(self, files: dict[str, str]) -> None:
        """Commit them without the push."""
        work = self.root / "srv/work"
        if not work.exists():
            for words in (["init", "-q", "--bare", "-b", "main", "/srv/git"], ["clone", "-q", "/srv/git", "/srv/work"]):
                assert self.run("git", *words).status == 0
        for name, text in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        who = ["-c", "user.name=t", "-c", "user.email=t@example.test"]
        for words in (["add", "-A"], [*who, "commit", "-qm", "t"]):
            ran = self.run("git", "-C", "/srv/work", *words)
            assert ran.status == 0, ran.errors

    def unit(self, name: str = "prosody.service") -> dict[str, str]:
        """What systemd says of a unit."""
        said = self.run("systemctl", "show", "-p", "ActiveState,MainPID,UnitFileState,NRestarts", name).output
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def events(self) -> list[str]:
        """What systemd tells of Prosody since the boot: it is started once for each such line."""
        told = self.run("journalctl", "-b", "-u", "prosody.service", "--no-pager", "-o", "cat").output
        return [line for line in told.splitlines() if line.startswith("Started ")]


def wait_until(is_so: Callable[[], object]) -> None:
    """Look again and again. Raises TimeoutError."""
    deadline = time.monotonic() + 2 * _PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


@contextmanager
def booted(codename: str, *, megabytes: int | None = None) -> Iterator[Machine]:
    """A machine of this release, with the program as it lies in the checkout; ended and removed afterwards.

    With `megabytes`, on a disk of its own of that size; the image takes some 600.
    """
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="machine-", dir=image(codename).parent))
        wires = stack.enter_context(network())
        root = Path(scratch, codename)
        if megabytes is not None:
            stack.enter_context(disk(root, megabytes))
        subprocess.run(["cp", "-aT", "--reflink=auto", str(image(codename)), str(root)], check=True)
        shutil.rmtree(root / SOURCE[1:])
        copy_checkout(root / SOURCE[1:])
        carry_settings(root)
        (root / "etc/prosodist").mkdir()
        (root / "etc/prosodist/agent.yaml").write_text(SETTINGS)
        machine = Machine(root, wires)
        try:
            machine.boot()
            yield machine
        finally:
            machine.end()


def image(codename: str) -> Path:
    """What machines are copied from: a minimal Debian with systemd, and what the program needs; made when absent."""
    tree = releases.cache() / f"machine-{codename}"
    stamp = sha256((CHECKOUT / "pyproject.toml").read_bytes() + PACKAGES.encode()).hexdigest()
    with releases.locked(releases.cache() / f"machine-{codename}.lock"):
        if not (tree / "stamp").exists() or (tree / "stamp").read_text() != stamp:
            made = tree.with_suffix(".new")
            for old in (made, tree):
                shutil.rmtree(old, ignore_errors=True)
            subprocess.run(
                ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", codename, str(made), releases.mirror()],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            _install(made)
            (made / "stamp").write_text(stamp)
            made.rename(tree)
    return tree


def _install(root: Path) -> None:
    """The program, editable, so that a copy of the image needs no more than the checkout as it is then."""
    carry_settings(root)
    copy_pip_settings(root / "root")
    Path(f"{root}.binds").write_text("".join(f"{path}\n" for path in pip_directories()))
    copy_checkout(root / SOURCE[1:])
    tree = Tree(root=root, user="root", checkout="/", log=Path(f"{root}.log"))
    for argv in (("python3", "-m", "venv", PROGRAM), (f"{PROGRAM}/bin/pip", "install", "-q", "-e", SOURCE)):
        ran = tree.run(*argv)
        assert ran.status == 0, ran.output


def _child(pid: int) -> int:
    """The first process that this one started; 0: none yet."""
    return next(iter(_children(pid)), 0)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
