"""A Prosody's opinion on a machine that need not be the host: what `validate` asks where one is installed."""

from __future__ import annotations

import getpass
import os
import pwd
from functools import partial
from pathlib import PurePosixPath

from agent.fence import Fence
from agent.host import LocalHost
from agent.lua import LuaJudge
from agent.reading import Renderer
from agent.site import PROSODY_USER
from reconcilers.contract import Prosody, Site
from reconcilers.profiles import local

_NOWHERE = PurePosixPath("/nonexistent")


def lua_judge(name: str, renderer: Renderer) -> tuple[LuaJudge | None, str]:
    """Judges the Lua of this host's document, or why nobody here can."""
    host = _eyes()
    prosody = local.find_prosody(host)
    if prosody is None:
        return None, "Lua was not checked, for no Prosody is installed here; the host checks it before its first write"
    if os.geteuid() == 0 and not _is_user(PROSODY_USER):
        return None, f"Lua was not checked, for root runs none of it and there is no user {PROSODY_USER} here"
    site = _site(name, prosody, renderer)
    return LuaJudge(host, lambda _: site), ""


def _eyes() -> LocalHost:
    """A host to look at: its hands reach nowhere."""
    return LocalHost(
        fence=Fence(open=()),
        keep=lambda copy, why: None,
        remember=lambda id_, value: None,
        recall=lambda id_: None,
        forget=lambda id_: None,
        clock=lambda: 0.0,
    )


def _site(name: str, prosody: Prosody, renderer: Renderer) -> Site:
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
        digest=partial(bytes.hex),
        render=renderer.render,
        hide=lambda secret: None,
    )


def _is_user(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())
