"""As much of Lua as it takes to find calls: tokens, the functions around them, and a call's arguments."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<space>\s+ | --\[(?P<c>=*)\[.*?\](?P=c)\] | --[^\n]*)
    | (?P<string>"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | \[(?P<s>=*)\[.*?\](?P=s)\])
    | (?P<name>[A-Za-z_]\w*)
    | (?P<number>0[xX][0-9a-fA-F]+ | \d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<sign>\.\.\.?|[=~<>]=|::|//|<<|>>|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PAIRS = {"(": ")", "{": "}", "[": "]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One word of the source, and the byte at which it stands."""

    kind: str
    text: str
    start: int


class Source:
    """One Lua file, by its path below the directory that is scanned."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.text = text
        self.tokens = tuple(_tokens(self.text))
        self._around = tuple(_functions_around(self.tokens))
        self._ends_of_lines = [found.start() for found in re.finditer("\n", self.text)]

    def line(self, at: int) -> int:
        """The line, counted from 1, of the token with this number."""
        return bisect_right(self._ends_of_lines, self.tokens[at].start) + 1

    def starts(self, at: int, *words: str) -> bool:
        """Whether these words stand from this token on."""
        if self.tokens[at].text != words[0]:
            return False  # nearly always, and far cheaper than what follows
        return tuple(token.text for token in self.tokens[at : at + len(words)]) == words

    def takes(self, at: int, parameter: str) -> bool:
        """Whether a function around this token has a parameter of this name."""
        return any(parameter in parameters for parameters in self._around[at])

    def close_of(self, opening: int) -> int:
        """The token that closes this `(`, `{` or `[`."""
        depth = 0
        for at in range(opening, len(self.tokens)):
            depth += (self.tokens[at].text in _PAIRS) - (self.tokens[at].text in _PAIRS.values())
            if depth == 0:
                return at
        raise ValueError(f"{self.name}:{self.line(opening)}: a bracket that nothing closes")

    def between(self, start: int, end: int) -> str:
        """The tokens from one up to another, with one space between them."""
        return " ".join(token.text for token in self.tokens[start:end])

    def written(self, start: int, end: int) -> str:
        """The tokens from one up to another as they are written, on one line."""
        last = self.tokens[end - 1]
        return " ".join(self.text[self.tokens[start].start : last.start + len(last.text)].split())

    def arguments(self, opening: int) -> list[tuple[int, int]]:
        """The first and the one-past-last token of each argument of the call that opens here."""
        if self.tokens[opening].text != "(":  # f"text", f{...}
            return [(opening, opening + 1)]
        found: list[tuple[int, int]] = []
        end, start, at = self.close_of(opening), opening + 1, opening + 1
        while at < end:
            if self.tokens[at].text in _PAIRS:
                at = self.close_of(at)
            elif self.tokens[at].text == ",":
                found.append((start, at))
                start = at + 1
            elif self.tokens[at].text == "function":
                return found  # a callback is no option's name or default, nor is what follows it
            at += 1
        return [*found, (start, end)] if end > start else found


def literal(token: Token) -> str | None:
    """The text that a string token stands for; None for any other token."""
    if token.kind != "string":
        return None
    return token.text[1:-1] if token.text[0] in "\"'" else token.text.strip("[=]")


def _tokens(text: str) -> Iterator[Token]:
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        for group in ("space", "string", "name", "number", "sign"):
            if found[group] is not None:
                kind = group
        if kind != "space":
            yield Token(kind=kind, text=found[0], start=found.start())


def _functions_around(tokens: tuple[Token, ...]) -> Iterator[tuple[frozenset[str], ...]]:
    """For each token the parameters of every function that it stands in."""
    open_blocks: list[frozenset[str] | None] = []  # None: a block that is no function
    for at, token in enumerate(tokens):
        if token.kind == "name" and token.text == "function":
            open_blocks.append(_parameters(tokens, at))
        elif token.kind == "name" and token.text in ("if", "do", "repeat"):
            open_blocks.append(None)
        elif token.kind == "name" and token.text in ("end", "until") and open_blocks:
            open_blocks.pop()
        yield tuple(block for block in open_blocks if block)


def _parameters(tokens: tuple[Token, ...], at: int) -> frozenset[str]:
    while tokens[at].text != "(":
        at += 1
    names = []
    while tokens[at].text != ")":
        at += 1
        if tokens[at].kind == "name":
            names.append(tokens[at].text)
    return frozenset(names)
