"""For whom secrets are encrypted: `secrets/.recipients` of a repository, one recipient a line, as age(1) reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from schemas.errors import Mark, Mistake, SpecError

if TYPE_CHECKING:
    from pyrage import ssh, x25519

    Recipient: TypeAlias = x25519.Recipient | ssh.Recipient

FILE = "secrets/.recipients"


def seal(data: bytes, recipients: Sequence[Recipient], *, armored: bool) -> bytes:
    """An age file that each of these opens; armored, it is a text."""
    import pyrage

    return bytes(pyrage.encrypt(data, recipients, armored=armored))


def to_recipient(text: str) -> Recipient:
    """`age1…`, or `ssh-ed25519 …` with a comment or without. Raises ValueError, whose words are to be shown."""
    import pyrage

    if text.upper().startswith("AGE-SECRET-KEY-"):
        raise ValueError("this is a secret key, which opens everything; take it out, and make another instead")
    if text.startswith("age1") and len(text.split()) > 1:
        raise ValueError("expected nothing behind the recipient; write the comment on a line of its own, behind a #")
    try:
        if text.startswith("age1"):
            return pyrage.x25519.Recipient.from_str(text)
        if text.startswith("ssh-ed25519 "):
            return pyrage.ssh.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise ValueError("this is no whole recipient; copy it again, from its first character to its last") from None
    raise ValueError("expected age1… or ssh-ed25519 …; `prosodist secret keygen` on the host prints its own")


def parse_recipients(file: str, text: bytes) -> tuple[Recipient, ...]:
    """Every recipient of a file; comments (#) and blank lines are none. Raises SpecError, with the lines."""
    mistakes: list[Mistake] = []
    found: list[Recipient] = []
    for number, line in _lines(text):
        try:
            found.append(to_recipient(line))
        except ValueError as error:
            mistakes.append(Mistake(mark=Mark(file, number, 1), text=str(error)))
    if not found and not mistakes:
        nobody = "there is no recipient in it; write one a line, as `prosodist secret keygen` prints them"
        mistakes.append(Mistake(mark=Mark(file), text=nobody))
    if mistakes:
        raise SpecError(mistakes)
    return tuple(found)


def _lines(text: bytes) -> Iterator[tuple[int, str]]:
    """Each line that says something, and its number. What is no UTF-8 is no recipient either."""
    for number, line in enumerate(text.decode(errors="replace").split("\n"), start=1):
        if (plain := line.strip()) and not plain.startswith("#"):
            yield number, plain
