"""`certificates`: each virtual host has one for itself, its components and its HTTP name, unless another takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from schemas.desired.forms import Contact, Directory, Line, Notice, Server
from schemas.desired.texts import Flag, HostName, HostPath, RepositoryPath, Text
from schemas.desired.things import Place, Secret, Thing, check_some
from schemas.desired.values import Model


class Eab(Model):
    """External account binding (RFC 8555, 7.3.4): what a CA gave out beforehand."""

    kid: Line = Field(description="the key's id")
    hmac: Secret = Field(description="the key")


class Issuer(Model):
    """A CA that speaks RFC 8555. A bare text is its name; naming one accepts its terms."""

    name: Literal["letsencrypt", "letsencrypt-staging"] | None = Field(default=None, description="one that is known")
    directory: Directory | None = Field(default=None, description="of any other: the address of its directory")
    ca: RepositoryPath | None = Field(default=None, description="what its own certificate is checked against")
    eab: Eab | None = Field(default=None, description="the account that it gave out")


class Http01(Model):
    """Answered over port 80."""

    webroot: HostPath | None = Field(default=None, description="a directory that a web server serves; our own answer")


class TlsAlpn01(Model):
    """Answered over port 443."""


class Tsig(Model):
    """The key of a DNS UPDATE (RFC 8945)."""

    name: Line = Field(description="its name")
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = Field(description="its algorithm")
    secret: Secret = Field(description="the key, in base64")


class Dns01(Model):
    """Answered by a record: of a server that takes updates, or by a program of the host."""

    hook: HostPath | None = Field(default=None, description="called as HOOK present|cleanup NAME TYPE VALUE")
    server: Server | None = Field(default=None, description="the server that takes updates (RFC 2136)")
    tsig: Tsig | None = Field(default=None, description="the key of the updates")


class Challenge(Model):
    """How the CA is shown that a name is ours. A bare text is the kind."""

    http_01: Http01 | None = Field(default=None, alias="http-01", description="over port 80")
    tls_alpn_01: TlsAlpn01 | None = Field(default=None, alias="tls-alpn-01", description="over port 443")
    dns_01: Dns01 | None = Field(default=None, alias="dns-01", description="by a record; a wildcard wants this one")


class Pair(Model):
    """Where a certificate and its key lie. A bare text is the directory."""

    directory: HostPath | None = Field(default=None, description="with fullchain.pem and privkey.pem")
    certificate: HostPath | None = Field(default=None, description="the certificate with its chain")
    key: HostPath | None = Field(default=None, description="its key")


class Certificate(Thing):
    """One certificate. Exactly one of issuers, path, self_signed and none is set."""

    issuers: Annotated[tuple[Issuer, ...] | None, BeforeValidator(check_some)] = Field(
        default=None, description="CAs, tried in this order"
    )
    path: Pair | None = Field(default=None, description="on the host, renewed by somebody else")
    self_signed: Flag | None = Field(default=None, description="true: made here, trusted by nobody")
    none: Flag | None = Field(default=None, description="true: no certificate for this one")
    contact: Contact | None = Field(default=None, description="issuers: a mail address for the CA's account")
    profile: Line | None = Field(default=None, description="issuers: the CA's profile; classic, or the first offered")
    challenge: Challenge | None = Field(default=None, description="issuers: how a name is shown to be ours; http-01")
    key: Literal["p-256", "p-384", "rsa-2048", "rsa-3072", "rsa-4096"] = Field(
        default="p-256", description="issuers: the kind of key"
    )
    reuse_key: bool = Field(default=False, description="issuers: true: the same key again; anew each time")
    dane: bool = Field(default=False, description="issuers: the next key's TLSA record goes ahead of the key")
    wildcard: bool = Field(default=False, description="issuers: *.HOST instead of each component")
    names: tuple[HostName, ...] = Field(default=(), description="issuers: further names")
    take: Literal["copy", "link"] = Field(default="copy", description="path: whether Prosody has a copy or a link")
    hosts: Annotated[tuple[HostName, ...] | None, BeforeValidator(check_some)] = Field(
        default=None, description="virtual hosts that it serves, or `all` the others; its name"
    )
    notify: tuple[Notice, ...] = Field(default=(), description="services that read the pair too")
    install: Place | None = Field(default=None, description="a second place for the pair")


Certificates: TypeAlias = Mapping[Text, Certificate]
"""By the virtual host that it serves, or by a name of its own."""
