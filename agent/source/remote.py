"""Another machine's repository: keys, host keys, time limits, and libgit2's words turned into advice."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import pygit2
from msgspec import Struct
from pygit2.enums import CredentialType

from agent.address import Address, Transport
from agent.settings import check_key_file
from agent.source.carry import no_commit
from agent.source.mirror import MirrorDamaged
from schemas.errors import AgentError, SettingsError, SourceRefused, Temporary
from schemas.secret import Secret

CONNECT_SECONDS, SILENCE_SECONDS = 10.0, 30.0
MEGABYTES = 512
"""What one fetch may take of memory: the index of a million objects, and the largest one twice."""


class Offered(NamedTuple):
    """What the other side has: the branch's tip, whose history is in the mirror now; None for no such branch."""

    tip: str | None
    is_empty: bool


class Errand(Struct, frozen=True, kw_only=True):
    """One fetch of one branch into a ref of our own: no tags, no other ref, and nothing of the remote's settings."""

    repository: pygit2.Repository
    address: Address
    branch: str
    ref: str
    is_here: Callable[[str], bool]
    """Whether this tip was fetched already."""
    credentials: Credentials
    secrets: tuple[Secret | None, ...]

    def run(self) -> Offered:
        """Blocks as long as the server likes, so it is run in a `Worker`.

        Raises Temporary, SourceRefused and MirrorDamaged.
        """
        try:
            remote = self.repository.remotes.create_anonymous(self.address.url)
            proxy: Literal[True] | None = True if self.address.transport is Transport.HTTPS else None
            heads = remote.list_heads(callbacks=self.credentials, proxy=proxy)
            offered = {head.name: str(head.oid) for head in heads}
            tip = offered.get(f"refs/heads/{self.branch}")
            if tip is None or self.is_here(tip):
                return Offered(tip, not offered)
            remote.fetch([f"+refs/heads/{self.branch}:{self.ref}"], callbacks=self.credentials, proxy=proxy)
            return self._fetched()
        except (MirrorDamaged, SourceRefused):
            raise
        except Exception as error:  # what libgit2 raises, and what it carries out of our callbacks
            raise explain(self.address, error, secrets=self.secrets) from None

    def _fetched(self) -> Offered:
        """What our ref names now. Raises SourceRefused when it is no commit, and nothing names that any more."""
        tip = str(self.repository.references[self.ref].target)
        if not isinstance(self.repository[tip], pygit2.Commit):
            self.repository.references.delete(self.ref)
            raise no_commit(tip)
        return Offered(tip, is_empty=False)


class Credentials(pygit2.RemoteCallbacks):
    """What one fetch may show to the other side, and what it believes of it. Each credential is offered once."""

    def __init__(self, address: Address, *, ssh_key: Path | None, password: Secret | None) -> None:
        super().__init__()
        self._address, self._ssh_key, self._password = address, ssh_key, password
        self._offered = False

    def credentials(
        self, url: str, username_from_url: str | None, allowed_types: CredentialType
    ) -> pygit2.UserPass | pygit2.Keypair | pygit2.Username:
        """libgit2 asks again after each refusal, for ever."""
        user = self._address.user or "git"
        if allowed_types & CredentialType.USERNAME:
            return pygit2.Username(user)
        if not self._offered:
            self._offered = True
            if allowed_types & CredentialType.SSH_KEY and self._ssh_key is not None:
                return pygit2.Keypair(user, None, os.fspath(self._ssh_key), "")
            if allowed_types & CredentialType.USERPASS_PLAINTEXT and self._password is not None:
                return pygit2.UserPass(user, self._password.reveal().decode())
        raise _Refused

    def certificate_check(self, certificate: None, valid: bool, host: bytes) -> bool:
        """Strictly what known_hosts or the TLS library says: without this, pygit2 believes every ssh server."""
        return valid


class _Refused(Exception):
    """The other side wants a credential that we do not have, or has refused the one that we have."""


