"""Names for the numbers of users and groups, and back.

A thousand files have two or three owners between them, so names are remembered until the database changes.
"""

from __future__ import annotations

import functools
import grp
import os
import pwd

from schemas.errors import ActionFailed

PROSODY_USER = "prosody"
"""Debian's packages make this user; an agent that root started gives Prosody to it."""


def user_name(uid: int) -> str:
    """The name of a user; the number as text when there is none."""
    return _user_name(uid, _changed("/etc/passwd"))


def group_name(gid: int) -> str:
    """The name of a group; the number as text when there is none."""
    return _group_name(gid, _changed("/etc/group"))


def user_number(name: str | None) -> int:
    """The uid of a name or of a number as text; -1, which chown(2) leaves alone, for None. Raises
    ActionFailed for an unknown one.
    """
    if name is None:
        return -1
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        if name.isdecimal():
            return int(name)
        raise ActionFailed(f"user {name}: there is none on this host; create it, or name another owner") from None


def group_number(name: str | None) -> int:
    """The gid of a name or of a number as text; -1, which chown(2) leaves alone, for None. Raises
    ActionFailed for an unknown one.
    """
    if name is None:
        return -1
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        if name.isdecimal():
            return int(name)
        raise ActionFailed(f"group {name}: there is none on this host; create it, or name another group") from None


@functools.lru_cache(maxsize=256)
def _user_name(uid: int, _changed: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@functools.lru_cache(maxsize=256)
def _group_name(gid: int, _changed: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _changed(database: str) -> int:
    try:
        return os.stat(database).st_mtime_ns
    except OSError:
        return 0
