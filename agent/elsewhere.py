"""A Prosody's opinion on a machine that need not be the host: what `validate` asks where one is installed."""

from __future__ import annotations

import getpass
import os
import pwd
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import PurePosixPath

from agent.eyes import Eyes
from agent.fence import Fence
from agent.lua import LuaJudge
from agent.reading import Renderer
from agent.users import PROSODY_USER
from agent.validate import Reading
from reconcilers import installation
from reconcilers.candidate import render_trial
from reconcilers.contract import Prosody, Reader, Site
from reconcilers.parsed import Parsed, parse
from reconcilers.profiles import local
from schemas.desired import HostSpec
from schemas.errors import Mistake, SpecError, Temporary

_NOWHERE = PurePosixPath("/nonexistent")
_TOGETHER = 25
"""Configurations that one Lua process reads: each takes it some milliseconds, and a process has a second or two."""


def installed() -> str | None:
    """The version of the Prosody of this machine; None when there is none."""
    prosody = installation.find_prosody(_eyes(), installation.CANDIDATES)
    return prosody.version if prosody else None


def modules(home: PurePosixPath) -> frozenset[str] | None:
    """The modules that it would find for an agent of this home."""
    prosody = installation.find_prosody(_eyes(), installation.CANDIDATES)
    return installation.find_modules(_eyes(), prosody, local.site_paths(home)) if prosody else None


def judge_lua(readings: Sequence[Reading]) -> tuple[list[Mistake], tuple[str, ...]]:
    """What is wrong with the Lua and the configurations of these hosts, and why nobody here can tell."""
    host = _eyes()
    prosody = installation.find_prosody(host, installation.CANDIDATES)
    if prosody is None:
        return [], ("Lua was not checked, for no Prosody is installed here; the host checks it before its first write",)
    if os.geteuid() == 0 and not _is_user(PROSODY_USER):
        return [], (f"Lua was not checked, for root runs none of it and there is no user {PROSODY_USER} here",)
    mistakes: list[Mistake] = []
    with closing(Renderer()) as renderer:
        site = partial(_site, prosody=prosody, renderer=renderer)
        doubtful = _doubtful([reading.spec for reading in readings if reading.spec], host, site)
        for reading in readings:
            judge = LuaJudge(host, _always(site(reading.name)))
            mistakes += judge.fragments(reading.fragments)
            mistakes += judge.modules(reading.spec) if reading.spec else ()
            if reading.spec and reading.name in doubtful:
                mistakes += judge.document(reading.spec, mistaken={mistake.mark.file for mistake in reading.mistakes})
    return mistakes, ()


def _doubtful(specs: Sequence[HostSpec], host: Eyes, site: Callable[[str], Site]) -> set[str]:
    """The hosts that must be judged one by one. What has no Lua of its own is read together, in one process."""
    names = {spec.name for spec in specs if spec.host.prosody}
    plain: dict[str, bytes] = {}
    for spec in specs:
        prosody = spec.host.prosody
        if prosody and not prosody.template and not prosody.include:
            with suppress(SpecError):
                trial = render_trial(spec, site(spec.name))
                if trial and not trial.fragments:
                    plain[spec.name] = trial.text
    texts = tuple(plain.items())
    for some in (texts[start : start + _TOGETHER] for start in range(0, len(texts), _TOGETHER)):
        at = site(some[0][0])
        assert at.prosody is not None
        with suppress(Temporary):
            said = parse(host, at, at.prosody, *(text for _, text in some)).texts
            names -= {name for (name, _), one in zip(some, said, strict=True) if isinstance(one, Parsed)}
    return names


def _always(site: Site) -> Callable[[Reader], Site]:
    return lambda _: site


def _eyes() -> Eyes:
    """What looks here, and remembers nothing."""
    return Eyes(fence=Fence(open=()), recall=lambda id_: None, clock=lambda: 0.0)


def _site(name: str, *, prosody: Prosody, renderer: Renderer) -> Site:
    """As on the host, as far as a trial of its configuration goes."""
    user = PROSODY_USER if os.geteuid() == 0 else None
    return Site(
        profile="local",
        fqdn=name,
        home=_NOWHERE,
        paths=local.site_paths(_NOWHERE),
        age_key=_NOWHERE,
        prosody=prosody,
        user=user,
        owner=user or getpass.getuser(),
        group=user or getpass.getuser(),
        may_write=lambda path: "",
        may_read=lambda path: "",
        allows=lambda word, value: True,
        digest=partial(bytes.hex),
        render=renderer.render,
        hide=lambda secret: None,
    )


def _is_user(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())
