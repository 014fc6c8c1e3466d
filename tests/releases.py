"""A Prosody of each Debian release, on either: the system's own, and the other release's package unpacked.

The other package is fetched by apt from the machine's own mirror, with lists, cache and status of its own,
so an ordinary user may do it and the system's apt never notices. `dpkg-deb -x` unpacks it; no script of it
is run. It then runs with the system's Lua 5.4 and Lua libraries, for which two things are changed: the paths
at the top of its scripts, and two kinds of names that its C modules link to (see `adapt`).
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from elf import Dynamic

RECIPE = "2"
"""Raise it when what is made from a package changes: the caches are then made anew."""

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A Debian release and the line of Prosody in it."""

    codename: str
    line: str


RELEASES = {
    "12": Release(codename="bookworm", line="0.12"),
    "13": Release(codename="trixie", line="13.0"),
}


def cache() -> Path:
    """Where packages and trees are kept between runs: outside the checkout; root's where all may read."""
    if chosen := os.environ.get("PROSODIST_TESTS_CACHE"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/cache/prosodist-tests")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prosodist-tests"


def prosody(debian: str) -> Path:
    """The program `prosody` of that Debian release ("12" or "13"), fetched when it is not the system's."""
    release = RELEASES[debian]
    system = Path("/usr/lib/prosody/prosody.version")
    if system.exists() and system.read_text().startswith(release.line + "."):
        return Path("/usr/bin/prosody")
    return unpacked(release) / "usr/bin/prosody"


def unpacked(release: Release) -> Path:
    """The tree of that release's package, made once; two runs at the same time make one."""
    tree = cache() / f"prosody-{release.line}"
    stamp = f"recipe {RECIPE}, ICU {icu(Path('/usr/lib/prosody'))}\n"
    with locked(cache() / "prosody.lock"):
        if not is_stamped(tree, stamp):
            with tempfile.TemporaryDirectory(dir=cache()) as scratch:
                made = Path(scratch, "tree")
                unpack(fetch(release, Path(scratch)), made)
                adapt(made, at=tree)
                (made / "stamp").write_text(stamp)
                shutil.rmtree(tree, ignore_errors=True)
                made.rename(tree)
    return tree


def prosody_modules(debian: str) -> Path:
    """The `usr` of the package prosody-modules of that release, fetched once; nothing of it is installed."""
    release = RELEASES[debian]
    tree = cache() / f"prosody-modules-{release.line}"
    with locked(cache() / "prosody.lock"):
        if not tree.exists():
            with tempfile.TemporaryDirectory(dir=cache()) as scratch:
                made = Path(scratch, "tree")
                unpack(fetch(release, Path(scratch), "prosody-modules"), made)
                made.rename(tree)
    return tree / "usr"


def is_stamped(tree: Path, stamp: str) -> bool:
    """Whether the tree was made whole, by this recipe, for this system."""
    mark = tree / "stamp"
    return mark.exists() and mark.read_text() == stamp


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a cache, making its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def mirror() -> str:
    """The address that this machine takes Debian from; raises LookupError when no source offers `main`."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(COMPONENT) $(REPO_URI)", "Identifier: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for component, address in (line.split(maxsplit=1) for line in listed.splitlines()):
        if component == "main" and re.search(r"/debian/?$", address):
            return address
    raise LookupError("apt: no source of this machine ends in /debian and has main; add Debian's own")


def fetch(release: Release, scratch: Path, name: str = "prosody") -> Path:
    """Download a package of that release with an apt state of its own."""
    for directory in ("state/lists/partial", "cache/archives/partial"):
        (scratch / directory).mkdir(parents=True)
    (scratch / "state/status").touch()
    (scratch / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {release.codename} main\n")
    settings = {
        "Dir::Etc::sourcelist": scratch / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": scratch / "state",
        "Dir::State::status": scratch / "state/status",
        "Dir::Cache": scratch / "cache",
        "APT::Sandbox::User": "",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in settings.items())]
    for verb in (["update"], ["download", name]):
        subprocess.run([*apt, *verb], cwd=scratch, check=True, stdout=sys.stderr)
    (package,) = scratch.glob(f"{name}_*.deb")
    return package


def unpack(package: Path, tree: Path) -> None:
    """Lay a package's files out below a directory."""
    tree.mkdir(mode=0o755)
    subprocess.run(["dpkg-deb", "-x", str(package), str(tree)], check=True)
    tree.chmod(0o755)


def adapt(tree: Path, *, at: Path) -> None:
    """Make an unpacked Prosody run from `at` with this system's libraries.

    Its C modules name ICU's version in every symbol (`uidna_openUTS46_76`), and one built against a newer
    C library asks for `strtoul` by the name that C23 gave it; neither differs in what Prosody uses of it.
    """
    for script in (tree / "usr/bin").iterdir():
        text = script.read_text()
        for path in ("/usr/lib/prosody", "/etc/prosody", "/var/lib/prosody"):
            text = re.sub(rf"^(CFG_\w+ *= *['\"]){path}", rf"\g<1>{at}{path}", text, flags=re.MULTILINE)
        script.write_text(text)
    theirs, ours = icu(tree / "usr/lib/prosody"), icu(Path("/usr/lib/prosody"))
    for module in (tree / "usr/lib/prosody").rglob("*.so"):
        dynamic = Dynamic(module.read_bytes())
        if dynamic.asks_for(f"libicuuc.so.{theirs}"):
            dynamic.rename(rf"(libicu\w+\.so\.|_){theirs}", rf"\g<1>{ours}")
        dynamic.drop("__isoc23_")
        module.write_bytes(dynamic.data)


def icu(prosody: Path) -> str:
    """The version of ICU that a Prosody's C modules are linked to."""
    found = re.search(rb"libicuuc\.so\.(\d+)", (prosody / "util/encodings.so").read_bytes())
    if not found:
        raise LookupError(f"{prosody}: not linked to ICU; see whether its package changed to another library")
    return found[1].decode()


if __name__ == "__main__":
    for debian in RELEASES:
        print(prosody(debian))
