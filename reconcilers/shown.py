"""What templates see of certificates: two paths, known beforehand, and what the certificate itself says.

name → names, fullchain, privkey, sha256, spki (both hexadecimal, of the whole and of its key as in RFC 6698),
not_after (`2027-01-31T12:00:00Z`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from reconcilers.certificates import read_pair, site_pair, wanted_names
from reconcilers.contract import Reader, Site
from schemas.desired import HostSpec
from schemas.plan import PathChanges, Wait

_OF_ITS_OWN = re.compile(rb"\b(sha256|spki|not_after)\b")
"""A template that has none of these words asks for nothing that only the certificate knows."""


def known_certificates(spec: HostSpec, site: Site) -> dict[str, dict[str, Any]]:
    """What is known of each before it is there."""
    pairs = ((host, names, site_pair(site, host)) for host, names in wanted_names(spec).items())
    return {
        host: {"names": names, "fullchain": str(fullchain), "privkey": str(privkey)}
        for host, names, (fullchain, privkey) in pairs
    }


def shown_certificates(reader: Reader, spec: HostSpec, site: Site, template: bytes) -> Mapping[str, Any] | Wait:
    """All that a template asks for. The caller gives the Wait its id and origin."""
    seen = known_certificates(spec, site)
    if b"certificates" not in template or _OF_ITS_OWN.search(template) is None:
        return seen
    for known in seen.values():
        path = PurePosixPath(known["fullchain"])
        said = site.apart(read_pair, reader.read(path) or b"", b"")
        if not said.sha256:
            return Wait(id="", why=f"{path}, of which the template tells, is not there yet", until=PathChanges(path))
        known |= _said(said.sha256, said.spki, said.end)
    return seen


def placeholder_certificates(spec: HostSpec) -> Mapping[str, Any]:
    """The same where no host is at hand, for a trial."""
    own = {name: entry.names for name, entry in spec.host.certificates.items()}
    return {
        name: {
            "names": names,
            "fullchain": f"/certificates/{name}/fullchain.pem",
            "privkey": f"/certificates/{name}/privkey.pem",
            **_said("0" * 64, "0" * 64, 0.0),
        }
        for name, names in (own | wanted_names(spec)).items()
    }


def _said(sha256: str, spki: str, end: float) -> dict[str, str]:
    return {
        "sha256": sha256,
        "spki": spki,
        "not_after": datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
