"""Certificates: a self-signed pair for each virtual host, so that Prosody can serve TLS.

What a person put there instead is used, never replaced and never removed. Which of the two it is, the certificate
itself tells, so it is known without any state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from reconcilers.contract import FileInfo, Reader, Site
from schemas.actions import Keep, Make, RemoveFile
from schemas.desired import Component, HostSpec, VirtualHost
from schemas.plan import Change, Holds, Kind, PathChanges, Policy, Verdict, Wait
from schemas.record import Owned

if TYPE_CHECKING:
    from cryptography import x509

NAME = "certificates"
RENEW_BEFORE = 30 * 86_400.0
"""Seconds before its end at which a pair is made anew."""
DAYS = 3650
"""For which a pair is made."""
_MODE = 0o640


class Pair(Struct, frozen=True, kw_only=True):
    """What lies at a host's two paths, and what is wrong with it (empty: nothing)."""

    certificate: FileInfo | None
    key: FileInfo | None
    content: bytes = b""
    fault: str = ""
    is_ours: bool = False
    """Nothing that a person made is lost with it."""
    is_theirs: bool = False
    """The certificate is a person's."""


class Read(Struct, frozen=True, kw_only=True):
    """What a certificate and a key say. `end` is in epoch seconds, `names` are its DNS names, lower-case.

    `is_ours`: the certificate is one that we make. `belongs`: so is the key beside it, if there is one.
    `sha256` and `spki` are the digests of the certificate and of its key, hexadecimal (RFC 6698, 2.1).
    """

    names: frozenset[str] = frozenset()
    end: float = 0.0
    sha256: str = ""
    spki: str = ""
    fault: str = ""
    is_ours: bool = False
    belongs: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a record's value."""
        return asdict(self) | {"names": sorted(self.names)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Read:
        """The inverse of `to_json`."""
        return cls(**{**value, "names": frozenset(value["names"])})


class Have(Struct, frozen=True, kw_only=True):
    """Host → its pair."""

    pairs: Mapping[str, Pair]


def wanted_names(spec: HostSpec) -> dict[str, tuple[str, ...]]:
    """Host → the names that its certificate is for. A component that stands by itself counts as a host."""
    prosody = spec.host.prosody
    if prosody is None:
        return {}
    hosts = {name: (name, *host.components, *_http_name(host)) for name, host in prosody.virtual_hosts.items()}
    hosts |= {name: (name, *_http_name(component)) for name, component in prosody.components.items()}
    return {host: tuple(dict.fromkeys(names)) for host, names in hosts.items()}


def _http_name(scope: VirtualHost | Component) -> tuple[str, ...]:
    """What Prosody's HTTP server answers to for this host, where it is said; by itself it is the host's own name."""
    name = scope.options.get("http_host")
    return (name,) if isinstance(name, str) else ()


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
        yield _gone(spec, host, pair, site) if names is None else _verdict(spec, host, names, pair, site)


def _verdict(spec: HostSpec, host: str, names: tuple[str, ...], pair: Pair, site: Site) -> Verdict:
    wish, live = site.digest("\0".join(names).encode()), _live(pair, site)
    origin = spec.origin("prosody", "virtual_hosts", host)
    if not pair.fault and live is not None:
        return Holds(id=f"certificate:{host}", wanted=wish, live=live)
    if pair.is_theirs:
        path, _ = site_pair(site, host)
        why = f"{path} {pair.fault}, and it is not ours; replace it, or remove it and its key to have a pair made"
        return Wait(id=f"certificate:{host}", why=why, until=PathChanges(path), origin=origin)
    for path in site_pair(site, host):
        if str(path) in spec.host.files:  # a pair of ours in its place would be overwritten, and made again
            why = f"{pair.fault}, and {path} is given by files; give a whole pair there, or none of it"
            return Wait(id=f"certificate:{host}", why=why, until=PathChanges(path), origin=origin)
    make = Make(
        path=site.paths.certificates / host,
        kind="self-signed",
        parameters=(("names", ",".join(names)), ("days", str(DAYS))),
        mode=_MODE,
        group=site.group if site.user is not None else None,
    )
    return Change(
        id=f"certificate:{host}",
        kind=Kind.CREATED if live is None else Kind.CHANGED,
        why=pair.fault,
        actions=(*(() if pair.is_ours else _kept(site, host, pair)), make),
        wanted=wish,
        live=live,
        origin=origin,
        policy=_policy(spec),
        touches=frozenset({"prosody"}),
    )


def _gone(spec: HostSpec, host: str, pair: Pair, site: Site) -> Change:
    there = () if pair.is_theirs else tuple(_there(site, host, pair))
    removals = tuple(RemoveFile(path=path, was=info.signature) for path, info in there)
    return Change(
        id=f"certificate:{host}",
        kind=Kind.REMOVED if there else Kind.RELEASED,
        why="its host is gone from git" + ("; it is not ours" if pair.is_theirs else ""),
        actions=(*(() if pair.is_ours else _kept(site, host, pair)), *removals) if there else (),
        wanted=None,
        live=_live(pair, site),
        policy=_policy(spec),
        touches=frozenset({"prosody"}),
        removes=0,  # it goes with its host, which is counted
    )


def _kept(site: Site, host: str, pair: Pair) -> tuple[Keep, ...]:
    """A certificate of ours beside a key that does not belong to it, or a key alone: it may be a person's."""
    return tuple(Keep(path=path, why="lay where a pair is made") for path, _ in _there(site, host, pair))


def _there(site: Site, host: str, pair: Pair) -> Iterator[tuple[PurePosixPath, FileInfo]]:
    for path, info in zip(site_pair(site, host), (pair.certificate, pair.key), strict=True):
        if info is not None:
            yield path, info


def _policy(spec: HostSpec) -> Policy:
    prosody = spec.host.prosody
    return (prosody.drift if prosody else None) or spec.host.drift


def site_pair(site: Site, host: str) -> tuple[PurePosixPath, PurePosixPath]:
    """Where a host's certificate and its key lie."""
    directory = site.paths.certificates
    return directory / f"{host}.crt", directory / f"{host}.key"


def _live(pair: Pair, site: Site) -> str | None:
    return site.digest(pair.content) if pair.certificate is not None or pair.key is not None else None


def _look(reader: Reader, site: Site, host: str, names: tuple[str, ...]) -> Pair:
    paths = site_pair(site, host)
    infos = (reader.stat(paths[0]), reader.stat(paths[1]))
    texts = [
        reader.read(path) if info is not None and info.kind == "file" else None
        for path, info in zip(paths, infos, strict=True)
    ]
    pair = Pair(certificate=infos[0], key=infos[1], content=_content(infos[0], texts[0]) + _content(infos[1], texts[1]))
    if any(info is not None and info.kind != "file" for info in infos):
        return replace(pair, is_theirs=True)  # such as links to what a person renews; Prosody follows them
    said = site.apart(read_pair, texts[0] or b"", texts[1] or b"")
    return replace(
        pair,
        fault=_fault(reader, said, texts[0], texts[1], names) if names else "",
        is_ours=said.is_ours and said.belongs,
        is_theirs=texts[0] is not None and not said.is_ours,
    )


def _content(info: FileInfo | None, text: bytes | None) -> bytes:
    return ((info.target or info.kind).encode() if info is not None and text is None else text or b"") + b"\0"


def _fault(reader: Reader, said: Read, certificate: bytes | None, key: bytes | None, names: tuple[str, ...]) -> str:
    """Why Prosody could not, or should not much longer, serve these names with this pair."""
    if certificate is None or key is None:
        return "is not there" if certificate is None else "its key is not there"
    if said.fault:
        return said.fault
    wanted = {_to_ascii(name) for name in names}
    if missing := sorted(wanted - _matched(wanted, said.names)):
        return f"does not name {', '.join(missing)}"
    if said.is_ours and (extra := sorted(said.names - wanted)):
        return f"still names {', '.join(extra)}"
    if reader.due(said.end - RENEW_BEFORE):
        return f"ends on {datetime.fromtimestamp(said.end, UTC).date()}"
    return ""


def _matched(wanted: set[str], names: frozenset[str]) -> set[str]:
    """Those of `wanted` that are named, or are by their parent's wildcard (RFC 6125, 6.4.3)."""
    return {name for name in wanted if name in names or f"*.{name.partition('.')[2]}" in names}


def read_pair(certificate: bytes, key: bytes) -> Read:
    """Read a pair of PEM texts, either of which may be empty. `fault` says why it is none."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        parsed = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        return Read(fault="is no certificate with a key that can be read")
    said = _said(parsed)
    if not key:
        return replace(said, fault="its key is not there")
    try:
        own = load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        return replace(said, fault="is no certificate with a key that can be read", belongs=False)
    if own.public_key() != parsed.public_key():
        return replace(said, fault="certificate and key do not belong together", belongs=False)
    return said


def _said(certificate: x509.Certificate) -> Read:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Read(
        names=_names(certificate),
        end=certificate.not_valid_after_utc.timestamp(),
        sha256=certificate.fingerprint(SHA256()).hex(),
        spki=hashlib.sha256(spki).hexdigest(),
        is_ours=_is_ours(certificate),
        belongs=True,
    )


def _is_ours(certificate: x509.Certificate) -> bool:
    """Self-signed, and for as long as ours are (they begin a day early); issuers and other tools differ in one."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.issuer == certificate.subject and life == timedelta(days=DAYS + 1)


def _to_ascii(name: str) -> str:
    """A-labels, as they stand in a certificate (RFC 5280, 7.2)."""
    try:
        return name.lower() if name.isascii() else name.encode("idna").decode().lower()
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
