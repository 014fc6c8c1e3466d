"""Two configurations compared as Prosody reads them, option by option, safe to print."""

from __future__ import annotations

from collections.abc import Iterator

from reconcilers.luatext import quote
from reconcilers.mainfile import MainFile
from reconcilers.parsed import Parsed, Refusal
from schemas.secret import Secret

_TOLD = 160
"""Characters of a value that a diff tells."""


def diff_options(live: Parsed | Refusal, new: Parsed | Refusal, wanted: MainFile) -> tuple[str, ...]:
    """What would change, safe to print: what `wanted` says is a secret, or holds one, is told as changed.

    Of an option that git does not set only the name is told: what it holds may be a secret that git has dropped. So it
    is of every option when a file with secrets is included.
    """
    if isinstance(new, Refusal):
        return (f"the wanted configuration is not one that Prosody loads (line {new.line})",)
    if isinstance(live, Refusal):
        return (f"the live configuration is not one that Prosody loads (line {live.line})",)
    lines = tuple(_option_lines(live, new, wanted))
    return lines or ("no option differs: comments, order or layout do",)


def _option_lines(live: Parsed, new: Parsed, wanted: MainFile) -> Iterator[str]:
    for scope in sorted({*live.scopes, *new.scopes}, key=lambda scope: (scope != "*", scope)):
        before, after = live.scopes.get(scope, {}), new.scopes.get(scope, {})
        prefix = "" if scope == "*" else f"{scope}: "
        if scope != "*" and not (before and after):
            yield f"{prefix}{'removed' if before else 'added'}"
        for option in sorted({*before, *after} - {"defined"}):
            if before.get(option) == after.get(option):
                continue
            if option not in after:
                yield f"{prefix}{option}: removed"
                continue
            if wanted.is_beside_secret or (scope, option) in wanted.hidden:
                why = "a file with secrets is included" if wanted.is_beside_secret else "a secret"
                yield f"{prefix}{option}: {'changed' if option in before else 'added'} ({why})"
                continue
            old, now = (_told(parsed, scope, option, wanted) for parsed in (live, new))
            yield (
                f"{prefix}{option} changed (in a part not told)" if old == now else f"{prefix}{option} {old} → {now}"
            )


def _told(parsed: Parsed, scope: str, option: str, wanted: MainFile) -> str:
    value = parsed.scopes.get(scope, {}).get(option)
    if value is None:
        return "(not set)"
    text = parsed.shown.get(scope, {}).get(option, value)
    for secret in wanted.secrets:
        for form in (_as_told(secret), quote(secret.reveal())):
            text = text.replace(form, "***")
    return text if len(text) <= _TOLD else text[:_TOLD] + " …"


def _as_told(secret: Secret) -> str:
    """As lua/parse.lua writes a text."""
    body = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:03d}" for byte in secret.reveal()
    )
    return f'"{body}"'
