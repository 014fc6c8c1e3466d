"""Secrets reach Prosody and the files that ask for them, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest
from places import CHECKOUT, DOCUMENT, Place

from schemas.sealed import recipient

TOLD = b"correct-horse-battery-staple-0815"
SEALED = b"incorrect-mule-accumulator-paperclip-4711"
LINES = b"begin-of-many-lines-1\nmiddle-of-many-lines-2\nend-of-many-lines-3\n"


def seal(place: Place, secret: bytes) -> bytes:
    """For this host, whose key the agent made when it first ran."""
    to = recipient((place.root / "etc/age.key").read_bytes())
    return bytes(pyrage.encrypt(secret, [pyrage.x25519.Recipient.from_str(to)]))


def test_no_secret_is_seen_anywhere_else(living: Place) -> None:
    """Drawn ones, the host's own and encrypted ones: in no log, plan, diff, argv, environment, state or clear copy."""
    given = living.home / "given"
    given.write_bytes(TOLD + b"\n")
    given.chmod(0o600)
    if os.geteuid() == 0:
        given.chmod(0o644)  # who pushes may have read what Prosody's user may read
    more = (
        "  <home>/own: {content: {generated: own}}\n"
        f"  <home>/made: {{template: templates/made.j2, vars: {{it: {{host_file: {given}}}}}}}\n"
        "  <home>/opened: {template: templates/made.j2, vars: {it: {age: secrets/it.age}}}\n"
        "  <home>/lines: {content: {age: secrets/lines.age}}\n"
    )
    with_secrets = DOCUMENT.replace(
        "prosody:\n",
        f"prosody:\n  external_service_secret: {{generated: turn}}\n  turn_external_secret: {{host_file: {given}}}\n"
        "  contact_info: {support: [{age: secrets/it.age}]}\n",
    )
    files: dict[str, str | bytes | None] = {"secrets/it.age": seal(living, SEALED + b"\n")}
    files |= {"secrets/lines.age": seal(living, LINES), "templates/made.j2": "it is {{ it }}\n"}
    living.push(files, document=with_secrets + more)
    with living.agent() as agent:
        agent.wait_for(lambda entry: entry["event"] == "pass.done" and entry.get("changes", 0) > 3)
        drawn = [path.read_bytes().strip() for path in (living.home / "prosody/secrets").iterdir()]
        secrets = [TOLD, SEALED, *LINES.splitlines(), *drawn]
        assert len(drawn) == 2
        assert TOLD in living.prosody_config.read_bytes()
        assert (living.home / "made").read_bytes() == b"it is " + TOLD + b"\n"
        assert (living.home / "own").read_bytes().strip() in drawn
        assert SEALED in living.prosody_config.read_bytes()
        assert (living.home / "opened").read_bytes() == b"it is " + SEALED + b"\n"
        assert (living.home / "lines").read_bytes() == LINES.removesuffix(b"\n")

        # drift on everything that holds one, so that it is told, kept and corrected
        for path in (living.prosody_config, *(living.home / name for name in ("own", "made", "opened", "lines"))):
            path.write_bytes(path.read_bytes() + b"\n-- edited, still with " + TOLD + SEALED)
        plan = living.command("plan", "-o", "json").stdout + living.command("plan").stdout
        living.command("reconcile", "--full", code=None)
        said = plan
        for verb in ("status", "drift", "history"):
            said += living.command(verb, "-o", "json").stdout
        processes = _processes([agent.process.pid, living.prosody()[0]])
    assert living.reconcile()["failures"] == []
    # a broken commit around a secret: what Lua says of it is told without it
    others = f"prosody:\n  hostname: {{host_file: {given}}}\n  http_external_url: {{age: secrets/it.age}}\n"
    broken = with_secrets.replace("prosody:\n", f"{others}  lua: 'x ='\n")
    living.push(document=broken)
    assert living.reconcile()["result"] == "invalid"
    said += (living.root / "agent.log").read_bytes() + repr(living.log).encode()
    for secret in secrets:
        assert secret not in said
        assert secret not in processes
        for path in living.state.rglob("*"):
            if path.is_file():
                assert secret not in path.read_bytes(), path
    assert len(json.loads(living.command("kept", "list", "-o", "json").stdout)) >= 5
    for name in ("own", "made", "opened", "lines"):
        assert (living.home / name).stat().st_mode & 0o007 == 0
    assert living.prosody_config.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    "way", ["content: {age: secrets/it.age}", "template: templates/it.j2, vars: {it: {age: secrets/it.age}}"]
)
def test_what_lua_says_of_an_included_secret_is_not_told(living: Place, way: str) -> None:
    """It quotes the place where it stopped, which may be any part of the secret: the place alone is told."""
    text = b'whatever = "' + SEALED + b"\nmore = 1\n"
    files: dict[str, str | bytes | None] = {"secrets/it.age": seal(living, text), "templates/it.j2": "{{ it }}\n"}
    included = DOCUMENT.replace("prosody:\n", "prosody:\n  include: [<home>/more.lua]\n")
    living.push(files, document=f'{included}  <home>/more.lua: {{{way}, mode: "0644"}}\n')
    outcome = living.reconcile()
    assert outcome["result"] == "invalid", outcome
    (told,) = living.told("commit.refused")
    assert "line 1 of" in str(told["mistakes"]), told
    said = repr((outcome, living.log)).encode() + living.command("status", "-o", "json").stdout
    assert SEALED not in said + living.command("history", "-o", "json").stdout
    assert not any(_holds(path, [SEALED]) for path in living.state.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "way", ["content: {age: secrets/it.age}", "template: templates/it.j2, vars: {it: {age: secrets/it.age}}"]
)
def test_an_option_that_an_included_secret_sets_is_told_by_its_name(living: Place, way: str) -> None:
    """The loader reads it with the rest, and what would change is told option by option."""
    text = SEALED if "template" in way else b'whatever = "' + SEALED + b'"\n'
    files: dict[str, str | bytes | None] = {"secrets/it.age": seal(living, text)}
    files["templates/it.j2"] = 'whatever = "{{ it }}"\n'
    beside = f'  <home>/more.lua: {{{way}, mode: "0644"}}\n'
    living.push(files, document=DOCUMENT + beside)
    assert living.reconcile()["failures"] == []
    living.push(document=DOCUMENT.replace("prosody:\n", "prosody:\n  include: [<home>/more.lua]\n") + beside)
    said = living.command("plan").stdout + living.command("plan", "-o", "json").stdout
    assert living.reconcile()["result"] == "changed"
    said += repr(living.log).encode() + living.command("history", "-o", "json").stdout
    assert b"whatever" in said and SEALED not in said


