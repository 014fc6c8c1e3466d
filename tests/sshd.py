"""A real sshd, as the user who runs the tests, on loopback."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    """A running server, and the keys that belong to it."""

    port: int
    key: Path
    known_hosts: Path


def make_key(path: Path) -> str:
    """An ed25519 pair; the public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text()


@contextmanager
def serving(place: Path, port: int) -> Iterator[Sshd]:
    """Debian's sshd as this user; it lets in nobody but the key's owner."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("sshd is not here: apt-get install openssh-server")
    shell = pwd.getpwuid(os.geteuid()).pw_shell
    if Path(shell).name in ("nologin", "false"):
        pytest.skip(f"sshd lets {getpass.getuser()} run nothing: the login shell is {shell}")
    place.mkdir(mode=0o700)
    host_key = make_key(place / "host")
    (place / "authorized_keys").write_text(make_key(place / "id"))
    (place / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    (place / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host\nAuthorizedKeysFile {place}/authorized_keys\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"PermitRootLogin prohibit-password\n"
    )
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # root's sshd insists on it
    server = subprocess.Popen([program, "-D", "-e", "-f", place / "sshd_config"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Sshd(port=port, key=place / "id", known_hosts=place / "known_hosts")
    finally:
        server.terminate()
        server.wait()
