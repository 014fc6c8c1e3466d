"""Fresh Debian hosts: minimal trees with git, entered by chroot in namespaces of their own.

A tree is built once by debootstrap and kept in the tests' cache; each scenario gets a copy. What this machine was
told of its network goes along (mirror, proxies, certificates, pip's and apt's settings), nothing else does.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import releases

CHECKOUT = Path(__file__).parents[1]
PACKAGES = "ca-certificates,git"
CARRIED = re.compile(r"PIP_.*|.*_proxy|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|CI", re.IGNORECASE)
MOST_LINES = 150
"""Of what a command said, in a failure; its log has all."""
PIP_SETTINGS = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
ENTER = [
    "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", str(Path(__file__).parent / "enter.sh"),
]  # fmt: skip
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command's end: its status and all that it said, standard error included; it stands in the log too."""

    status: int
    output: str
    log: Path

    def last_line(self) -> str:
        """The last line that it said."""
        return self.output.rstrip("\n").rpartition("\n")[2]

    def telling(self) -> str:
        """For a failure: where the log is, and how it ended; from pytest's own failures on, where it tells of some."""
        lines = self.output.splitlines()
        failures = (number for number, line in enumerate(lines) if re.fullmatch(r"=+ (FAILURES|ERRORS) =+", line))
        shown = lines[next(failures, -MOST_LINES) :]
        if len(shown) > MOST_LINES:
            shown = [*shown[: MOST_LINES // 2], "[…]", *shown[-MOST_LINES // 2 :]]
        return "\n".join([f"status {self.status}; all of it: {self.log}", *shown])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A Debian of its own below a directory, with the checkout at the user's place."""

    root: Path
    user: str
    checkout: str
    log: Path

    def run(self, *argv: str, user: str | None = None) -> Ran:
        """A command in the tree, in the checkout, as its user or another."""
        user = user or self.user
        home = "/root" if user == "root" else f"/home/{user}"
        environment = {name: value for name, value in os.environ.items() if CARRIED.fullmatch(name)}
        environment |= {"HOME": home, "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "USER": user}
        if user == "root":
            environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        inside = ["env", "-i", "-C", self.checkout, *(f"{name}={value}" for name, value in environment.items())]
        with self.log.open("ab") as log:
            log.write(f"\n{user}$ {shlex.join(argv)}\n".encode())
            log.flush()
            begun = log.tell()
            ran = subprocess.run([*ENTER, str(self.root), user, *inside, *argv], stdout=log, stderr=subprocess.STDOUT)
        output = self.log.read_bytes()[begun:].decode(errors="replace")
        return Ran(status=ran.returncode, output=output, log=self.log)


@contextmanager
def fresh(codename: str, user: str, log: Path) -> Iterator[Tree]:
    """A copy of the release's tree for one scenario, removed afterwards; "root" or the name of a user to make."""
    with tempfile.TemporaryDirectory(prefix="run-", dir=base(codename).parent) as scratch:
        root = Path(scratch, codename)
        subprocess.run(["cp", "-a", "--reflink=auto", str(base(codename)), str(root)], check=True)
        Path(scratch).chmod(0o755)
        carry_settings(root)
        Path(f"{root}.binds").write_text("".join(f"{path}\n" for path in pip_directories()))
        home = "root" if user == "root" else f"home/{user}"
        if user != "root":
            subprocess.run(["chroot", str(root), "useradd", "--create-home", user], check=True)
            copy_pip_settings(root / home)
        copy_pip_settings(root / "root")
        checkout = root / home / "prosodist"
        copy_checkout(checkout)
        subprocess.run(["chroot", str(root), "chown", "-R", f"{user}:{user}", f"/{home}"], check=True)
        yield Tree(root=root, user=user, checkout=f"/{home}/prosodist", log=log)


def new_log(scenario: str) -> Path:
    """An empty log for a scenario, outside the checkout, to be read while it goes on; who made it takes it away."""
    logs = releases.cache() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    descriptor, path = tempfile.mkstemp(prefix=f"{scenario}-", suffix=".log", dir=logs)
    os.close(descriptor)
    return Path(path)


def base(codename: str) -> Path:
    """The tree that copies are made from, built when it is absent."""
    tree = releases.cache() / f"fresh-{codename}"
    with releases.locked(releases.cache() / f"fresh-{codename}.lock"):
        if not tree.exists():
            made = tree.with_suffix(".new")
            shutil.rmtree(made, ignore_errors=True)
            subprocess.run(
                ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", codename, str(made), releases.mirror()],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            made.rename(tree)
    return tree


def carry_settings(root: Path) -> None:
    """How this machine reaches the network: names, apt's transport settings, pip's settings, certificates."""
    for name in ("/etc/resolv.conf", "/etc/hosts", CERTIFICATES):
        if Path(name).exists():
            shutil.copy(name, root / name.lstrip("/"))
    acquire = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True).stdout
    (root / "etc/apt/apt.conf.d/90carried").write_text(acquire)
    if Path("/etc/pip.conf").exists():
        shutil.copy("/etc/pip.conf", root / "etc/pip.conf")


def copy_pip_settings(home: Path) -> None:
    """Give a user the settings of pip that the one who runs the tests has."""
    for name in PIP_SETTINGS:
        source = Path(name).expanduser()
        if name.startswith("~") and source.exists():
            target = home / name.removeprefix("~/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def pip_directories() -> list[str]:
    """Directories of this machine that pip's settings name; with an index, the files beside it that it links to."""
    texts = [Path(name).expanduser().read_text() for name in PIP_SETTINGS if Path(name).expanduser().exists()]
    texts += [value for name, value in os.environ.items() if name.startswith("PIP_")]
    named = {path for text in texts for path in re.findall(r"(?:file://)?(/[\w./+-]+)", text)}
    directories = {Path(path) for path in named if path != "/" and Path(path).is_dir()}
    return sorted({str(path.parent if len(path.parts) > 3 else path) for path in directories})


def copy_checkout(target: Path) -> None:
    """What git knows or would add, as it lies in the working tree: a visitor's download."""
    listed = subprocess.run(
        ["git", "-C", str(CHECKOUT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    for name in listed.decode().split("\0"):
        source = CHECKOUT / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)
