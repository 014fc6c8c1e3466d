"""The two keys that the agent makes for itself: its age identity, and the key of its digests.

The age identity opens what was kept of people's edits. The digest key makes digests in the state
useless to whoever guesses at what was digested. Neither is ever printed, logged or put in an exception.
"""

from __future__ import annotations

import os
import secrets
import stat
from datetime import UTC, datetime
from pathlib import Path

from agent import durable
from schemas.errors import AgentError, SettingsError
from schemas.recipients import seal, to_recipient
from schemas.sealed import NoIdentity, NotOpened, recipient, unseal

DIGEST_KEY_BYTES = 32


class WrongKey(AgentError):
    """The age key does not open this: it was encrypted to another, or it is damaged."""

    reason = "WrongKey"


def ensure_age_key(path: Path, *, at: float | None = None) -> str:
    """The public recipient of the identity at `path`, which is made, 0600, where there is none.

    The file has age-keygen(1)'s form, so that `age -d -i` takes it, or is an SSH key without a passphrase. `at` (epoch
    seconds) becomes its line `created`, left out for None. Raises SettingsError when the file is open to others or
    holds no identity.
    """
    if not path.exists():
        _make_age_key(path, at)
    return _recipient(path)


def encrypt(path: Path, data: bytes) -> bytes:
    """`data` as an age file for the first identity at `path`."""
    return seal(data, (to_recipient(_recipient(path)),), armored=False)


def decrypt(path: Path, data: bytes) -> bytes:
    """Open an age file with any of the identities at `path`. Raises WrongKey."""
    try:
        return unseal(read_age_key(path), data)
    except NotOpened:
        raise WrongKey(f"{path}: this age key does not open it; put the key back that it was kept to") from None
    except NoIdentity as error:
        raise SettingsError(f"{path}: {error}") from None


def read_age_key(path: Path) -> bytes:
    """The identities at `path` as they lie there. Raises SettingsError when others may read them, or nobody."""
    return _read_private(path)


def ensure_digest_key(path: Path) -> bytes:
    """The 32 bytes at `path`, drawn where there is no file. Raises SettingsError when others may read it."""
    if (key := read_digest_key(path)) is not None:
        return key
    _create(path, secrets.token_bytes(DIGEST_KEY_BYTES))
    return _read_private(path)


def read_digest_key(path: Path) -> bytes | None:
    """The 32 bytes at `path`; None where there is no such file."""
    if not path.exists():
        return None
    key = _read_private(path)
    if len(key) != DIGEST_KEY_BYTES:
        raise SettingsError(
            f"{path}: has {len(key)} bytes, {DIGEST_KEY_BYTES} expected; remove it, and a new one is made"
        )
    return key


def _make_age_key(path: Path, at: float | None) -> None:
    from pyrage import x25519

    identity = x25519.Identity.generate()
    created = "" if at is None else f"# created: {datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%SZ}\n"
    _create(path, f"{created}# public key: {identity.to_public()}\n{identity}\n".encode())


def _create(path: Path, data: bytes) -> None:
    try:
        durable.make_private_dir(path.parent)
        durable.create(path, data, mode=0o600)
    except FileExistsError:
        return  # another process was faster: its key is the key
    except OSError as error:
        raise SettingsError(
            f"{path}: this key cannot be made ({error.strerror}); "
            "its directory needs space and must be writable for the agent"
        ) from error


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise SettingsError(f"{path}: mode is {mode:04o}, others may use this key; run `chmod 0600 {path}`")
            return file.read()
    except OSError as error:
        raise SettingsError(
            f"{path}: this key cannot be read ({error.strerror}); start the agent as the file's owner"
        ) from error


def _recipient(path: Path) -> str:
    try:
        return recipient(read_age_key(path))
    except NoIdentity as error:
        raise SettingsError(f"{path}: {error}") from None
