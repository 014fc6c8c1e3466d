"""Secrets reach Prosody and the files that ask for them, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

from places import DOCUMENT, Place

TOLD = b"correct-horse-battery-staple-0815"


def test_no_secret_is_seen_anywhere_else(living: Place) -> None:
    """Drawn ones and the host's own: in no log, plan, diff, argv, environment, state or clear copy."""
    given = living.home / "given"
    given.write_bytes(TOLD + b"\n")
    given.chmod(0o600)
    if os.geteuid() == 0:
        given.chmod(0o644)  # who pushes may have read what Prosody's user may read
    more = (
        "  <home>/own: {content: {generated: own}}\n"
        f"  <home>/made: {{template: templates/made.j2, vars: {{it: {{host_file: {given}}}}}}}\n"
    )
    with_secrets = DOCUMENT.replace(
        "prosody:\n",
        f"prosody:\n  external_service_secret: {{generated: turn}}\n  some_password: {{host_file: {given}}}\n",
    )
    living.push({"templates/made.j2": "it is {{ it }}\n"}, document=with_secrets + more)
    with living.agent() as agent:
        agent.wait_for(lambda entry: entry["event"] == "pass.done" and entry.get("changes", 0) > 3)
        drawn = [path.read_bytes().strip() for path in (living.home / "prosody/secrets").iterdir()]
        secrets = [TOLD, *drawn]
        assert len(drawn) == 2
        assert TOLD in living.prosody_config.read_bytes()
        assert (living.home / "made").read_bytes() == b"it is " + TOLD + b"\n"
        assert (living.home / "own").read_bytes().strip() in drawn

        # drift on everything that holds one, so that it is told, kept and corrected
        for path in (living.prosody_config, living.home / "own", living.home / "made"):
            path.write_bytes(path.read_bytes() + b"\n-- edited, still with " + TOLD)
        plan = living.command("plan", "-o", "json").stdout + living.command("plan").stdout
        living.command("reconcile", "--full", code=None)
        said = plan
        for verb in ("status", "drift", "history"):
            said += living.command(verb, "-o", "json").stdout
        processes = _processes([agent.process.pid, living.prosody()[0]])
    assert living.reconcile()["failures"] == []
    # a broken commit around a secret: what Lua says of it is told without it
    broken = with_secrets.replace("prosody:\n", f"prosody:\n  other_password: {{host_file: {given}}}\n  lua: 'x ='\n")
    living.push(document=broken)
    assert living.reconcile()["result"] == "invalid"
    said += (living.root / "agent.log").read_bytes() + repr(living.log).encode()
    for secret in secrets:
        assert secret not in said
        assert secret not in processes
        for path in living.state.rglob("*"):
            if path.is_file():
                assert secret not in path.read_bytes(), path
    assert len(json.loads(living.command("kept", "list", "-o", "json").stdout)) >= 3
    for name in ("own", "made"):
        assert (living.home / name).stat().st_mode & 0o007 == 0
    assert living.prosody_config.stat().st_mode & 0o007 == 0


def _processes(pids: list[int]) -> bytes:
    return b"".join(Path(f"/proc/{pid}/{what}").read_bytes() for pid in pids for what in ("cmdline", "environ"))
