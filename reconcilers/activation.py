"""Not a reconciler: what makes a round's changes live in the running Prosody, as mildly as will do.

Compared is what *this* process was last seen to have loaded with what a Prosody started now would load. The
files on disk say nothing of that: after a death between write and reload they equal the candidate, and the
process does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from reconcilers.contract import TICK, FileInfo, Process, Reader, Site
from reconcilers.loading import is_plain
from reconcilers.profiles import manager
from schemas.desired import HostSpec
from schemas.plan import Activation, Disruption
from schemas.record import Loaded

RUNNING = "running"
"""The record of what a process was proven to have loaded: a Loaded as JSON, with the process's identity."""


class Difference(Struct, frozen=True, kw_only=True):
    """One thing that the process has otherwise. `kind` is option, scope, file, module, notice or version."""

    kind: str
    scope: str = ""
    name: str = ""

    def __str__(self) -> str:
        place = f"{self.scope}: " if self.scope not in ("", "*") else ""
        return f"{place}{self.name or self.kind}"


class Rule(Struct, frozen=True, kw_only=True):
    """What a difference costs. `name` None stands for every one of that kind."""

    kind: str
    name: str | None = None
    disruption: Disruption


RULES = (
    # mod_posix, loggingmanager and certmanager act on `config-reloaded`; seen to work on 0.12.3 and 13.0.1
    Rule(kind="option", name="log", disruption=Disruption.RELOAD),
    Rule(kind="file", disruption=Disruption.RELOAD),
)
"""The first that fits counts; what no rule names needs a restart."""


def running_process(reader: Reader, site: Site) -> Process | None:
    """The Prosody that is run here, when it lives."""
    return manager(site).process(reader)


def known_running(reader: Reader, process: Process, spec: HostSpec) -> Loaded | None:
    """What this process was last proven to have loaded; or a former one, where nothing that it read has changed since.

    So nobody is disturbed after a reboot, or when the service manager has started Prosody again.
    """
    record = reader.recall(RUNNING)
    if record is None:
        return None
    loaded = Loaded.from_json(record.value)
    if process.is_recorded_in(record):
        return loaded
    read = (*loaded.files, *loaded.modules)
    same = is_plain(spec) and all(_is_older(reader.stat(PurePosixPath(path)), process.since) for path in read)
    return loaded if same else None


def _is_older(file: FileInfo | None, instant: float) -> bool:
    return file is not None and file.signature.ctime_ns / 1e9 < instant - TICK


def running_record(process: Process, loaded: Loaded) -> dict[str, Any]:
    """The value of the record `RUNNING`."""
    return {**loaded.to_json(), **process.identity}


def activation(
    running: Loaded | None, candidate: Loaded, process: Process | None, site: Site, *, unread: tuple[str, ...] = ()
) -> Activation | None:
    """What is owed; None when nothing is. A Prosody that does not run is started by `services`.

    `unread` are paths that git says Prosody reads, by some module: changed since the process has read them.
    """
    if process is None:
        return None
    if running is None:
        return _activation(Disruption.RESTART, "what the running Prosody has loaded is not known", site)
    notices = tuple(Difference(kind="notice", name=path) for path in unread)
    differences = (*_differences(running, candidate, config=str(site.paths.config)), *notices)
    if not differences:
        return None
    worst = max(differences, key=_disruption)
    told = ", ".join(map(str, differences[:3])) + (f" and {len(differences) - 3} more" if differences[3:] else "")
    return _activation(_disruption(worst), f"{told} changed", site)


def _activation(disruption: Disruption, reason: str, site: Site) -> Activation:
    by = manager(site)
    after = by.reload(site) if disruption <= Disruption.RELOAD else by.restart(site)
    return Activation(service="prosody", after=after, reason=reason, disruption=disruption)


def _disruption(difference: Difference) -> Disruption:
    for rule in RULES:
        if rule.kind == difference.kind and rule.name in (None, difference.name):
            return rule.disruption
    return Disruption.RESTART


def _differences(running: Loaded, candidate: Loaded, *, config: str) -> Iterator[Difference]:
    if running.version != candidate.version:
        yield Difference(kind="version")
    for scope in sorted({*running.options, *candidate.options}):
        before, after = running.options.get(scope), candidate.options.get(scope)
        if before is None or after is None:
            yield Difference(kind="scope", scope=scope, name="the host itself")
            continue
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                yield Difference(kind="option", scope=scope, name=name)
    # the configuration's own bytes are compared as options; its comments are nobody's concern
    for path in sorted({*running.files, *candidate.files} - {config}):
        if running.files.get(path) != candidate.files.get(path):
            yield Difference(kind="file", name=path)
    for path in sorted({*running.modules, *candidate.modules}):
        if running.modules.get(path) != candidate.modules.get(path):
            yield Difference(kind="module", name=path)
