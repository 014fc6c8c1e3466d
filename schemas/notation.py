"""What an unquoted word means. Whatever two YAML readers read differently is refused until quoted.

YAML 1.1 (PyYAML, libyaml's users), 1.2 core (ruamel, Go's and Rust's readers) and 1.2 JSON disagree on more words
than people know. Our own rule is the part on which all of them agree: `true`, `false`, `null`, nothing at all,
integers and decimals without ornament; all else is text, unless some reader takes it for something else.
"""

from __future__ import annotations

import json
import math
import re
from typing import TypeAlias

Plain: TypeAlias = "bool | int | float | str | None"

LARGEST = 2**53 - 1
"""Lua 5.1 has doubles only; beyond this an integer would lose its last digits."""

_WORDS: dict[str, Plain] = {"true": True, "false": False, "null": None, "": None}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}

# yaml.org/type (1.1), YAML 1.2.2 chapter 10, and the resolvers of PyYAML 6 and ruamel.yaml 0.18, all at once.
_DISPUTED = re.compile(
    r"""
      yes | no | on | off | y | n | true | false | null | ~ | = | <<
    | [-+][0-9_]+ | [0-9][0-9_]*                                    # +60 0750 1_000
    | [-+]?[0-9][0-9_]*\.[0-9_]* (?:e[-+]?[0-9]+)?                  # 1. 1_0.5 1.5e3
    | [-+]?[0-9][0-9_]*e[-+]?[0-9]+                                 # 1e3
    | [-+]?\.[0-9_]+ (?:e[-+]?[0-9]+)?                              # .5
    | [-+]?0x[0-9a-f_]+ | [-+]?0o[0-7_]+ | [-+]?0b[01_]+
    | [-+]?[0-9][0-9_]* (?: :[0-9]+)+ (?: \.[0-9_]*)?               # 1:30, which counts to sixty
    | [-+]?\.inf | [-+]?\.nan
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2} (?: (?:t|[ \t]+) [0-9].* )?    # dates
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


class Disputed(ValueError):
    """This word means different things to different readers. The text says what to write."""


def read_plain(text: str) -> Plain:
    """The meaning of an unquoted scalar. Raises Disputed."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-+.0123456789yYnNoOtTfF~=<":  # what begins otherwise is text to every reader
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _DECIMAL.fullmatch(text):
        return _decimal(text)
    if _DISPUTED.fullmatch(text):
        raise Disputed(f"expected what all YAML readers read alike, found {text}; write {_instead(text)}")
    return text


def quoted(text: str) -> str:
    """The text as YAML's double quotes write it."""
    return visible(json.dumps(text, ensure_ascii=False))


def visible(text: str) -> str:
    """On one line, and whatever cannot be seen as an escape of YAML's double quotes."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    point = ord(character)
    return f"\\x{point:02x}" if point < 2**8 else f"\\u{point:04x}" if point < 2**16 else f"\\U{point:08x}"


def _integer(text: str) -> int:
    if text == "-0":
        raise Disputed('expected what all YAML readers read alike, found -0; write 0, or "-0" for the text')
    if len(text) > 17 or abs(int(text)) > LARGEST:
        raise Disputed(f"expected a number up to {LARGEST}, found {shortened(text)}; write it in quotes for the text")
    return int(text)


def _decimal(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Disputed(f"expected a number that Lua can hold, found {shortened(text)}; write it in quotes for the text")
    return value


def shortened(text: str, limit: int = 60) -> str:
    """As much of a text as belongs into a message."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _instead(text: str) -> str:
    word = text.lower()
    if word in ("true", "false", "null"):
        return f"{word}, or {quoted(text)} for the text"
    if word in _BOOLEANS:
        return f"{_BOOLEANS[word]}, or {quoted(text)} for the text"
    if word == "~":
        return 'null, or "~" for the text'
    return quoted(text)