def set_time_limits(seconds: float) -> None:
    """How long libgit2 waits for a connection, and for the next byte; for the whole process."""
    pygit2.settings.server_connect_timeout = int(min(seconds, CONNECT_SECONDS) * 1000)
    pygit2.settings.server_timeout = int(min(seconds, SILENCE_SECONDS) * 1000)


def believe_known_hosts(known_hosts: Path | None, state_dir: Path) -> None:
    """Let libgit2 find this file as the `.ssh/known_hosts` below its home, the only place where it looks for one."""
    if known_hosts is None:
        pygit2.settings.homedir = os.path.expanduser("~")
        return
    if not known_hosts.is_file():
        raise SettingsError(f"known_hosts {known_hosts}: is not there; write the server's host key into it")
    place = state_dir / "ssh" / ".ssh"
    os.makedirs(place, mode=0o700, exist_ok=True)
    link = place / "known_hosts"
    if not link.is_symlink() or os.readlink(link) != os.fspath(known_hosts):
        link.unlink(missing_ok=True)
        link.symlink_to(known_hosts)
    pygit2.settings.homedir = os.fspath(state_dir / "ssh")


def read_token(path: Path) -> Secret:
    """The token in a file of mode 0600, without the newline at its end. Raises SettingsError."""
    check_key_file(path)
    token = path.read_bytes().strip()
    if not token:
        raise SettingsError(f"token_file {path}: is empty; write the token into it")
    return Secret(token)


_ADVICE: tuple[tuple[str, type[AgentError], str], ...] = (
    # a fragment of libgit2's words (1.7 to 1.9), what to raise, and what to do
    (
        "hostkey",
        SourceRefused,
        "its host key is not the one in known_hosts; compare the keys before you change that file",
    ),
    ("certificate", SourceRefused, "its certificate proves nothing; renew it there, or add its CA to this host's"),
    ("authenticat", Temporary, "it refuses our credentials; look at ssh_key or token_file, and at the rights there"),
    ("401", Temporary, "it refuses our credentials; look at token_file, and at the rights there"),
    ("403", Temporary, "it refuses our credentials; look at token_file, and at the rights there"),
    ("404", Temporary, "there is no repository; correct `repository`, or look at the rights there"),
    ("redirect", Temporary, "it has moved; write its present URL into `repository`"),
    ("resolve", Temporary, "its name is not known; look at the DNS and at `repository`"),
    ("timed out", Temporary, "it does not answer; look at the network and at the server"),
    ("timeout", Temporary, "it does not answer; look at the network and at the server"),
    ("connect", Temporary, "it cannot be reached; look at the network and at the server"),
)


_FULL = re.compile("No space left on device|Disk quota exceeded|File too large|Read-only file system")
"""The words of this host's own disk. What stands before them names a file that libgit2 draws anew at each try."""


def explain(address: Address, error: BaseException, *, secrets: tuple[Secret | None, ...]) -> AgentError:
    """An error of ours for one of libgit2's. What it says is kept but for secrets, which it might quote."""
    if isinstance(error, _Refused):
        words = "authentication failed"
    else:
        words = redact(str(error.args[0]) if error.args else str(error), secrets)
    if (full := _FULL.search(words)) is not None:
        return Temporary(f"{address}: cannot be fetched ({full[0]} for the mirror); make room on this host")
    for fragment, kind, advice in _ADVICE:
        if fragment in words.lower():
            return kind(f"{address}: {advice} ({words})")
    if address.transport is Transport.LOCAL:
        return Temporary(f"{address}: cannot be fetched ({words}); look at the repository and at its permissions")
    return Temporary(f"{address}: cannot be fetched ({words}); look at the network and at the server")


def redact(text: str, secrets: tuple[Secret | None, ...]) -> str:
    """The text on one line, *** in the place of each secret."""
    for secret in secrets:
        if secret is not None and (value := secret.reveal().decode("utf-8", "replace")):
            text = text.replace(value, "***")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
