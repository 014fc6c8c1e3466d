"""The project's own package, built for a machine as a person builds it, and newer ones made from it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import releases
from machines import SOURCE, Machine
from trees import Tree, copy_pip_settings, pip_directories

_WHEELS = "var/cache/wheels"


def build(machine: Machine, codename: str) -> Path:
    """The package, made by deploy/deb/build.sh on a copy of the machine; libraries are kept in the tests' cache."""
    with releases.locked(releases.cache() / f"deb-{codename}.lock"), _workshop(machine) as tree:
        wheels, kept = tree.root / _WHEELS, releases.cache() / f"wheels-{codename}"
        if kept.exists():
            shutil.copytree(kept, wheels)
        ran = tree.run("env", f"WHEELS=/{_WHEELS}", "sh", "deploy/deb/build.sh", "/root")
        assert ran.status == 0, ran.telling()
        shutil.rmtree(kept, ignore_errors=True)
        shutil.move(wheels, kept)
    return machine.root / ran.last_line()[1:]


@contextmanager
def _workshop(machine: Machine) -> Iterator[Tree]:
    """The machine's files, seen by chroot: pip finds this machine's directories there."""
    copy_pip_settings(machine.root / "root")
    binds = Path(f"{machine.root}.binds")
    binds.write_text("".join(f"{path}\n" for path in pip_directories()))
    log = machine.root.with_suffix(".build.log")
    yield Tree(root=machine.root, user="root", checkout=SOURCE, log=log)
    binds.unlink()


def make_newer(package: Path, version: str) -> Path:
    """The same program as another version, which it also says of itself."""
    newer = package.with_name(f"prosodist_{version}.deb")
    with TemporaryDirectory(dir=package.parent) as scratch:
        root = Path(scratch, "root")
        subprocess.run(["dpkg-deb", "-R", str(package), str(root)], check=True)
        _replace(root / "DEBIAN/control", r"(?m)^Version: .*$", f"Version: {version}")
        (said,) = root.glob("usr/lib/prosodist/lib/python3*/site-packages/agent/version.py")
        _replace(said, r'VERSION = ".*"', f'VERSION = "{version}"')
        for compiled in said.parent.glob("__pycache__/version.*"):
            compiled.unlink()
        pack = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", str(root), str(newer)]
        subprocess.run(pack, check=True, stdout=subprocess.DEVNULL, env=os.environ)
    return newer


def offer(machine: Machine, package: Path) -> None:
    """Let the machine's apt find it, in a source that its admin trusts."""
    place = machine.root / "srv/packages"
    place.mkdir()
    shutil.copy(package, place)
    listed = subprocess.run(["dpkg-scanpackages", "."], cwd=place, check=True, capture_output=True).stdout
    (place / "Packages").write_bytes(listed)
    (machine.root / "etc/apt/sources.list.d/own.list").write_text("deb [trusted=yes] file:/srv/packages ./\n")
    assert machine.run("apt-get", "update").status == 0


def _replace(file: Path, pattern: str, text: str) -> None:
    changed, times = re.subn(pattern, text, file.read_text())
    assert times == 1, file
    file.write_text(changed)
