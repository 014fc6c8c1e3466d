"""What people wrote, kept before we change it: an age file each, which `age -d` opens without this program.

A copy is `<id>.age`: a line of JSON that says of what and why, a line with mode and owner, then the bytes as
they were. The first line lies beside it in the clear, `<id>.json`, so that copies can be listed without the
key; where it is lost, the copy's own will do. It is written first: a copy counts when its `.age` is there.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

from agent import durable, keys
from agent.atomic import Copy
from schemas.errors import ActionFailed, AgentError

NEWEST = 50
"""Copies of each object that stay, however old they are."""
RECENT = 30 * 86400.0
"""Seconds for which every copy stays, however many there are."""

ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{4}")


class UnknownKept(AgentError):
    """There is no kept copy of this id."""

    reason = "UnknownKept"


class KeptDamaged(AgentError):
    """A kept copy that cannot be read as what it was."""

    reason = "KeptDamaged"


class KeptItem(Struct, frozen=True, kw_only=True):
    """What is known of a copy without opening it. `at` is in epoch seconds, `digest` keyed."""

    id: str
    path: PurePosixPath
    at: float
    why: str
    digest: str

    def to_json(self) -> dict[str, str]:
        """For `kept list -o json`; the time is UTC, to the second."""
        time = f"{datetime.fromtimestamp(int(self.at), UTC):%Y-%m-%dT%H:%M:%SZ}"
        return {"id": self.id, "object": str(self.path), "time": time, "why": self.why}


class Kept:
    """The kept copies of one state directory, encrypted to the host's age key."""

    def __init__(self, state_dir: Path, age_key: Path) -> None:
        self._directory = state_dir / "kept"
        self._digest_key = state_dir / "digest.key"
        self._age_key = age_key

    def keep(self, copy: Copy, why: str, *, at: float) -> str:
        """Keep this, durably, and give its id: the former one's when that was the same in every respect.

        Raises ActionFailed when it cannot be kept, SettingsError when a key cannot be used: what lies at the
        path must not be changed then.
        """
        try:
            payload = _pack(copy)
            digest = hmac.digest(keys.ensure_digest_key(self._digest_key), payload, "sha256").hex()
            if (newest := self._newest_of(copy.path)) is not None and newest.digest == digest:
                return newest.id  # a fight over one file must not fill the disk with the same copy
            id_ = self._write({"path": str(copy.path), "at": at, "why": why, "digest": digest}, payload)
        except OSError as error:
            raise ActionFailed(
                f"{copy.path}: no copy of it can be kept in {self._directory} ({error.strerror}), "
                "so it is not changed; free some space there"
            ) from error
        self._trim(copy.path, at)
        return id_

    def list(self) -> tuple[KeptItem, ...]:
        """Every copy, newest first."""
        items = map(self._describe, self._ids())
        return tuple(sorted(items, key=lambda item: (item.at, item.id), reverse=True))

    def show(self, id_: str) -> bytes:
        """The bytes as they were; a link's are its target. Raises as `item` does."""
        copy = self.item(id_)
        return copy.content if copy.target is None else os.fsencode(copy.target)

    def item(self, id_: str) -> Copy:
        """All that is needed to put it back. Raises UnknownKept, KeptDamaged, WrongKey, SettingsError."""
        header, payload = self._open(id_)
        return _unpack(PurePosixPath(header["path"]), payload)

    def _write(self, header: dict[str, Any], payload: bytes) -> str:
        durable.make_private_dir(self._directory)
        keys.ensure_age_key(self._age_key, at=header["at"])
        line = json.dumps(header, sort_keys=True).encode() + b"\n"
        sealed = keys.encrypt(self._age_key, line + payload)
        id_ = self._reserve(header["at"], line)
        try:
            durable.create(self._directory / f"{id_}.age", sealed, mode=0o600)
        except OSError:
            (self._directory / f"{id_}.json").unlink()
            raise
        return id_

    def _trim(self, path: PurePosixPath, now: float) -> None:
        """Let go of what is neither recent nor among the newest of its object."""
        ours = [item for item in self.list() if item.path == path]
        for item in ours[NEWEST:]:
            if item.at < now - RECENT:
                with contextlib.suppress(OSError):  # the next copy tries again
                    for suffix in (".age", ".json"):  # in this order: a copy counts when its .age is there
                        (self._directory / f"{item.id}{suffix}").unlink()

    def _reserve(self, at: float, line: bytes) -> str:
        while True:
            id_ = f"{datetime.fromtimestamp(int(at), UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
            try:
                durable.create(self._directory / f"{id_}.json", line, mode=0o600)
            except FileExistsError:
                continue  # drawn twice within a second
            return id_

    def _ids(self) -> tuple[str, ...]:
        return tuple(sorted(file.stem for file in self._directory.glob("*.age") if ID.fullmatch(file.stem)))

    def _newest_of(self, path: PurePosixPath) -> KeptItem | None:
        return next((item for item in map(self._describe, reversed(self._ids())) if item.path == path), None)

    def _describe(self, id_: str) -> KeptItem:
        try:
            return _to_item(id_, json.loads((self._directory / f"{id_}.json").read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return _to_item(id_, self._open(id_)[0])

    def _open(self, id_: str) -> tuple[dict[str, Any], bytes]:
        file = self._directory / f"{id_}.age"
        if not ID.fullmatch(id_) or not file.exists():
            raise UnknownKept(f"kept {id_}: there is no such copy; {self._hint(id_)}")
        try:
            header, _, payload = keys.decrypt(self._age_key, file.read_bytes()).partition(b"\n")
            return json.loads(header), payload
        except (OSError, ValueError) as error:
            raise KeptDamaged(
                f"{file}: this copy cannot be read ({type(error).__name__}); look for it in your backups"
            ) from error

    def _hint(self, id_: str) -> str:
        ids = self._ids()
        if not ids:
            return "nothing is kept yet"
        import difflib

        near = difflib.get_close_matches(id_, ids, n=1) or ids[-1:]
        return f"the nearest is {near[0]}; `prosodist kept list` shows all"


def _pack(copy: Copy) -> bytes:
    """A line of JSON with the dress, then the content. A link has none."""
    dress = {"mode": copy.mode, "owner": copy.owner, "group": copy.group, "target": copy.target}
    return json.dumps(dress, sort_keys=True).encode() + b"\n" + copy.content


def _unpack(path: PurePosixPath, payload: bytes) -> Copy:
    dress, _, content = payload.partition(b"\n")
    return Copy(path=path, content=content, **json.loads(dress))


def _to_item(id_: str, header: dict[str, Any]) -> KeptItem:
    path = PurePosixPath(header["path"])
    return KeptItem(id=id_, path=path, at=header["at"], why=header["why"], digest=header["digest"])
