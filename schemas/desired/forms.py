"""Texts in the forms of other tools: durations, versions, addresses, cron fields, digests, JIDs."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator

from schemas.desired.texts import check_host_name, check_path, check_text, found, refuse

CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_VERSION = r"[0-9A-Za-z][0-9A-Za-z.+~:_-]*"
_RANGE = re.compile(rf"(>=|<=|>|<|=|!=) ?{_VERSION}(, ?(>=|<=|>|<|=|!=) ?{_VERSION})*")
VERSION_WORDS = ("present", "latest", "absent")

_CRON = (
    ("a minute", 0, 59),
    ("an hour", 0, 23),
    ("a day of the month", 1, 31),
    ("a month", 1, 12),
    ("a weekday", 0, 7),
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_WEEKDAYS = "sun mon tue wed thu fri sat"
_CRON_NAMES = {
    **{name: number for number, name in enumerate(_MONTHS.split(), 1)},
    **{name: number for number, name in enumerate(_WEEKDAYS.split())},
}
CRON_WORDS = ("hourly", "daily", "weekly", "monthly")

ZONE = "[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*"
"""What IANA's names of time zones look like."""


def form(pattern: str, expected: str, instead: str) -> BeforeValidator:
    """A text that a pattern takes whole."""

    def check(value: object) -> str:
        if not re.fullmatch(pattern, str(value)):  # compiled when it is first met, and kept by re
            raise refuse(f"expected {expected}, found {found(value)}; write {instead}")
        return check_text(value)

    return BeforeValidator(check)


def check_line(value: object) -> str:
    """A text that ends in a unit, a cron line, a deb822 field or argv: one line."""
    text = check_text(value)
    if CONTROL.search(text):
        raise refuse(f"expected a text without control characters, found {found(text)}; take them out")
    return text


def check_version(value: object) -> str:
    """`present`, `latest`, `absent`, the beginning of a version, or a range."""
    text = check_line(value)
    if _is_version(text):
        return text
    raise refuse(
        f"expected present, latest, absent, the beginning of a version or a range, found {found(text)}; "
        'write "1.2", or ">=1.2, <2"'
    )


def check_range(value: object) -> str:
    """What is only observed: the beginning of a version, or a range."""
    text = check_line(value)
    if text in VERSION_WORDS or not _is_version(text):
        raise refuse(f'expected a range of versions, found {found(text)}; write ">=1.2", or ">=1.2, <2"')
    return text


def _is_version(text: str) -> bool:
    if re.fullmatch(_VERSION, text):
        return text in VERSION_WORDS or bool(re.search("[0-9]", text))
    return bool(_RANGE.fullmatch(text))


def check_address(value: object) -> str:
    """An address to download from, without a password in it."""
    text = check_line(value)
    if not re.fullmatch(r"(https?|ssh|git)://[^\s/]+(/\S*)?", text):
        raise refuse(f"expected an address, found {found(text)}; write it in full: https://example.org/file")
    if re.match(r"(https?://|[a-z]+://[^/]*:)[^/]*@", text):  # a forge takes a token for a name
        raise refuse("expected an address without a password, found one with it; a secret is never part of a text")
    return text


def check_directory(value: object) -> str:
    """The address of a CA's directory: HTTPS alone (RFC 8555, 6.1)."""
    text = check_address(value)
    if not text.startswith("https://"):
        raise refuse(f"expected an address that begins with https://, found {found(text)}; a CA is asked by no other")
    return text


def check_cron(value: object) -> str:
    """crontab(5)'s five fields, in UTC unless a zone is said beside it."""
    text = check_line(value)
    fields = text.split()
    if len(fields) != 5:
        raise refuse(
            f'expected five cron fields, found {found(text)}; write "30 3 * * *": minute hour day month weekday'
        )
    for field, (what, least, most) in zip(fields, _CRON, strict=True):
        if not all(_is_cron_item(item, least, most) for item in field.split(",")):
            raise refuse(f"expected {what} ({least} to {most}, *, lists, ranges, /steps), found {found(field)}")
    return text


def _is_cron_item(item: str, least: int, most: int) -> bool:
    match = re.fullmatch(r"(?:\*|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([1-9][0-9]?))?", item.lower())
    if match is None or (match[3] and match[1] and not match[2]):
        return False
    ends = [_cron_number(end) for end in (match[1], match[2]) if end]
    return all(least <= end <= most for end in ends) and ends == sorted(ends)