CRASH = """
import sys
from agent import atomic
write, left = atomic.write, int(sys.argv.pop(1))
def failing(*arguments):
    global left
    left -= 1
    if left < 0:
        raise RuntimeError("a fault of ours")
    return write(*arguments)
atomic.write = failing
from agent.cli import main
sys.exit(main())
"""
"""The command line, with a fault in the hands after so many files were written."""


@pytest.mark.parametrize("written", [0, 1, 3])
def test_a_crash_tells_no_secret(living: Place, written: int) -> None:
    """Its traceback is logged; what it leaves behind is cleared away by the next pass."""
    secret = "  turn_external_secret: {age: secrets/it.age}\n  external_service_secret: {generated: drawn}\n"
    more = "  <home>/opened: {content: {age: secrets/it.age}}\n  <home>/last: {content: {age: secrets/it.age}}\n"
    document = DOCUMENT.replace("prosody:\n", f"prosody:\n{secret}") + more
    living.push({"secrets/it.age": seal(living, SEALED)}, document=document)
    argv = [sys.executable, "-c", CRASH, str(written), "reconcile", "--config", str(living.settings)]
    crashed = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, timeout=60)
    assert b"pass.fault" in crashed.stderr and b"Traceback" in crashed.stderr
    assert living.reconcile()["failures"] == []
    assert SEALED in living.prosody_config.read_bytes()
    secrets = [SEALED, (living.home / "prosody/secrets/drawn").read_bytes().strip()]
    where = {path for path in living.root.rglob("*") if path.is_file() and _holds(path, secrets)}
    homes = ("opened", "last", "prosody/etc/prosody.cfg.lua", "prosody/secrets/drawn")
    assert where == {living.home / name for name in homes}
    assert not _said(crashed, secrets)


def _holds(path: Path, secrets: list[bytes]) -> bool:
    return any(secret in path.read_bytes() for secret in secrets)


def _said(ended: subprocess.CompletedProcess[bytes], secrets: list[bytes]) -> bool:
    return any(secret in ended.stdout + ended.stderr for secret in secrets)


def _processes(pids: list[int]) -> bytes:
    return b"".join(Path(f"/proc/{pid}/{what}").read_bytes() for pid in pids for what in ("cmdline", "environ"))
