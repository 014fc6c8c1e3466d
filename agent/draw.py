"""What must be random, drawn by the hands: secrets, self-signed certificates, free ports."""

from __future__ import annotations

import datetime
import secrets
import socket
from collections.abc import Collection
from itertools import chain

from schemas.errors import ActionFailed

_PORTS = range(20000, 32768)
"""Below the range from which Linux takes ports for outgoing connections (ip_local_port_range: 32768–60999).
"""

_COMMON_NAME_MAX = 64  # RFC 5280, ub-common-name


def draw_secret() -> bytes:
    """32 random bytes in base64url, without padding or newline."""
    return secrets.token_urlsafe(32).encode()


def draw_port(taken: Collection[int]) -> int:
    """A port that nobody listens on now, on either loopback address, and that is not in `taken`."""
    first = secrets.randbelow(len(_PORTS))
    for port in chain(_PORTS[first:], _PORTS[:first]):
        if port not in taken and _is_free(port):
            return port
    raise ActionFailed(f"ports: none from {_PORTS[0]} to {_PORTS[-1]} is free; end what listens there")


def _is_free(port: int) -> bool:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as listener:
                listener.bind((address, port))
        except OSError:
            if family is socket.AF_INET or _has_ipv6():
                return False
    return True


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
            listener.bind(("::1", 0))
    except OSError:
        return False
    return True


def draw_pair(names: tuple[str, ...], *, days: int, now: float) -> tuple[bytes, bytes]:
    """A new P-256 key and a certificate that it signs for these names: (key, certificate), both PEM.

    Valid from a day before `now` (epoch seconds), for clocks that are behind, until `days` after it. Names
    may be Unicode; the certificate has their A-labels (RFC 5280, 7.2). Raises ActionFailed for what is no
    domain name.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    labels = tuple(_to_ascii(name) for name in names)
    if not labels:
        raise ActionFailed("certificate: it has no names; give it at least one")
    common = next((label for label in labels if len(label) <= _COMMON_NAME_MAX), "prosodist")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    instant = datetime.datetime.fromtimestamp(now, datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(instant - datetime.timedelta(days=1))
        .not_valid_after(instant + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(label) for label in labels]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),  # s2s is both
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def _to_ascii(name: str) -> str:
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        raise ActionFailed(f"certificate: {name!r} is no domain name; write one such as example.org") from None
