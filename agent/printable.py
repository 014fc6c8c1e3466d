"""What a terminal may be shown. Texts come from repositories and hosts; none may move a cursor."""

from __future__ import annotations


def escape(text: str) -> str:
    """`text` on one line; what is not printable (controls, bidi marks) becomes \\xNN or \\uNNNN."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def escape_lines(text: str) -> list[str]:
    """The lines of `text`, each escaped; tabs become spaces, since diffs are full of them."""
    return [escape(line.expandtabs(8)) for line in text.split("\n")]


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
