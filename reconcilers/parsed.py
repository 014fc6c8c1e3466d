"""What a Prosody would load: read by Prosody's own loader, in one Lua process, as Prosody's user."""

from __future__ import annotations

import contextlib
import functools
import json
import pkgutil
import posixpath
import signal
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct, field

from reconcilers.contract import Completed, Prosody, Reader, Site
from reconcilers.luatext import render_value
from schemas.errors import Excessive, Temporary
from schemas.fragments import Fragment
from schemas.secret import Secret


class Parsed(Struct, frozen=True, kw_only=True):
    """Scope (`*` is global) → option → value as Lua text: equal values, equal texts; `(function)` is opaque.

    `shown` holds the texts that differ when they are told to people: what has a secret's name is ***.
    """

    scopes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shown: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Refusal(Struct, frozen=True, kw_only=True):
    """Prosody would not load it. `line` counts from 1; 0 when the main file's line is not known.

    `text` is Lua's own word and may quote the configuration: mask what is secret before it is told. `is_answer`:
    Lua said it; false when nothing was heard of it, and would not be if it were asked again.
    """

    text: str
    line: int = 0
    is_answer: bool = True


class Answer(Struct, frozen=True, kw_only=True):
    """Of each text what it says, and of each fragment why it does not compile (None when it does)."""

    texts: tuple[Parsed | Refusal, ...]
    fragments: tuple[Refusal | None, ...]


def parse(
    reader: Reader,
    site: Site,
    prosody: Prosody,
    *texts: bytes,
    fragments: tuple[Fragment, ...] = (),
    depends: tuple[PurePosixPath, ...] = (),
    at: PurePosixPath | None = None,
) -> Answer:
    """Read configurations as if each lay at `at` (the profile's path); some 10 ms. `depends` are what they include.

    A configuration is a program. One that ends or exhausts the process, or does not end within the time of a
    query, takes the others' answers with it, so each is then asked about alone. Raises Temporary when Lua cannot
    be run.
    """
    try:
        completed = reader.query(
            (str(prosody.lua), "-"),
            user=site.user,
            depends=(site.paths.config, prosody.source / "core/configmanager.lua", *depends),
            stdin=_request(at or site.paths.config, prosody, texts, fragments),
        )
        answer = _last_line(completed)
        refusal = Refusal(
            text=f"the Lua process that reads it ends without an answer{_how(completed)}", is_answer=False
        )
    except Excessive as error:
        answer, refusal = None, Refusal(text=f"it {error.words}", is_answer=False)
    if answer is not None:
        for name in answer.get("opened", ()):
            _note(reader, str(name))
        return Answer(
            texts=tuple(map(_text, answer["texts"])),
            fragments=tuple(_refusal(said) if said else None for said in answer["fragments"]),
        )
    if not texts:
        return Answer(texts=(), fragments=(None,) * len(fragments))
    if len(texts) == 1:  # it is the text: fragments are compiled and not run
        alone: tuple[Parsed | Refusal, ...] = (refusal,)
    else:
        alone = tuple(parse(reader, site, prosody, text, depends=depends, at=at).texts[0] for text in texts)
    compiled = parse(reader, site, prosody, fragments=fragments, depends=depends)
    return Answer(texts=alone, fragments=compiled.fragments)


def _note(reader: Reader, name: str) -> None:
    """What a pattern named, or Lua opened by itself, decides the answer too: a look at it says when it changes."""
    with contextlib.suppress(Temporary):  # one that no path of ours can name was none of ours to change
        reader.stat(PurePosixPath(posixpath.normpath(posixpath.join("/", name))))


@functools.cache
def _script() -> bytes:
    script = pkgutil.get_data("reconcilers", "lua/parse.lua")
    assert script is not None, "the package is whole"
    return script


def _request(path: PurePosixPath, prosody: Prosody, texts: tuple[bytes, ...], fragments: tuple[Fragment, ...]) -> bytes:
    """Script and arguments on stdin: nothing shows in an argv, and nobody need read our package."""
    arguments = {
        "source": str(prosody.source),
        "path": str(path),
        "texts": tuple(map(Secret, texts)),
        "fragments": tuple({"text": item.text, "expression": item.is_expression} for item in fragments),
    }
    return b"local request = " + render_value(arguments).encode() + b";\n" + _script()


def _last_line(completed: Completed) -> Mapping[str, Any] | None:
    """The answer; None when there is none, whatever else was printed."""
    lines = completed.stdout.decode(errors="replace").rstrip("\n").rsplit("\n", 1)
    try:
        answer = json.loads(lines[-1])
    except ValueError:
        return None
    if completed.code or not isinstance(answer, dict) or not {"texts", "fragments"} <= answer.keys():
        return None
    return answer


def _text(answer: Mapping[str, Any]) -> Parsed | Refusal:
    if "error" in answer:
        return _refusal(answer)
    return Parsed(scopes=_maps(answer["scopes"]), shown=_maps(answer["shown"]))


def _refusal(answer: Mapping[str, Any]) -> Refusal:
    return Refusal(text=str(answer["error"]), line=int(answer["line"]))


def _how(completed: Completed) -> str:
    """Beyond its status: a process that used up its time is killed for it."""
    if completed.code in (-signal.SIGXCPU, -signal.SIGKILL):
        return ": it took more time or memory than a commit may cost"
    return f" (status {completed.code})"


def _maps(value: object) -> dict[str, dict[str, str]]:
    """Prosody's JSON writes an empty table as a list."""
    if not isinstance(value, dict):
        return {}
    return {scope: dict(options or {}) for scope, options in value.items()}
