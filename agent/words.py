"""The plain command lines, such as `plan -o json --config FILE`, read without argparse.

argparse takes a tenth of the time that an answer may take, and 0.4 MiB of an agent for good. What is not as plain as
this, mistakes and help among it, is for `agent.verbs`; what is read here, it would read the same.
"""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False  # see agent/ask.py
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    Words: TypeAlias = Namespace | SimpleNamespace

_FLAGS: Mapping[str, tuple[str, ...]] = {
    "run": (),
    "plan": ("--detailed-exitcode",),
    "reconcile": ("--full", "--detailed-exitcode"),
    "status": (),
    "drift": (),
    "confirm": (),
    "resume": (),
    "version": (),
}
"""Verb → the options of its own, none of which takes a value."""


def read_plain(arguments: Sequence[str]) -> SimpleNamespace | None:
    """What `agent.verbs.parse` gives for the same words; None where it takes argparse to tell."""
    verb, config, output = None, None, "text"
    flags: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--config":
            config = next(words, "-")
            if config.startswith("-"):
                return None
        elif word in ("-o", "--output"):
            output = next(words, "")
            if output not in ("text", "json"):
                return None
        elif verb is None and word in _FLAGS:
            verb = word
        elif verb is not None and word in _FLAGS[verb]:
            flags.append(word)
        else:
            return None
    if verb is None:
        return None
    own = {flag[2:].replace("-", "_"): flag in flags for flag in _FLAGS[verb]}
    return SimpleNamespace(verb=verb, config=config, output=output, **own)
