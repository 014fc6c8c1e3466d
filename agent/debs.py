"""Packages of Debian as files: fetched and verified by apt, kept for the way back, unpacked without being installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from agent import processes
from reconcilers.apt import kept as kept_files
from schemas.errors import Temporary

_PACKAGES = Path(kept_files.PLACE)
PLACE = _PACKAGES.parent
"""Below it lie packages, and for a moment what is in one: Prosody's user reads it, which /run may not let it run."""
_APT_ARCHIVES = Path("/var/cache/apt/archives")
_BESIDE = "beside-"
_TIMEOUT = 600.0
_MOST = 4
"""Packages of one name that are kept: what is installed, what comes next, and a little of what was."""


def kept(name: str, version: str) -> Path | None:
    """The file of this package in exactly this version, when it was fetched before."""
    return _find(_PACKAGES, name, version)


@contextmanager
def _writing() -> Iterator[None]:
    """A disk that is full or may not be written is nobody's mistake. Raises Temporary."""
    try:
        yield
    except OSError as error:
        raise Temporary(f"{PLACE}: {error.strerror or error}; make room there, or let root write it") from error


@_writing()
def fetch(name: str, version: str) -> Path:
    """The file of this package in this version, from apt's own cache or its sources. Raises Temporary."""
    if found := kept(name, version):
        with suppress(OSError):
            found.touch()  # what was asked for last is kept longest
        return found
    import shutil  # few passes upgrade Prosody

    place = _PACKAGES
    _make(place)
    _sweep(place)
    if cached := _find(_APT_ARCHIVES, name, version):
        copied = shutil.copyfile(cached, place / f"{cached.name}.partial")
        copied.rename(place / cached.name)
    else:
        _download(place, f"{name}={version}")
    _trim(place, name)
    if found := kept(name, version):
        return found
    raise Temporary(f"{name}: apt has no file of {version}; it is tried again")


@contextmanager
def unpacked(package: Path) -> Iterator[PurePosixPath]:
    """A directory with what is in the package, for a while: no script of it is run. Raises Temporary.

    Prosody's programs there name their own sources, and the host's configuration and data.
    """
    import shutil

    scratch = _scratch()
    try:
        yield PurePosixPath(_unpack(package, scratch))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@_writing()
def _scratch() -> Path:
    import shutil
    import tempfile

    _make(PLACE)
    for left in PLACE.glob(f"{_BESIDE}*"):  # by an agent that was killed
        shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=_BESIDE, dir=PLACE))
    scratch.chmod(0o755)
    return scratch


@_writing()
def _unpack(package: Path, scratch: Path) -> Path:
    root = scratch / "root"
    _run("/usr/bin/dpkg-deb", "--extract", str(package), str(root))
    for program in (root / "usr/bin/prosody", root / "usr/bin/prosodyctl"):
        if program.is_file() and not program.is_symlink():
            text = program.read_bytes()
            program.write_bytes(re.sub(rb"(?m)^(CFG_(?:SOURCE|PLUGIN)DIR *= *['\"])/", rb"\1%b/" % bytes(root), text))
    return root


def _download(place: Path, package: str) -> None:
    """apt-get takes no lock for it, and puts what it has verified where it stands."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="partial-", dir=place) as scratch:
        _run("/usr/bin/env", f"--chdir={scratch}", "/usr/bin/apt-get", "download", "-q", "--", package)
        for file in Path(scratch).glob("*.deb"):
            file.rename(place / file.name)


def _find(place: Path, name: str, version: str) -> Path | None:
    """apt names them so (apt-pkg/acquire-item.cc, QuoteString of `_:`)."""
    quoted = version.replace(":", "%3a")
    return next((file for file in place.glob(f"{name}_*.deb") if file.name.split("_")[1] == quoted), None)


def _sweep(place: Path) -> None:
    """What an agent left that was killed, or found no room."""
    import shutil

    for left in place.glob("*.partial"):
        left.unlink()
    for left in place.glob("partial-*"):
        shutil.rmtree(left, ignore_errors=True)


def _trim(place: Path, name: str) -> None:
    files = sorted(place.glob(f"{name}_*.deb"), key=lambda file: file.stat().st_ctime_ns)
    for old in files[:-_MOST]:
        old.unlink()


def _make(place: Path) -> None:
    for directory in (PLACE, place):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        directory.chmod(0o755)  # whatever the umask


def _run(*argv: str) -> None:
    done = processes.run(argv, timeout=_TIMEOUT)
    if done.code != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise Temporary(f"{argv[-1]}: {' / '.join(said) or f'exit status {done.code}'}; it is tried again")
