"""A file by a template: its secrets resolved, its text rendered, its mistakes told without them."""

from __future__ import annotations

from collections.abc import Mapping

from reconcilers import secrets
from reconcilers.contract import Reader, Site
from reconcilers.given import filled, variables
from reconcilers.shown import shown_certificates
from schemas.desired import File, HostSpec, SecretRef
from schemas.desired.values import find_secrets
from schemas.errors import Mistake, SpecError
from schemas.plan import Wait
from schemas.secret import Secret


def render_file(
    reader: Reader, spec: HostSpec, site: Site, entry: File, ports: Mapping[str, tuple[int, ...]]
) -> bytes | Secret | Wait:
    """The text, a Secret when the template was given one. The caller gives the Wait its id and origin.

    Raises SpecError at the template's own line.
    """
    assert entry.template is not None
    revealed: dict[SecretRef, str] = {}
    for _, reference in find_secrets(entry.vars):
        secret = secrets.resolve(reader, spec, site, reference)
        if isinstance(secret, Wait):
            return secret
        revealed[reference] = secret.reveal().decode(errors="replace")
    own = {name: filled(value, revealed.__getitem__) for name, value in entry.vars.items()}
    template = spec.sources[entry.template].data
    certificates = shown_certificates(reader, spec, site, template)
    if isinstance(certificates, Wait):
        return certificates
    seen = {**variables(spec, fqdn=site.fqdn, ports=ports, certificates=certificates), **own}
    try:
        text = site.render(entry.template, template, seen)
    except SpecError as error:
        raise _without_words(error) if revealed else error from None
    return Secret(text) if revealed else text


def _without_words(error: SpecError) -> SpecError:
    """The places alone: Python's words about a value may tell it, or a part of it, in any form."""
    what = "it fails with its secrets filled in; correct the template (what it says of them is not told)"
    return SpecError([Mistake(mark=mistake.mark, subject=mistake.subject, text=what) for mistake in error.mistakes])
