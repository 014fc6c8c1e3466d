"""A marked block in somebody else's file: found, put in and taken out, with every other byte left as it is.

The markers are told by their words and by nothing before them, so a block is found again when its comment sign or
its name has changed, and when git no longer says what they were.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

_BEGINS, _ENDS = b"--- prosodist block begins", b"--- prosodist block ends"
_WITH_FILE = b", and made this file"
_CLOSE = b" ---"


class Tangled(ValueError):
    """The file cannot be given a block, or nobody can tell where ours is; a clause without its subject."""


class Block(Struct, frozen=True, kw_only=True):
    """What is to stand in the file. `comment` is what begins a comment there, `name` what of the repository it is."""

    comment: str
    name: str
    body: bytes


class Span(Struct, frozen=True, kw_only=True):
    """Where a block stands, with its markers: `text[start:end]`. `made`: the file came with it."""

    start: int
    end: int
    made: bool


def find(text: bytes) -> Span | None:
    """Our block; None where there is none. Raises Tangled for more than one, or half a one."""
    begins, ends = list(_markers(text, _BEGINS)), list(_markers(text, _ENDS))
    if b"\0" in text:
        raise Tangled("holds NUL bytes, so it is no text in which lines could be marked; take `block` out")
    if not begins and not ends:
        return None
    if len(begins) > 1 or len(ends) > 1:
        raise Tangled("has more than one block of prosodist's; leave one of them")
    if not begins or not ends or begins[0][1] > ends[0][0]:
        raise Tangled("has a block of prosodist's with one marker alone; take away what is left of it")
    (start, until), (_, end) = begins[0], ends[0]
    return Span(start=start, end=end, made=_WITH_FILE in text[start:until])


def put(text: bytes | None, block: Block) -> bytes:
    """The file with this block in the place of ours, or at its end; None: there is no file yet. Raises Tangled."""
    if text is None:
        return _written(block, made=True)
    span = find(text)
    if span is None:
        ended = text if not text or text.endswith(b"\n") else text + b"\n"
        return ended + _written(block, made=False)
    return text[: span.start] + _written(block, made=span.made) + text[span.end :]


def cut(text: bytes) -> bytes | None:
    """The file without our block; None when the file came with it and nothing else is left. Raises Tangled."""
    span = find(text)
    if span is None:
        return text
    rest = text[: span.start] + text[span.end :]
    return None if span.made and not rest else rest


def is_speakable(body: bytes) -> bool:
    """Whether the body can be told from its markers."""
    return not any(True for words in (_BEGINS, _ENDS) for _ in _markers(body, words)) and b"\0" not in body


def _written(block: Block, *, made: bool) -> bytes:
    """A name in ASCII: the encoding of the file is not ours to know."""
    comment, name = block.comment.encode(), block.name.encode("ascii", "backslashreplace")
    body = block.body if not block.body or block.body.endswith(b"\n") else block.body + b"\n"
    begins = comment + b" " + _BEGINS + (_WITH_FILE if made else b"") + b": " + name + _CLOSE + b"\n"
    return begins + body + comment + b" " + _ENDS + _CLOSE + b"\n"


def _markers(text: bytes, words: bytes) -> Iterator[tuple[int, int]]:
    """Each line that holds these words and closes as a marker does: (its start, the start of the next line)."""
    at = text.find(words)
    while at >= 0:
        start, newline = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        until = len(text) if newline < 0 else newline + 1
        if text[start:until].rstrip(b"\r\n").endswith(_CLOSE):
            yield start, until
        at = text.find(words, until)
