"""Certificates: a self-signed pair for each virtual host, so that Prosody can serve TLS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from reconcilers.contract import FileInfo, Reader, Site
from schemas.desired import HostSpec
from schemas.plan import Change, Holds, Kind, Make, RemoveFile, Verdict
from schemas.record import Owned

if TYPE_CHECKING:
    from cryptography import x509

NAME = "certificates"
RENEW_BEFORE = 30 * 86_400.0
"""Seconds before its end at which a pair is made anew."""
_MODE = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What lies at a host's two paths, and what is wrong with it (empty: nothing)."""

    certificate: FileInfo | None
    key: FileInfo | None
    content: bytes = b""
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a certificate and a key say. `end` is in epoch seconds, `names` are its DNS names, lower-case."""

    names: frozenset[str] = frozenset()
    end: float = 0.0
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Have:
    """Host → its pair."""

    pairs: Mapping[str, Pair]


def wanted_names(spec: HostSpec) -> dict[str, tuple[str, ...]]:
    """Host → the names that its certificate is for. A component that stands by itself counts as a host."""
    prosody = spec.host.prosody
    if prosody is None:
        return {}
    hosts = {name: (name, *host.components) for name, host in prosody.virtual_hosts.items()}
    return hosts | {name: (name,) for name in prosody.components}


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Read the pair of each host that is wanted or ours."""
    wanted = wanted_names(spec)
    hosts = {*wanted, *(id_.partition(":")[2] for id_ in owned)}
    return Have(pairs={host: _look(reader, site, host, wanted.get(host, ())) for host in sorted(hosts)})


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Make what is missing or wrong; remove both files of a host that is gone."""
    wanted = wanted_names(spec)
    for host, pair in have.pairs.items():
        names = wanted.get(host)
        yield _gone(host, pair, site) if names is None else _verdict(spec, host, names, pair, site)


def _verdict(spec: HostSpec, host: str, names: tuple[str, ...], pair: Pair, site: Site) -> Verdict:
    wish, live = site.digest("\0".join(names).encode()), _live(pair, site)
    if not pair.fault and live is not None:
        return Holds(id=f"certificate:{host}", wanted=wish, live=live)
    make = Make(
        path=site.paths.certificates / host,
        kind="self-signed",
        parameters=(("names", ",".join(names)),),
        mode=_MODE,
        group=site.group if site.user is not None else None,
    )
    return Change(
        id=f"certificate:{host}",
        kind=Kind.CREATED if live is None else Kind.CHANGED,
        why=pair.fault,
        actions=(make,),
        wanted=wish,
        live=live,
        origin=spec.origin("prosody", "virtual_hosts", host),
        touches=frozenset({"prosody"}),
    )


def _gone(host: str, pair: Pair, site: Site) -> Change:
    paths = _paths(site, host)
    there = [(path, info) for path, info in zip(paths, (pair.certificate, pair.key), strict=True) if info is not None]
    return Change(
        id=f"certificate:{host}",
        kind=Kind.REMOVED if there else Kind.RELEASED,
        why="its host is gone from git",
        actions=tuple(RemoveFile(path=path, was=info.signature) for path, info in there),
        wanted=None,
        live=_live(pair, site),
        touches=frozenset({"prosody"}),
    )


def _paths(site: Site, host: str) -> tuple[PurePosixPath, PurePosixPath]:
    directory = site.paths.certificates
    return directory / f"{host}.crt", directory / f"{host}.key"


def _live(pair: Pair, site: Site) -> str | None:
    return site.digest(pair.content) if pair.certificate is not None or pair.key is not None else None


def _look(reader: Reader, site: Site, host: str, names: tuple[str, ...]) -> Pair:
    certificate_path, key_path = _paths(site, host)
    infos = (reader.stat(certificate_path), reader.stat(key_path))
    texts = [
        reader.read(path) if info is not None and info.kind == "file" else None
        for path, info in zip((certificate_path, key_path), infos, strict=True)
    ]
    return Pair(
        certificate=infos[0],
        key=infos[1],
        content=(texts[0] or b"") + b"\0" + (texts[1] or b""),
        fault=_fault(reader, site, texts[0], texts[1], names) if names else "",
    )


def _fault(reader: Reader, site: Site, certificate: bytes | None, key: bytes | None, names: tuple[str, ...]) -> str:
    """Why Prosody could not, or should not much longer, serve these names with this pair."""
    if certificate is None or key is None:
        return "is not there" if certificate is None else "its key is not there"
    said = site.apart(read_pair, certificate, key)
    if said.fault:
        return said.fault
    wanted = {_to_ascii(name) for name in names}
    if missing := sorted(wanted - said.names):
        return f"does not name {', '.join(missing)}"
    if extra := sorted(said.names - wanted):
        return f"still names {', '.join(extra)}"
    if reader.due(said.end - RENEW_BEFORE):
        return f"ends on {datetime.fromtimestamp(said.end, UTC).date()}"
    return ""


def read_pair(certificate: bytes, key: bytes) -> Read:
    """Read a pair of PEM texts. `fault` says why it is none."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        parsed = x509.load_pem_x509_certificate(certificate)
        own = load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        return Read(fault="is no certificate with a key that can be read")
    if own.public_key() != parsed.public_key():
        return Read(fault="certificate and key do not belong together")
    return Read(names=_names(parsed), end=parsed.not_valid_after_utc.timestamp())


def _to_ascii(name: str) -> str:
    """A-labels, as they stand in a certificate (RFC 5280, 7.2)."""
    try:
        return name.encode("idna").decode().lower()
    except UnicodeError:
        return name


def _names(certificate: x509.Certificate) -> frozenset[str]:
    """Its DNS names, lower-case."""
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))
