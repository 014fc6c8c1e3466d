"""Programs: run one to its end, or start one that stays, or leave the terminal to one.

The only module that imports subprocess. Every program is named by its absolute path, gets a clean
environment, `/` to stand in, no descriptor of ours and never a shell. (A person's own program, at their
terminal, has what they gave us.)
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import selectors
import signal
import stat
import subprocess
import time
from typing import IO

from msgspec import Struct, field

from agent.living import start_time
from agent.notify import WATCHDOG
from reconcilers.contract import Completed
from schemas.errors import Excessive, Temporary

ENVIRONMENT = {"LANG": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

LARGEST_OUTPUT = 16 * 2**20
"""Bytes of stdout and stderr together; whoever prints more is ended."""

_GRACE = 0.25
"""Seconds for which we go on reading when a program has ended and a child of its own still holds its
stdout.
"""


class Limits(Struct, frozen=True, kw_only=True):
    """What a program may use (setrlimit(2)). `cpu` is in seconds, `memory` (address space) and `file_size`
    in bytes.

    `processes` counts all of that user's: 0 means that it may not fork. It does not hold root.
    """

    cpu: int = 10
    memory: int = 320 * 2**20
    file_size: int = 0
    processes: int = 0


CHECK = Limits(cpu=30, memory=2**30, file_size=64 * 2**20, processes=1024)
"""For a program that looks at a file before it takes its place."""
QUERY = Limits()
"""For a program that only looks: what a commit may cost, 256 MB, beside the program itself."""


class _Identity(Struct, frozen=True, kw_only=True):
    """Whom to become; None of it when that is who we are."""

    user: int | None = None
    group: int | None = None
    extra_groups: tuple[int, ...] | None = None


def run(
    argv: tuple[str, ...],
    *,
    user: str | None = None,
    stdin: bytes = b"",
    timeout: float = 20.0,
    limits: Limits | None = None,
) -> Completed:
    """Run a program to its end and hear what it says. `timeout` is in seconds, then its whole process group
    is killed.

    Raises Temporary when it cannot be started, Excessive when it runs too long or says too much.
    """
    child = _popen((*_limiter(limits), *argv), argv[0], user=user, pipes=True)
    try:
        with WATCHDOG.patience(timeout):
            stdout, stderr = _converse(child, argv[0], stdin, timeout)
    except BaseException:
        _kill_group(child)
        raise
    finally:
        for pipe in (child.stdin, child.stdout, child.stderr):
            _close(pipe)
    code = child.wait()
    if limits and code in (126, 127) and stderr.startswith(b"prlimit:"):
        raise Temporary(f"{argv[0]}: it cannot be executed; make it an executable program")
    return Completed(code=code, stdout=stdout, stderr=stderr)


def attend(argv: tuple[str, ...]) -> int:
    """Leave the terminal to a person's own program until it ends; its exit status, or minus the signal that ended it.

    What they type to interrupt is meant for it. Raises Temporary when it cannot be started.
    """
    heed = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        return subprocess.call(argv)
    except OSError as error:
        raise Temporary(f"{argv[0]}: it cannot be started: {os.strerror(error.errno or 0)}") from error
    finally:
        for number, former in heed.items():
            signal.signal(number, former)


class Children:
    """The processes that this agent started and that stay. Those that ended are reaped at each look."""

    def __init__(self) -> None:
        self._started: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, argv: tuple[str, ...], *, user: str | None, log: int | None, umask: int) -> tuple[int, int]:
        """Start a child in a session of its own: (pid, start time). `log` is a descriptor for what it
        prints; None, nowhere.

        Raises Temporary when it cannot be started.
        """
        self.reap()
        child = _popen(argv, argv[0], user=user, log=log, umask=umask)
        self._started[child.pid] = child
        when = start_time(child.pid)
        assert when is not None  # it is ours and not reaped yet: dead or alive, the kernel still knows it
        return child.pid, when

    def reap(self) -> None:
        """Take leave of those that have ended, so that no zombie stays."""
        for pid, child in tuple(self._started.items()):
            if child.poll() is not None:
                del self._started[pid]


# --- starting ---------------------------------------------------------------------------------------------


def _popen(
    argv: tuple[str, ...],
    program: str,
    *,
    user: str | None,
    log: int | None = None,
    umask: int = 0o022,
    pipes: bool = False,
) -> subprocess.Popen[bytes]:
    _check_program(program)
    identity = _identity(user)
    output = subprocess.PIPE if pipes else subprocess.DEVNULL if log is None else log
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=identity.user,
            group=identity.group,
            extra_groups=identity.extra_groups,
            env=ENVIRONMENT,
            cwd="/",
            umask=umask,
            start_new_session=True,
            close_fds=True,
            bufsize=0,
        )
    except OSError as error:
        raise Temporary(f"{program}: it cannot be started: {os.strerror(error.errno or 0)}") from error


def _check_program(program: str) -> None:
    if not program.startswith("/"):
        raise Temporary(f"{program}: a program is named by its absolute path; write it so")
    try:
        mode = os.stat(program).st_mode
    except OSError as error:
        raise Temporary(f"{program}: {os.strerror(error.errno or 0)}; install this program") from None
    if not stat.S_ISREG(mode) or not mode & 0o111:
        raise Temporary(f"{program}: this is no executable program; make it one (chmod +x), or name another")


def _identity(user: str | None) -> _Identity:
    if user is None:
        return _Identity()
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Temporary(f"user {user}: there is none on this host; create it, or install what brings it") from None
    if entry.pw_uid == os.geteuid():
        return _Identity()
    if os.geteuid() != 0:
        raise Temporary(f"user {user}: only root can become another user; run the agent as root or as {user}")
    groups = tuple(os.getgrouplist(user, entry.pw_gid))
    return _Identity(user=entry.pw_uid, group=entry.pw_gid, extra_groups=groups)


def _limiter(limits: Limits | None) -> tuple[str, ...]:
    """prlimit(1) as the first word. A preexec_fn would run Python between fork and exec, beside the
    watcher's threads.

    It runs after the user was changed: RLIMIT_NPROC set before that would make exec fail.
    """
    if limits is None:
        return ()
    return (
        _prlimit(),
        f"--cpu={limits.cpu}",
        f"--as={limits.memory}",
        f"--fsize={limits.file_size}",
        f"--nproc={limits.processes}",
        "--core=0",
        "--",
    )


@functools.cache
def _prlimit() -> str:
    for program in ("/usr/bin/prlimit", "/bin/prlimit"):
        if os.access(program, os.X_OK):
            return program
    raise Temporary("/usr/bin/prlimit: it is missing; install util-linux")


# --- listening --------------------------------------------------------------------------------------------


def _converse(child: subprocess.Popen[bytes], program: str, stdin: bytes, timeout: float) -> tuple[bytes, bytes]:
    """Feed stdin, hear stdout and stderr, until the program has ended and both are closed."""
    assert child.stdin and child.stdout and child.stderr
    ear = _Ear(program=program)
    deadline = time.monotonic() + timeout
    pidfd = os.pidfd_open(child.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pidfd, selectors.EVENT_READ, lambda: False)
            selector.register(child.stdout, selectors.EVENT_READ, functools.partial(ear.hear, child.stdout, ear.stdout))
            selector.register(child.stderr, selectors.EVENT_READ, functools.partial(ear.hear, child.stderr, ear.stderr))
            selector.register(child.stdin, selectors.EVENT_WRITE, _Mouth(child.stdin, stdin).feed)
            while selector.get_map():
                ended = pidfd not in selector.get_map()
                left = deadline - time.monotonic()
                if left <= 0 and ended:
                    break
                if left <= 0:
                    raise Excessive(program, f"did not end within {timeout:g} s")
                for key, _ in selector.select(left):
                    if not key.data():
                        selector.unregister(key.fileobj)
                        if key.fileobj is child.stdin:
                            child.stdin.close()  # that is how the program sees the end
                        if key.fileobj == pidfd:
                            deadline = min(deadline, time.monotonic() + _GRACE)
    finally:
        os.close(pidfd)
    return bytes(ear.stdout), bytes(ear.stderr)


class _Ear(Struct, kw_only=True):
    """What a program has said so far."""

    program: str
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)

    def hear(self, pipe: IO[bytes], heard: bytearray) -> bool:
        """Take what is there; whether more may come."""
        chunk = os.read(pipe.fileno(), 65536)
        heard += chunk
        if len(self.stdout) + len(self.stderr) > LARGEST_OUTPUT:
            raise Excessive(self.program, f"printed over {LARGEST_OUTPUT >> 20} MiB")
        return bool(chunk)


class _Mouth:
    """What a program is still to be told."""

    def __init__(self, pipe: IO[bytes], words: bytes) -> None:
        self._pipe = pipe
        self._rest = memoryview(words)
        os.set_blocking(pipe.fileno(), False)

    def feed(self) -> bool:
        """Say what the pipe takes; whether there is more."""
        try:
            self._rest = self._rest[os.write(self._pipe.fileno(), self._rest[:65536]) :]
        except BrokenPipeError:
            self._rest = self._rest[:0]  # it does not want to hear more
        return bool(self._rest)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None and not pipe.closed:
        pipe.close()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """The child leads its group, and holds the number until it is waited for."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
