"""An apt repository of our own in a test machine: packages built in a moment, signed by a key of its own.

Among them any version of Prosody that a test needs, made of the distribution's own package.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import releases
from machines import Machine

_PORT = 8099
ADDRESS = f"http://127.0.0.1:{_PORT}"
"""What `uris` of a source says; as a push would, it takes `allow: {sources: [http://127.0.0.1:8099]}`."""
_PLACE = "srv/apt"


class Repository:
    """Packages below /srv/apt of a machine. What is added is offered by the next `publish`."""

    def __init__(self, machine: Machine, keys: Path) -> None:
        self._machine, self._keys = machine, keys
        self._root = machine.root / _PLACE
        (self._root / "pool").mkdir(parents=True)
        self._gpg("--quick-generate-key", "tests@example.test", "ed25519", "sign", "never")
        self.key = self._gpg("--armor", "--export")
        """What `signed_by` names, armored."""
        self.codename = _field(machine.root / "etc/os-release", "VERSION_CODENAME")

    def build(
        self,
        name: str,
        version: str,
        *,
        depends: str = "",
        files: Mapping[str, str] | None = None,
        conffiles: Mapping[str, str] | None = None,
        scripts: Mapping[str, str] | None = None,
    ) -> Path:
        """A small package with these files (absolute paths), conffiles among them, and these maintainer scripts."""
        with tempfile.TemporaryDirectory() as scratch:
            tree = Path(scratch, name)
            control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Tests <t@example.test>\n"
            control += (f"Depends: {depends}\n" if depends else "") + "Description: made by a test\n"
            _write(tree / "DEBIAN/control", control)
            for path, text in {**(files or {}), **(conffiles or {})}.items():
                _write(tree / path[1:], text)
            if conffiles:
                _write(tree / "DEBIAN/conffiles", "".join(f"{path}\n" for path in conffiles))
            for script, text in (scripts or {}).items():
                _write(tree / "DEBIAN" / script, f"#!/bin/sh\nset -e\n{text}\n")
                (tree / "DEBIAN" / script).chmod(0o755)
            return self._pack(tree)

    def build_prosody(self, version: str, *, edit: Callable[[Path], None] = lambda tree: None) -> Path:
        """The release's own Prosody as another version (`0.12.99-1`). `edit` changes the unpacked tree before."""
        with tempfile.TemporaryDirectory() as scratch:
            tree = Path(scratch, "prosody")
            _say("dpkg-deb", "-R", str(_prosody(self.codename)), str(tree))
            _name(tree, version)
            edit(tree)
            return self._pack(tree)

    def withdraw(self, package: Path) -> None:
        """Offer it no longer, as a mirror does with what it has a newer version of."""
        package.unlink()

    def publish(self, suite: str = "") -> None:
        """Offer, as this suite (the machine's own codename), all that was built and not withdrawn."""
        suite = suite or self.codename
        listed = _say("dpkg-scanpackages", "--multiversion", "pool", cwd=self._root)
        top = self._root / "dists" / suite
        names = [f"main/binary-{architecture}/Packages" for architecture in ("all", _architecture())]
        for name in names:
            _write(top / name, listed.decode())
        sums = "".join(f" {hashlib.sha256(listed).hexdigest()} {len(listed)} {name}\n" for name in names)
        release = f"Origin: tests\nSuite: {suite}\nCodename: {suite}\nDate: {formatdate(usegmt=True)}\n"
        release += f"Architectures: all {_architecture()}\nComponents: main\nSHA256:\n{sums}"
        _write(top / "InRelease", self._gpg("--clearsign", stdin=release))

    def serve(self) -> None:
        """Answer on `ADDRESS`, until the machine ends."""
        served = ("python3", "-m", "http.server", "--directory", f"/{_PLACE}", "--bind", "127.0.0.1", str(_PORT))
        said = self._machine.run("systemd-run", "--unit=repository", "--quiet", *served)
        assert said.status == 0, said.errors

    def trust(self) -> None:
        """Have the machine's admin name it as a source, without any server."""
        text = f"Types: deb\nURIs: file:///{_PLACE}\nSuites: {self.codename}\nComponents: main\n"
        text += "Signed-By:\n" + "".join(f" {line or '.'}\n" for line in self.key.splitlines())
        _write(self._machine.root / "etc/apt/sources.list.d/tests.sources", text)

    def _pack(self, tree: Path) -> Path:
        control = tree / "DEBIAN/control"
        name = "_".join(_field(control, word) for word in ("Package", "Version", "Architecture"))
        packed = self._root / "pool" / f"{name}.deb"
        _say("dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(packed))
        return packed

    def _gpg(self, *words: str, stdin: str = "") -> str:
        argv = ("gpg", "--homedir", str(self._keys), "--batch", "--quiet", "--passphrase", "", *words)
        return _say(*argv, stdin=stdin).decode()


@contextmanager
def repository(machine: Machine) -> Iterator[Repository]:
    """An empty repository; its key is gone in the end."""
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp") as keys:  # a socket's path may have 108 characters
        try:
            yield Repository(machine, Path(keys))
        finally:
            subprocess.run(["gpgconf", "--homedir", keys, "--kill", "all"], check=True)


def _prosody(codename: str) -> Path:
    """The package of that release, fetched once."""
    release = next(release for release in releases.RELEASES.values() if release.codename == codename)
    kept = releases.cache() / f"prosody-{codename}.deb"
    with releases.locked(releases.cache() / "prosody.lock"):
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=releases.cache()) as scratch:
                fetched = releases.fetch(release, Path(scratch))
                shutil.move(fetched, kept)
    return kept


def _name(tree: Path, version: str) -> None:
    """Say in the package, and in what it brings, that it is of this version."""
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
    (tree / "usr/lib/prosody/prosody.version").write_text(version.partition("-")[0] + "\n")


def _architecture() -> str:
    return _say("dpkg", "--print-architecture").decode().strip()


def _field(path: Path, name: str) -> str:
    found = re.search(rf"(?m)^{name}(?:=|: )(.*)$", path.read_text())
    assert found, f"{path} says nothing of {name}"
    return found[1]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _say(*argv: str, stdin: str = "", cwd: Path | None = None) -> bytes:
    ran = subprocess.run(argv, input=stdin.encode(), capture_output=True, cwd=cwd)
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")
    return ran.stdout
