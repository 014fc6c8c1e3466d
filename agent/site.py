"""What is true of this host: the profile's paths, who Prosody runs as, which Prosody is installed, what is open."""

from __future__ import annotations

import hashlib
import hmac
import os
import pwd
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from agent import debs, log
from agent.address import Transport
from agent.bounds import Bounds, Made
from agent.settings import Settings
from agent.users import PROSODY_USER, group_name, user_name
from agent.where import which
from reconcilers import dpkg, dropins, installation, sources
from reconcilers.contract import Apart, Reader, Site
from reconcilers.managers import child
from reconcilers.profiles import PROFILES, site_paths
from schemas.errors import SettingsError
from schemas.load import Facts
from schemas.opening import opening

Render = Callable[[str, bytes, Mapping[str, Any]], bytes]


def detect_profile(settings: Settings) -> str:
    """The host's word. Raises SettingsError for a profile that this program does not know."""
    profile = settings.profile or _kind()
    if profile not in PROFILES:
        raise SettingsError(f"profile: {profile} is not known to this version; write {' or '.join(PROFILES)}")
    if PROFILES[profile].HAS_PACKAGE and os.geteuid() != 0:
        raise SettingsError(f"profile: {profile} takes an agent that root runs; start it as root, or write local")
    return profile


def _kind() -> str:
    """A Debian that systemd runs, seen by root; else `local`, which asks nothing of its host."""
    is_debian = os.geteuid() == 0 and os.path.isdir("/run/systemd/system") and os.path.exists("/etc/debian_version")
    return "debian" if is_debian else "local"


def facts(settings: Settings) -> Facts:
    """What the loader needs to know of the host."""
    return Facts(
        fqdn=settings.host,
        home=str(settings.home),
        user=user_name(os.geteuid()),
        profile=detect_profile(settings),
    )


class Place:
    """This host, as far as it does not change while the agent runs."""

    def __init__(self, settings: Settings, config: Path, digest_key: bytes, made: Made = lambda id_: False) -> None:
        """Raises SettingsError when the Prosody user is missing or cannot reach the home."""
        self._profile = detect_profile(settings)
        self._fqdn = settings.host
        self._home = PurePosixPath(settings.home)
        self._key = digest_key
        self._age_key = PurePosixPath(os.path.realpath(settings.age_key))  # a look follows no link
        self._has_package = PROFILES[self._profile].HAS_PACKAGE
        self._user = PROSODY_USER if self._has_package else _prosody_user(settings.home)
        self._paths = paths = site_paths(self._profile, self._home)
        self.bounds = Bounds(
            opening(self._profile, str(self._home), settings.allow, is_root=os.geteuid() == 0),
            paths,
            own=tuple(_closed(settings, config)),
            hands=(paths.stage, paths.secrets, dropins.PLACE, sources.PLACE) if self._has_package else (),
            made=made,
            lacks=_lacks if self._has_package else lambda package: False,
        )
        """What a push may do here."""
        self._candidates = _candidates()

    @property
    def user(self) -> str | None:
        """Who Prosody runs as, when that is not the agent's own user."""
        return self._user

    @property
    def logs(self) -> tuple[PurePosixPath, ...]:
        """What Prosody appends to, and nobody but the agent keeps small."""
        return () if self._has_package else (self._paths.log, self._paths.log.with_name(child.OUTPUT))

    def site(self, reader: Reader, render: Render, apart: Apart) -> Site:
        """The site as it is now."""
        return Site(
            profile=self._profile,
            fqdn=self._fqdn,
            home=self._home,
            paths=self._paths,
            age_key=self._age_key,
            prosody=installation.find_prosody(reader, self._candidates) if self._has_user() else None,
            user=self._user,
            owner=self._user or user_name(os.geteuid()),
            group=self._group(),
            may_write=self.bounds.may_write,
            may_read=self.bounds.may_read,
            allows=self.bounds.allows,
            digest=self._digest,
            render=render,
            hide=log.hide,
            apart=apart,
        )

    def _has_user(self) -> bool:
        """A package that a power cut left unpacked has brought its files, and not yet who runs them."""
        try:
            return self._user is None or bool(pwd.getpwnam(self._user))
        except KeyError:
            return False

    def _group(self) -> str:
        if self._user is None:
            return group_name(os.getegid())
        try:
            return group_name(pwd.getpwnam(self._user).pw_gid)
        except KeyError:
            return PROSODY_USER  # its package, which brings both, is yet to be installed

    def _digest(self, data: bytes) -> str:
        return hmac.digest(self._key, data, hashlib.sha256).hex()


def _lacks(package: str) -> bool:
    """Whether nobody has installed it yet; unknown is no."""
    try:
        return package not in dpkg.installed(Path(dpkg.STATUS).read_bytes())
    except OSError:
        return False


def _closed(settings: Settings, config: Path) -> Iterator[PurePosixPath]:
    """The agent's own program, settings, keys and state, and .ssh: as they are named, and where they really lie."""
    anchor = config.with_name("accepted")  # agent.state.Anchor's
    named = [debs.PLACE, settings.state_dir, settings.control_socket, settings.age_key, config, anchor]
    named += [path for path in (settings.ssh_key, settings.known_hosts, settings.token_file) if path]
    if settings.address.transport is Transport.LOCAL:
        named.append(Path(settings.address.url))  # its hooks run as whoever pushes
    for path in (*named, settings.home / ".ssh", *_program(settings.home)):
        yield PurePosixPath(path)
        yield PurePosixPath(os.path.realpath(path))
        yield from (link for link in _links(path) if not settings.home.is_relative_to(link))


def _program(home: Path) -> Iterator[Path]:
    """What this program is made of: a push that could change one of these would be the agent."""
    shared = PurePosixPath("/usr/local/lib")  # of a prefix that holds it only what is Python's own is ours
    prefixes = (prefix for prefix in (sys.prefix, sys.base_prefix) if not shared.is_relative_to(prefix))
    found = (*prefixes, sys.executable, sys.argv[0], *sys.path)
    for path in (Path(__file__).parent.parent, *(Path(os.path.abspath(text)) for text in found if text)):
        if not Path(os.path.realpath(home)).is_relative_to(os.path.realpath(path)):  # `python -m` run in the home
            yield path


def _links(path: Path) -> Iterator[PurePosixPath]:
    """Each symbolic link on the way there: who changes one changes what is found."""
    for above in (*reversed(path.parents), path):
        if above.is_symlink():
            yield PurePosixPath(above)
            yield PurePosixPath(os.path.realpath(above.parent), above.name)
            if above.exists():  # not a circle
                yield from _links(Path(os.path.join(os.path.realpath(above.parent), above.readlink())))


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
        return installation.CANDIDATES
    own = which("prosody")
    return (PurePosixPath(own), *installation.CANDIDATES) if own else installation.CANDIDATES
