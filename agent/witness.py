"""Leaves a testimony when an agent ends: see `agent.testimony`, which hears it.

The proof of the last pass covers what a look asked. What did not change while the agent ran, so that no look asked for
it, is added here: the program, its libraries, the settings.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from agent import durable, testimony
from agent.ending import Interrupted
from agent.outcome import plan_json
from agent.passes import Passes
from agent.proc import started
from agent.refs import read_tip
from agent.settings import Settings, load_settings
from agent.source import Source
from agent.source.local import find_git_directory
from agent.trace import Proof, Tracer
from reconcilers.contract import Reader
from schemas.errors import AgentError

_LIBRARIES = ("jinja2", "pydantic", "pydantic_core", "pygit2", "yaml")
"""Those whose next version might plan otherwise. An installation shows in the directory that holds the package."""


def leave(settings: Settings, config: Path, source: Source, passes: Passes, host: Reader) -> None:
    """Write down what the last pass proved, when it still holds; else there is no testimony, and no harm."""
    try:
        data = _testimony(settings, config, source, passes, host)
        if data is not None:
            durable.replace(settings.state_dir / testimony.NAME, data, mode=0o600)
    except (AgentError, Interrupted, OSError):  # the agent was asked to end, and a branch that moved now would be read
        return


def _testimony(settings: Settings, config: Path, source: Source, passes: Passes, host: Reader) -> bytes | None:
    repository = None if source.directory is None else find_git_directory(source.directory)
    if repository is None:
        return None
    unasked = Tracer(host)
    for path in (str(repository / "config"), str(config), *_program()):
        unasked.note(PurePosixPath(path))
    more = unasked.proof()
    if more is None or more.ripe_at is not None or _is_outdated() or load_settings(config) != settings:
        return None
    tip = read_tip(str(repository), settings.branch)
    known = None if tip is None else passes.proved(tip)
    if known is None:
        return None
    plan, digest, proof = known
    if proof.units:
        return None  # only systemd could tell whether it still says so of them
    left = {
        "circumstances": testimony.circumstances(str(config)),
        "repository": str(repository),
        "branch": settings.branch,
        "seen": _seen(proof, more),
        "answer": plan_json(plan, revision=tip, digest=digest or None),
    }
    return json.dumps(left, separators=(",", ":")).encode()


def _seen(proof: Proof, more: Proof) -> dict[str, object]:
    """Without the records: nobody has written the state since."""
    both = replace(proof, paths=(*proof.paths, *more.paths), ways=(*proof.ways, *more.ways))
    return {name: getattr(both, name) for name in ("paths", "ways", "living", "was_due", "next_due", "boot")}


def _is_outdated() -> bool:
    """Whether what this process was loaded from has changed since: then another would be asked than has looked."""
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - (started(os.getpid()) or 0) / os.sysconf("SC_CLK_TCK")
    return any(os.lstat(path).st_ctime > time.time() - age for path in _program())


def _program() -> Iterator[str]:
    """What this process was loaded from."""
    here = os.path.dirname(os.path.abspath(__file__))
    for storey in (here, *(os.path.join(os.path.dirname(here), name) for name in ("reconcilers", "schemas"))):
        for directory, below, files in os.walk(storey):
            below[:] = [name for name in below if name != "__pycache__"]
            yield from (os.path.join(directory, name) for name in files)
    found = (find_spec(name) for name in _LIBRARIES)  # of which a child of this process may have imported some
    yield from {os.path.dirname(os.path.dirname(spec.origin)) for spec in found if spec is not None and spec.origin}
