"""`policy`: bundles that come with prosodist, files of the same shape that are merged first."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.desired.values import Model


class Bundles(Model):
    """Which bundles, and which variant of each. `prosodist policy show NAME=VARIANT` prints one."""

    compliance: Literal["2023-core", "2023-advanced"] | None = Field(
        default=None, description="the modules of XEP-0479; advanced: conference, upload and proxy too"
    )
    tls: Literal["modern", "intermediate"] | None = Field(
        default=None, description="`tls_profile`, encryption both ways, direct TLS"
    )
    federation: Literal["strict", "open", "closed"] | None = Field(
        default=None, description="strict: certificates are required; open: dialback will do; closed: no federation"
    )
    calls: Literal["coturn"] | None = Field(
        default=None, description="a TURN server: its package, its service, `turn_external` and their one secret"
    )
