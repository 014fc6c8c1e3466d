"""Whether this host opens every secret that a commit has encrypted: told with its other mistakes, not found later."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from agent.bounded import TooDear, Worker
from reconcilers.secrets import sealed
from schemas.desired import Age, HostSpec
from schemas.errors import Mark, Mistake
from schemas.sealed import NoIdentity, NotOpened, open_secret


class Opener:
    """Tries the host's key on what is encrypted, in a worker, and remembers what that key opened."""

    def __init__(self, age_key: Path) -> None:
        self._age_key = age_key
        self._opened: frozenset[bytes] = frozenset()

    def mistakes(self, spec: HostSpec) -> Iterator[Mistake]:
        """One for each place whose secret cannot be opened. Where there is no key nothing is said: that may change."""
        try:
            key = self._age_key.read_bytes()
        except OSError:
            return
        found = [(way, *sealed(spec, ref)) for way, ref in spec.secrets if isinstance(ref, Age)]
        digests = {data: sha256(sha256(key).digest() + data).digest() for _, _, data in found}
        untried = tuple(data for data, digest in digests.items() if digest not in self._opened)
        faults = self._try(key, untried)
        self._opened = frozenset(digest for data, digest in digests.items() if not faults.get(data))
        for way, name, data in found:
            if what := faults.get(data):
                mark = spec.origin(*way) or Mark(f"hosts/{spec.name}.yaml")
                yield Mistake(mark=mark, subject=".".join(map(str, way)), text=f"{name} {what}")

    def _try(self, key: bytes, secrets: tuple[bytes, ...]) -> dict[bytes, str]:
        if not secrets:
            return {}
        try:
            with Worker() as worker:
                return dict(zip(secrets, worker.call(_try, key, secrets), strict=True))
        except TooDear as error:
            return dict.fromkeys(secrets, f"is one of {len(secrets)} secrets; opening them {error}; use fewer")


def _try(_: object, key: bytes, secrets: tuple[bytes, ...]) -> tuple[str, ...]:
    """For each what is wrong with it; empty when it opens, and where the key is none: that is no commit's mistake."""
    try:
        return tuple(_fault(key, secret) for secret in secrets)
    except NoIdentity:
        return ("",) * len(secrets)


def _fault(key: bytes, secret: bytes) -> str:
    try:
        open_secret(key, secret)
    except NotOpened as error:
        return str(error)
    return ""