def _cron_number(text: str) -> int:
    return int(text) if text.isdigit() else _CRON_NAMES.get(text, -1)


def check_schedule(value: object) -> str:
    """Five cron fields, or a word for them."""
    text = check_text(value)
    if text.removeprefix("@") in CRON_WORDS:
        if text.startswith("@"):
            raise refuse(f"expected five cron fields or a word for them, found {found(text)}; write {text[1:]}")
        return text
    if " " not in text:
        raise refuse(
            f'expected five cron fields or a word for them, found {found(text)}; write "30 3 * * *", '
            f"or {', '.join(CRON_WORDS[:-1])} or {CRON_WORDS[-1]}"
        )
    return check_cron(text)


def check_jid(value: object) -> str:
    """A bare JID, in the form that Prosody compares (RFC 7622, 3.3: none of `"&'/:<>@`, lower case)."""
    text = check_text(value)
    user, at, domain = text.partition("@")
    if not at:
        raise refuse(f"expected a JID, found {found(text)}; write user@example.org")
    if "/" in domain:
        raise refuse(f"expected a JID without a resource, found {found(text)}; write {text.partition('/')[0]}")
    if not re.fullmatch(r"""[^\s\x00-\x20\x7f"&'/:<>@]+""", user) or len(user.encode()) > 1023:
        raise refuse(f"expected a JID, found {found(text)}; its name may hold none of \" & ' / : < > @ and no space")
    if text != text.lower():
        raise refuse(f"expected a JID in lower case, found {found(text)}; write {text.lower()}")
    _check_domain(domain)
    return text


_check_domain = lru_cache(maxsize=64)(check_host_name)
"""Ten thousand accounts have a few domains."""


def check_program(value: object) -> object:
    """An argv: a list whose first item is the absolute path of a program."""
    if isinstance(value, tuple):
        if not value:
            raise refuse("expected a program and its arguments, found an empty list; write [/usr/bin/PROGRAM]")
        check_path(value[0])
    return value


Line: TypeAlias = Annotated[str, BeforeValidator(check_line)]
Version: TypeAlias = Annotated[str, BeforeValidator(check_version)]
VersionRange: TypeAlias = Annotated[str, BeforeValidator(check_range)]
Address: TypeAlias = Annotated[str, BeforeValidator(check_address)]
Directory: TypeAlias = Annotated[str, BeforeValidator(check_directory)]
Cron: TypeAlias = Annotated[str, BeforeValidator(check_cron)]
Schedule: TypeAlias = Annotated[str, BeforeValidator(check_schedule)]
Jid: TypeAlias = Annotated[str, BeforeValidator(check_jid)]
Program: TypeAlias = Annotated[tuple[Line, ...], BeforeValidator(check_program)]
Duration: TypeAlias = Annotated[str, form("[1-9][0-9]{0,5}[smhdw]", "a duration", "90s, 15m, 6h, 7d or 2w")]
Sha256: TypeAlias = Annotated[
    str, form("[0-9a-f]{64}", "a SHA-256 of 64 small hexadecimal digits", "what sha256sum prints")
]
Pin: TypeAlias = Annotated[
    str, form("[0-9a-f]{7,64}", "a revision of 7 to 64 hexadecimal digits", "what git rev-parse prints")
]
Revision: TypeAlias = Annotated[
    str, form(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]*", "a revision or a branch", "main, say")
]
Zone: TypeAlias = Annotated[str, form(ZONE, "a time zone", "Europe/Berlin, say")]
Role: TypeAlias = Annotated[str, form("([a-z0-9_-]+:)?[a-z0-9_-]+", "a role", "admin, say")]
Variable: TypeAlias = Annotated[str, form("[A-Za-z_][A-Za-z0-9_]*", "the name of a variable", "LANG, say")]
Given: TypeAlias = Annotated[
    str, form("[A-Za-z_][A-Za-z0-9_]*", "a name that a template can say, of letters, digits and _", "size, say")
]
Contact: TypeAlias = Annotated[str, form(r"[^\s@:]+@[^\s@:]+", "a mail address", "hostmaster@example.org, say")]
Server: TypeAlias = Annotated[str, form(r"[A-Za-z0-9.:_-]+", "a server's address or name", "192.0.2.53, say")]
Notice: TypeAlias = Annotated[
    str,
    form("prosody/[A-Za-z0-9_]+|[A-Za-z0-9_@+][A-Za-z0-9_.@+-]*", "a service", "nginx, prosody or prosody/MODULE, say"),
]
