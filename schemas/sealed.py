"""age files (age-encryption.org/v1): what can be said of one without a key, and opening one with it.

Pure functions of bytes. pyrage is imported where it is needed; of its words only those are passed on that cannot
hold a secret.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeAlias

from schemas.errors import AgentError

if TYPE_CHECKING:
    from pyrage import ssh, x25519

    Identity: TypeAlias = x25519.Identity | ssh.Identity

LARGEST = 2**20
"""Bytes of an age file, armored or not: it is opened in memory, and each line of it is hidden from the log."""

_BEGIN, _END = b"-----BEGIN AGE ENCRYPTED FILE-----", b"-----END AGE ENCRYPTED FILE-----"
_INTRO = b"age-encryption.org/v1\n"
_SSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


class NotOpened(AgentError):
    """An age file that this key does not open. The text is a clause that follows the file's name."""

    reason = "WrongKey"


class NoIdentity(AgentError):
    """A key file that holds no key for age files. The text is a clause that follows the file's name."""

    reason = "BadSettings"


def is_armored(text: bytes) -> bool:
    """Whether this is an encrypted text (age's armor), as it may stand in a document."""
    return text.lstrip().startswith(_BEGIN)


def fault(sealed: bytes) -> str:
    """What keeps every host from opening this, as far as no key is needed to tell; empty when nothing does.

    A clause that follows the file's name.
    """
    if len(sealed) > LARGEST:
        return f"has over {LARGEST >> 20} MiB, the most for a secret; copy large files with a service of their own"
    armored = is_armored(sealed)
    try:
        data = _unarmored(sealed) if armored else sealed
    except (ValueError, binascii.Error):
        return "is cut short or damaged; encrypt it again"
    if not data.startswith(_INTRO):
        return "is no age file; make one of it with `prosodist secret encrypt`, and change a secret that git has seen"
    lines = data.split(b"\n")
    header = next((lines[:number] for number, line in enumerate(lines) if line.startswith(b"--- ")), None)
    if header is None:
        return "is cut short or damaged; encrypt it again"
    if any(line.startswith(b"-> scrypt ") for line in header):
        return "is encrypted with a passphrase, which no host knows; encrypt it to recipients"
    return ""


def identities(key: bytes) -> tuple[Identity, ...]:
    """Every identity of a key file: AGE-SECRET-KEY-1… a line each, or one SSH key. The first is the one in use.

    Those after it still open what is older. Raises NoIdentity.
    """
    import pyrage

    try:
        if key.startswith(_SSH):
            return (pyrage.ssh.Identity.from_buffer(key),)
        lines = (line.strip().decode() for line in key.split(b"\n"))
        found = tuple(pyrage.x25519.Identity.from_str(line) for line in lines if line.startswith("AGE-SECRET-KEY-1"))
    except pyrage.IdentityError as error:
        if "must be decrypted" in str(error):
            raise NoIdentity("is an SSH key behind a passphrase, which nobody is there to type; name another") from None
        found = ()
    except UnicodeDecodeError:
        found = ()
    if not found:
        raise NoIdentity("holds no age identity; make one with `prosodist secret keygen`, or name another file")
    return found


def recipient(key: bytes) -> str:
    """For whom to encrypt so that this key opens it: `age1…` or `ssh-ed25519 …`. Raises NoIdentity."""
    from pyrage import x25519

    first = identities(key)[0]
    if isinstance(first, x25519.Identity):
        return str(first.to_public())
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

    public = load_ssh_private_key(key, password=None).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def unseal(key: bytes, sealed: bytes) -> bytes:
    """What an age file holds, armored or not, opened with any identity of a key file. Raises NotOpened, NoIdentity."""
    import pyrage

    keys = identities(key)
    if what := fault(sealed):
        raise NotOpened(what)
    try:
        return bytes(pyrage.decrypt(sealed, keys))
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            instead = f"add {recipient(key)} to secrets/.recipients and encrypt it again"
            raise NotOpened(f"is not encrypted to this key; {instead}") from None
        raise NotOpened("is cut short or damaged; encrypt it again") from None


def open_secret(key: bytes, sealed: bytes) -> bytes:
    """The secret in an age file: one newline at its end is no part of it. Raises as `unseal`, and for nothing in it."""
    secret = unseal(key, sealed).removesuffix(b"\n")
    if not secret:
        raise NotOpened("holds nothing; encrypt the secret again")
    return secret


def _unarmored(text: bytes) -> bytes:
    lines = [line.strip() for line in text.strip().splitlines()]
    if lines[-1] != _END:
        raise ValueError("the last line is missing")
    return base64.b64decode(b"".join(lines[1:-1]), validate=True)
