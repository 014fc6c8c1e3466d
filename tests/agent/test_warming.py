"""What the agent builds before it forks."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

from pydantic.fields import FieldInfo

from agent import warming
from schemas.desired import Host, Prosody
from schemas.desired.part import Part

FRESH = """
import sys
from agent.bounded import Worker
from agent.warming import warm
from schemas.load import Blob, Facts, load

def read(tree):
    return load(tree, "a", Facts())

warm()
assert "schemas.desired.accounts" not in sys.modules
document = b"profile: local\\nprosody: {virtual_hosts: [a.test]}\\naccounts: {a@a.test: {role: admin}}\\n"
with Worker({"hosts/a.yaml": Blob(data=document)}) as worker:
    spec = worker.call(read)
(accounts,) = type(spec.host).model_fields["accounts"].metadata
assert "_adapter" not in vars(accounts)
warm(spec.host)
assert "_adapter" in vars(accounts)
assert "schemas.desired.jobs" not in sys.modules
assert "difflib" not in sys.modules
"""


def test_a_part_is_built_for_a_host_that_uses_it() -> None:
    """And no other part, nor what only mistakes need: an agent keeps for months what it has built."""
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_part_can_be_built() -> None:
    """Each part that is built on first use has a line here, and the line is right."""
    parts = {
        f"{prefix}{name}"
        for prefix, model in (("", Host), ("prosody.", Prosody))
        for name, field in model.model_fields.items()
        if _is_part(field)
    }
    assert parts == warming._PARTS.keys()
    for lines in warming._PARTS.values():
        warming._build(lines)


def _is_part(field: FieldInfo) -> bool:
    said = (*field.metadata, *(one for choice in get_args(field.annotation) for one in get_args(choice)))
    return any(isinstance(one, Part) for one in said)
