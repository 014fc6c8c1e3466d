"""What all tests share: real Prosodies, real git repositories, a place that other users may enter."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import releases
import sshd as real_sshd
from repositories import GitRepository
from scenarios import scenarios  # noqa: F401
from users import User


@pytest.fixture(scope="session")
def prosody12() -> Path:
    """The program `prosody` of Debian 12: 0.12.3."""
    return releases.prosody("12")


@pytest.fixture(scope="session")
def prosody13() -> Path:
    """The program `prosody` of Debian 13: 13.0.1."""
    return releases.prosody("13")


@pytest.fixture(scope="session", params=sorted(releases.RELEASES), ids=["prosody-0.12", "prosody-13.0"])
def prosody(request: pytest.FixtureRequest) -> Path:
    """Each of the two in turn; `prosodyctl` lies beside it."""
    return releases.prosody(request.param)


@pytest.fixture(scope="session")
def as_user() -> User:
    """The user who runs the tests; for root, Prosody's own."""
    entry = pwd.getpwuid(os.geteuid()) if os.geteuid() else pwd.getpwnam("prosody")
    return User(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty directory that every user may enter; pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="prosodist-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that gives a loopback TCP port nobody listens on; no two calls give the same one."""
    given: set[int] = set()

    def give() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in given:
                given.add(port)
                return port

    return give


@pytest.fixture
def git_repo(home: Path) -> Callable[[], GitRepository]:
    """A function that makes a repository; the directory may be entered by every user."""

    def make() -> GitRepository:
        place = Path(tempfile.mkdtemp(prefix="git-", dir=home))
        place.chmod(0o755)
        return GitRepository(place)

    return make


@pytest.fixture
def sshd(home: Path, free_port: Callable[[], int]) -> Iterator[real_sshd.Sshd]:
    """Debian's sshd as this user; it lets in nobody but the key's owner."""
    with real_sshd.serving(home / "ssh", free_port()) as serving:
        yield serving


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker that `--hosts` is about."""
    config.addinivalue_line("markers", "hosts: builds fresh Debian hosts; needs root and minutes")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tests in fresh Debian trees take minutes and want root, so they are asked for."""
    parser.addoption("--hosts", action="store_true", help="also run the tests that build fresh Debian hosts")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for; left out is not skipped. Whole hosts come last, as they take turns."""
    items.sort(key=lambda item: bool(item.get_closest_marker("hosts")))
    items.sort(key=lambda item: "scenarios" in getattr(item, "fixturenames", ()))
    if not config.getoption("--hosts"):
        left_out = [item for item in items if item.get_closest_marker("hosts")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: there everything is there that a test may need."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("CI") and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a run without a failed test failed."""
    if os.environ.get("CI") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("CI: a skipped test counts as a failure", red=True)
