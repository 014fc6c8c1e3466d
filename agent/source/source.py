"""What the branch offers, and what of it may be taken."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import pygit2
from pygit2.enums import RepositoryOpenFlag

from agent import durable
from agent.address import Address, Transport, parse_address
from agent.bounded import TooDear, apart, reap
from agent.settings import Settings, check_key_file
from agent.source import authorities
from agent.source.bundle import PACKING_MEGABYTES
from agent.source.carry import LARGEST_CARRIED, TooLarge, carry
from agent.source.mirror import ACCEPTED, FETCHED, GIT_TROUBLE, GOOD, Mirror, MirrorDamaged, isolate
from agent.source.remote import (
    MEGABYTES,
    Credentials,
    Errand,
    believe_known_hosts,
    explain,
    read_token,
    set_time_limits,
)
from agent.source.tree import Entry, Tree
from schemas.errors import AgentError, HistoryRewritten, SettingsError, SourceRefused, Temporary

FETCH_SECONDS = 120.0

T = TypeVar("T")


class Source:
    """One branch of one repository, seen through a mirror in the state directory."""

    def __init__(
        self,
        *,
        repository: str,
        branch: str,
        state_dir: Path,
        ssh_key: Path | None = None,
        known_hosts: Path | None = None,
        token_file: Path | None = None,
        timeout: float = FETCH_SECONDS,
        between: Callable[[], None] | None = None,
    ) -> None:
        """`repository` as the settings have it; `timeout` (seconds) is for one whole fetch. Nothing is opened yet.

        `between` is called now and then while a server is waited for, and may raise to end the waiting.
        """
        self.address: Address = parse_address(repository)
        self._branch, self._state_dir, self._timeout = branch, state_dir, timeout
        self._ssh_key, self._known_hosts, self._token_file = ssh_key, known_hosts, token_file
        self._mirror = Mirror(state_dir)
        self._between = between
        self._process = os.getpid()
        self._notices: list[str] = []
        if self.address.transport is Transport.HTTPS:
            authorities.trust()
        isolate()

    @classmethod
    def from_settings(cls, settings: Settings, *, between: Callable[[], None] | None = None) -> Source:
        """The source that the settings describe."""
        return cls(
            repository=settings.repository,
            branch=settings.branch,
            state_dir=settings.state_dir,
            ssh_key=settings.ssh_key,
            known_hosts=settings.known_hosts,
            token_file=settings.token_file,
            between=between,
        )

    def open(self) -> None:
        """Look whether the mirror is whole, and mend it: what is lost comes from the bundle. No network."""
        durable.make_private_dir(self._state_dir)
        self._soundly(self._mirror.open, fetching=False)

    def take_notices(self) -> tuple[str, ...]:
        """What was mended since the last call, as sentences for the log."""
        told, self._notices = tuple(self._notices), []
        return told

    # --- fetch ---

    def fetch(self) -> str:
        """The full id of the branch's tip, whose history is then in the mirror.

        Raises Temporary when the repository cannot be reached or read, SourceRefused when the branch is not there or
        the server is not who it should be. What was fetched before stays as it is in every case.
        """
        self.open()
        return self._soundly(self._fetch, fetching=False)

    def _fetch(self) -> str:
        if not self._is_local:
            return self._download()
        with self._local_repository() as repository:
            tip = self._local_tip(repository)
            if not self._mirror.is_at(str(tip)):
                self._carry(repository, tip)
            return str(tip)

    @contextlib.contextmanager
    def _local_repository(self) -> Iterator[pygit2.Repository]:
        """Raises Temporary when it is not there or cannot be read."""
        path = self.address.url
        if not os.path.exists(path):
            raise Temporary(f"{path}: is not there; mount it, put it back, or correct `repository`")
        try:
            repository = pygit2.Repository(path, RepositoryOpenFlag.NO_SEARCH)  # never one that lies above
            if repository.is_shallow:
                raise Temporary(
                    f"{path}: is a shallow clone, whose history cannot be followed; run git fetch --unshallow there"
                )
            if "remote.origin.promisor" in repository.config:  # libgit2 fetches nothing that is missing
                raise Temporary(f"{path}: is a partial clone, which lacks files; make a full clone of it")
        except GIT_TROUBLE as error:
            why = str(error.args[0]) if error.args else str(error)
            raise Temporary(
                f"{path}: is no git repository that this user can read ({why}); look at the path and its permissions"
            ) from None
        try:
            yield repository
        finally:
            repository.free()

    def _local_tip(self, repository: pygit2.Repository) -> pygit2.Oid:
        """Raises SourceRefused when there is no such branch, Temporary when it cannot be read."""
        try:
            reference = repository.references.get(f"refs/heads/{self._branch}")
            if reference is not None:
                return pygit2.Oid(hex=str(reference.resolve().target))
        except GIT_TROUBLE as error:
            raise explain(self.address, error, secrets=()) from None
        raise self._no_branch(is_empty=not list(repository.references))

    def _carry(self, repository: pygit2.Repository, tip: pygit2.Oid) -> None:
        mirror = self._mirror.open()
        try:
            try:
                carry(repository, mirror, tip)
            except TooLarge:  # in the history perhaps, where nobody reads it; packing it costs the agent no memory
                again = partial(carry, repository, mirror, tip, largest=LARGEST_CARRIED)
                apart(again, seconds=self._timeout, megabytes=PACKING_MEGABYTES, between=self._between)
        except TooDear as error:
            raise Temporary(f"{self.address}: the new history {error}; take large files out of it") from None
        except GIT_TROUBLE as error:
            self._mirror.verify()  # what looks like the repository's fault may be ours
            raise explain(self.address, error, secrets=()) from None
        self._mirror.note_packs()
        self._mirror.set_ref(FETCHED, str(tip))

    def _download(self) -> str:
        """In a child, which can be ended while a server keeps silent: libgit2 itself cannot be interrupted."""
        try:
            errand = self._errand()
            offered = apart(errand.run, seconds=self._timeout, megabytes=MEGABYTES, between=self._between)
        except SettingsError as error:
            raise Temporary(str(error)) from None  # a key was loosened while we ran: the last good state goes on
        except TooDear as error:
            raise Temporary(
                f"{self.address}: the whole fetch {error}; look at the network and at the repository's size"
            ) from None
        except OSError as error:  # before the fetch began: no room for a file, or for another process
            raise Temporary(f"{self.address}: cannot be fetched ({error.strerror}); make room on this host") from None
        except (Temporary, SourceRefused):
            self._mirror.verify()  # what looks like the remote's fault may be ours
            raise
        finally:
            reap(wait=True)  # a child that was ended may be in its last system call
            self._mirror.sweep()
        if offered.tip is None:
            raise self._no_branch(is_empty=offered.is_empty)
        self._mirror.note_packs()
        return offered.tip

    def _errand(self) -> Errand:
        """Set what libgit2 keeps for the whole process, as this remote wants it. Raises SettingsError."""
        password = self.address.password
        if self._token_file is not None and self.address.transport is Transport.HTTPS:
            password = read_token(self._token_file)
        set_time_limits(self._timeout)
        if self.address.transport is Transport.SSH:
            believe_known_hosts(self._known_hosts, self._state_dir)
            if self._ssh_key is not None:
                check_key_file(self._ssh_key)
        return Errand(
            repository=self._mirror.open(),
            address=self.address,
            branch=self._branch,
            ref=FETCHED,
            is_here=self._mirror.is_at,
            credentials=Credentials(self.address, ssh_key=self._ssh_key, password=password),
            secrets=(password, self.address.password),
        )

    def _no_branch(self, *, is_empty: bool) -> SourceRefused:
        what = "is empty" if is_empty else f"has no branch {self._branch}"
        return SourceRefused(f"{self.address}: {what}", remedy=f"push {self._branch}, or correct `branch`")

    # --- choose and read ---

    def choose(self, tip: str, accepted: str | None) -> str:
        """The tip, when it may be taken: history only goes forward from the newest accepted revision.

        Raises HistoryRewritten: for a rewritten branch, and for an older commit that somebody offers once more.
        """
        if accepted is None or tip == accepted:
            return tip
        if self._soundly(lambda: self._mirror.descends(tip, accepted)):
            return tip
        raise HistoryRewritten(
            f"branch {self._branch} of {self.address}: its tip {tip} does not descend from the accepted {accepted}",
            revision=tip,
            remedy=f"look at who rewrote it, and if it is right run prosodist accept {tip}",
        )

    def tree(self, revision: str) -> Tree:
        """The files of a commit, straight from git's objects.

        Raises Temporary when it can be had from neither mirror, bundle nor remote.
        """
        return Tree(self._soundly(lambda: self._entries(revision)), self._read)

    def _entries(self, revision: str) -> dict[str, Entry]:
        if not self._mirror.has(revision):
            self._mirror.verify()
            self._fetch()
            if not self._mirror.has(revision):
                raise Temporary(f"commit {revision}: is neither in the mirror nor in {self.address}; push it again")
        return self._mirror.entries(revision)

    def _read(self, key: str) -> bytes:
        return self._soundly(lambda: self._mirror.read(key))

    def resolve(self, text: str) -> str:
        """The full id of a commit that is here, from its id or the beginning of one. Raises SourceRefused."""
        found = self._soundly(lambda: self._mirror.find(text))
        if found is None:
            raise SourceRefused(
                f"{text}: no commit that was fetched from {self.address}, or more than one, begins so",
                remedy="write the full id",
            )
        return found

    def describe(self, revision: str) -> dict[str, str]:
        """`author`, `date` (ISO 8601) and `subject` of a commit, fit for a terminal; empty for one that is not here."""
        return self._soundly(lambda: self._mirror.describe(revision))

    # --- keep ---

    def keep(self, name: Literal["accepted", "good"], revision: str) -> None:
        """Let a ref of our own name this commit. Cheap: `save` makes it outlive the mirror. Raises Temporary."""
        self._soundly(lambda: self._mirror.set_ref({"accepted": ACCEPTED, "good": GOOD}[name], revision))

    def save(self) -> bool:
        """Write accepted and good to the bundle when they moved; whether it was written. For the end of a pass.

        Takes as long as packing the whole history does: 0.6 s for 2,000 commits. Raises Temporary, and what
        `between` raises.
        """
        return self._soundly(partial(self._mirror.save, between=self._between))

    # --- watch ---

    @property
    def directory(self) -> Path | None:
        """Where the repository lies when it is on this disk, to be watched; None for a URL."""
        return Path(self.address.url) if self._is_local else None

    @property
    def _is_local(self) -> bool:
        return self.address.transport is Transport.LOCAL

    # --- mend ---

    def _soundly(self, act: Callable[[], T], *, fetching: bool = True) -> T:
        """Do it; when the mirror turns out to be damaged, make it anew and do it once more. Raises Temporary."""
        try:
            return act()
        except MirrorDamaged as error:
            self._mend(str(error), fetching=fetching)
        try:
            return act()
        except MirrorDamaged as error:
            raise Temporary(
                f"{error}; it was made anew, and this was neither in the bundle nor in {self.address}; push it again"
            ) from None

    def _mend(self, damage: str, *, fetching: bool) -> None:
        if os.getpid() != self._process:  # a forked worker has limits, and its parent would not know
            raise Temporary(f"{damage}; the agent mends it in its next pass")
        is_first = not self._mirror.path.exists() and not self._mirror.bundle.path.exists()
        brought = self._mirror.rebuild()
        if not is_first:
            self._notices.append(f"{damage}; the mirror was made anew, {brought}")
        if fetching:
            with contextlib.suppress(AgentError, MirrorDamaged):  # without the remote, the bundle has to do
                self._fetch()
