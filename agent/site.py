"""What is true of this host: the profile's paths, who Prosody runs as, which Prosody is installed, what is open."""

from __future__ import annotations

import grp
import hashlib
import hmac
import os
import pwd
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from agent import log
from agent.fence import Fence
from agent.settings import Settings
from reconcilers.contract import Apart, Paths, Reader, Site
from reconcilers.profiles import local
from schemas.errors import SettingsError
from schemas.load import Facts

PROSODY_USER = "prosody"
"""Debian's packages make this user; an agent that root started gives Prosody to it."""

Render = Callable[[str, bytes, Mapping[str, Any]], bytes]


def detect_profile(settings: Settings) -> str:
    """The host's word. Raises SettingsError for a profile that this program does not know."""
    profile = settings.profile or "local"
    if profile != "local":
        raise SettingsError(f"profile: {profile} is not known to this version; write local")
    return profile


def facts(settings: Settings) -> Facts:
    """What the loader needs to know of the host."""
    return Facts(
        fqdn=settings.host,
        home=str(settings.home),
        user=pwd.getpwuid(os.geteuid()).pw_name,
        profile=detect_profile(settings),
    )


class Place:
    """This host, as far as it does not change while the agent runs."""

    def __init__(self, settings: Settings, config: Path, digest_key: bytes) -> None:
        """Raises SettingsError when the Prosody user is missing or cannot reach the home."""
        self._profile = detect_profile(settings)
        self._fqdn = settings.host
        self._home = PurePosixPath(settings.home)
        self._key = digest_key
        self._user = _prosody_user(settings.home)
        self._closed = _closed(settings, config, local.site_paths(self._home))
        self._candidates = _candidates()

    @property
    def user(self) -> str | None:
        """Who Prosody runs as, when that is not the agent's own user."""
        return self._user

    def fence(self) -> Fence:
        """Where the hands may reach. The agent's own files below an open place are closed, Prosody's are not."""
        own = tuple(path for path in self._closed if not path.is_relative_to(self._home / "prosody"))
        return Fence(open=(self._home,), closed=own)

    def may_write(self, path: PurePosixPath) -> str:
        """Why a push may not write there; empty when it may."""
        if not path.is_relative_to(self._home):
            return f"under the profile {self._profile} only {self._home} is open; choose a path below it"
        return self._closed_to(path)

    def may_read(self, path: PurePosixPath) -> str:
        """Why a push may not have that file read; empty when it may.

        Without root the agent may read no more than whoever owns the account; what is closed to writing is also
        closed to reading.
        """
        if self._user is not None and not path.is_relative_to(self._home):
            return f"the agent runs as root, so only {self._home} is open to reading; put the secret below it"
        return self._closed_to(path)

    def site(self, reader: Reader, render: Render, apart: Apart) -> Site:
        """The site as it is now."""
        owner = self._user or pwd.getpwuid(os.geteuid()).pw_name
        return Site(
            profile=self._profile,
            fqdn=self._fqdn,
            home=self._home,
            paths=local.site_paths(self._home),
            prosody=local.find_prosody(reader, self._candidates),
            user=self._user,
            owner=owner,
            group=grp.getgrgid(pwd.getpwnam(owner).pw_gid).gr_name,
            may_write=self.may_write,
            may_read=self.may_read,
            digest=self._digest,
            render=render,
            hide=log.hide,
            apart=apart,
        )

    def _digest(self, data: bytes) -> str:
        return hmac.digest(self._key, data, hashlib.sha256).hex()

    def _closed_to(self, path: PurePosixPath) -> str:
        for closed in self._closed:
            if path.is_relative_to(closed):
                return f"{closed} is closed; choose another path"
        return ""


def _closed(settings: Settings, config: Path, paths: Paths) -> tuple[PurePosixPath, ...]:
    """The agent's own program, settings, keys and state, Prosody's main file, and .ssh."""
    own = [
        settings.state_dir,
        settings.control_socket,
        settings.age_key,
        config,
        Path(__file__).parent.parent,
    ]
    own += [path for path in (settings.ssh_key, settings.known_hosts, settings.token_file) if path]
    prosodys = (paths.config, paths.stage, paths.secrets, paths.pidfile, paths.socket)
    return (*(PurePosixPath(path) for path in own), PurePosixPath(settings.home) / ".ssh", *prosodys)


def _prosody_user(home: Path) -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam(PROSODY_USER)
    except KeyError:
        raise SettingsError(
            f"user {PROSODY_USER}: started by root, the agent runs Prosody as this user, and there is none; "
            "install prosody, or start the agent as an ordinary user"
        ) from None
    for parent in (home, *home.parents):
        if parent.exists() and not _may_enter(parent, user):
            raise SettingsError(
                f"home: user {PROSODY_USER} may not enter {parent}; set home to a directory that it may enter"
            )
    return PROSODY_USER


def _may_enter(directory: Path, user: pwd.struct_passwd) -> bool:
    found = directory.stat()
    if found.st_uid == user.pw_uid:
        return bool(found.st_mode & 0o100)
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    return bool(found.st_mode & (0o010 if found.st_gid in groups else 0o001))


def _candidates() -> tuple[PurePosixPath, ...]:
    """Root takes Prosody from where the system keeps programs; a user from their own PATH as well."""
    if os.geteuid() == 0:
        return local.CANDIDATES
    own = shutil.which("prosody")
    return (PurePosixPath(own), *local.CANDIDATES) if own else local.CANDIDATES
