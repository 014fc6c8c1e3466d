"""A proof holds as long as every question would be answered as it was, and no longer."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hands import Hands

from agent.trace import Proof, Tracer
from schemas.errors import Temporary
from schemas.record import Record

LATER = 10.0
"""Seconds: what was just made counts as old, and the test need not wait."""


@pytest.fixture
def hands(home: Path) -> Hands:
    hands = Hands(home)
    (home / "f").write_bytes(b"text")
    (home / "d").mkdir()
    (home / "d" / "inside").write_bytes(b"text")
    (home / "to-f").symlink_to("f")
    (home / "dangling").symlink_to("none")
    (home / "to-d").symlink_to("d")
    return hands


def trace(hands: Hands) -> Tracer:
    return Tracer(hands.host, clock=lambda: time.time() + LATER)


def proof_of(tracer: Tracer) -> Proof:
    proof = tracer.proof()
    assert proof
    return proof


def rewrite_in_place(home: Path) -> None:
    """As long as before, with its mtime put back: ctime tells."""
    found = (home / "f").stat()
    (home / "f").write_bytes(b"TEXT")
    os.utime(home / "f", ns=(found.st_atime_ns, found.st_mtime_ns))


def replace(home: Path) -> None:
    (home / "g").write_bytes(b"text")
    (home / "g").rename(home / "f")


def move_behind_a_link(home: Path) -> None:
    """The same inode by the same path, but now by way of a link that a reader does not follow."""
    (home / "d").rename(home / "moved")
    (home / "d").symlink_to("moved")


def repoint(home: Path) -> None:
    (home / "to-f").unlink()
    (home / "to-f").symlink_to("d/inside")


CHANGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "rewritten": ("f", rewrite_in_place),
    "replaced": ("f", replace),
    "removed": ("f", lambda home: (home / "f").unlink()),
    "appeared": ("none", lambda home: (home / "none").touch()),
    "another mode": ("f", lambda home: (home / "f").chmod(0o600)),
    "a new entry": ("d", lambda home: (home / "d" / "new").touch()),
    "an entry removed": ("d", lambda home: (home / "d" / "inside").unlink()),
    "behind a link": ("d/inside", move_behind_a_link),
    "target of a dangling link": ("dangling", lambda home: (home / "none").touch()),
    "target rewritten": ("to-f", rewrite_in_place),
    "link repointed": ("to-f", repoint),
    "parent made a file": ("d/inside/below", lambda home: (home / "d" / "inside").unlink()),
}


@pytest.mark.parametrize("question", ["read", "stat", "listdir"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_proof_holds_until_something_changes(hands: Hands, question: str, change: str) -> None:
    """Also after it lay in the state as bytes; what was not asked may change."""
    name, happen = CHANGES[change]
    tracer = trace(hands)
    answer = getattr(tracer, question)(hands.path(name))
    assert answer == getattr(hands.host, question)(hands.path(name))
    proof = proof_of(tracer)
    (hands.home / "unasked").touch()
    assert proof.holds(hands.host, time.time())
    happen(hands.home)
    assert not proof.holds(hands.host, time.time())


def test_a_change_between_two_looks_is_seen(hands: Hands) -> None:
    """The first look counts."""
    tracer = trace(hands)
    tracer.read(hands.path("f"))
    replace(hands.home)
    tracer.read(hands.path("f"))
    assert not proof_of(tracer).holds(hands.host, time.time())


def test_what_changed_just_before_the_look_proves_nothing(hands: Hands) -> None:
    """Until two seconds have gone by and it was looked at again. A stamp of another clock, far ahead, does
    not matter.
    """
    tracer = Tracer(hands.host)
    tracer.read(hands.path("f"))
    proof = proof_of(tracer)
    assert proof.ripe_at == pytest.approx(time.time() + 2, abs=1)
    assert not proof.holds(hands.host, proof.ripe_at + 1)
    for elsewhen in (proof.ripe_at + 0.1, proof.ripe_at - 100):
        again = Tracer(hands.host, clock=lambda now=elsewhen: now)
        again.read(hands.path("f"))
        assert proof_of(again).ripe_at is None


def test_a_query_stands_on_what_it_depends_on(hands: Hands) -> None:
    """Its program included; it is not run again."""
    program = hands.home / "program"
    program.write_text(f"#!/bin/sh\necho asked; : < {hands.home}/f\n")
    program.chmod(0o755)
    tracer = trace(hands)
    argv = (str(program),)
    assert tracer.query(argv, user=None, depends=(hands.path("f"),)).stdout == b"asked\n"
    assert proof_of(tracer).holds(hands.host, time.time())
    replace(hands.home)
    assert not proof_of(tracer).holds(hands.host, time.time())
    tracer = trace(hands)
    tracer.query(argv, user=None, depends=(hands.path("f"),))
    program.chmod(0o700)
    assert not proof_of(tracer).holds(hands.host, time.time())


def test_records_count_by_value_and_instant(hands: Hands) -> None:
    """A tuple that became a list in the state is the same; one that appears is not."""
    hands.records["a"] = Record(value={"ports": (1, 2)}, at=1.0)
    tracer = trace(hands)
    tracer.recall("a")
    tracer.recall("b")
    proof = proof_of(tracer)
    hands.records["a"] = Record(value={"ports": [1, 2]}, at=1.0)
    assert proof.holds(hands.host, 0)
    hands.records["b"] = Record(value={}, at=1.0)
    assert not proof.holds(hands.host, 0)
    del hands.records["b"]
    hands.records["a"] = Record(value={"ports": [1, 3]}, at=1.0)
    assert not proof.holds(hands.host, 0)


def test_an_instant_that_comes_ends_the_proof(hands: Hands) -> None:
    """And a clock that was set back behind one that had come."""
    now = time.time()
    tracer = trace(hands)
    assert [tracer.due(now + seconds) for seconds in (-60, -30, 60, 90)] == [True, True, False, False]
    proof = proof_of(tracer)
    assert [proof.holds(hands.host, now + seconds) for seconds in (-31, -30, 0, 59, 60)] == [
        False, True, True, True, False,
    ]  # fmt: skip


def test_the_end_of_a_process_ends_the_proof(hands: Hands) -> None:
    """A zombie has ended; a number that was free and is taken counts as well."""
    child = subprocess.Popen(["/bin/sleep", "100"])
    tracer = trace(hands)
    assert tracer.process(child.pid)
    proof = proof_of(tracer)
    assert proof.holds(hands.host, 0)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not proof.holds(hands.host, 0)
    child.wait()


def test_another_boot_ends_the_proof(hands: Hands) -> None:
    """Numbers of processes and devices mean nothing any more."""
    assert Proof(boot="another").holds(hands.host, 0) is False


def test_what_no_signature_vouches_for_makes_no_proof(hands: Hands) -> None:
    """A search among all processes, a file of the kernel's, a question that had no answer."""
    searching, kernel, failing = trace(hands), trace(hands), trace(hands)
    searching.find(("/bin/none",))
    kernel.read(PurePosixPath("/proc/uptime"))
    with pytest.raises(Temporary):
        failing.query(("/no/such",), user=None, depends=())
    for tracer in (searching, kernel, failing):
        assert tracer.proof() is None
