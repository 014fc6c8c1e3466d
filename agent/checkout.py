"""The verbs that are about a checkout of desired state, on the host or on a laptop: they need no agent."""

# ruff: noqa: T201 (printing is what this file is for)

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agent.printable import escape
from schemas.desired import HostSpec
from schemas.errors import Mistake
from schemas.load import Facts

if TYPE_CHECKING:
    from agent.words import Words


def _validate(words: Words) -> int:
    from agent.validate import Level, validate

    facts, judge = _this_host(words)
    findings = validate(words.directory, words.host, facts, judge)
    if words.output == "json":
        _print_json([finding.to_json() for finding in findings])
    elif words.output == "github":
        print("".join(f"{finding.to_github(words.directory)}\n" for finding in findings), end="")
    else:
        for finding in findings:
            if finding.level is Level.ERROR:
                print(escape(finding.message))
            else:
                print(escape(f"note: {finding.message}"), file=sys.stderr)
    return int(any(finding.level is Level.ERROR for finding in findings))


def _show(words: Words) -> int:
    from agent.show import show, show_json

    facts = _this_host(words)[0].get(words.host, Facts())
    if words.output == "json":
        _print_json(show_json(words.directory, words.host, facts))
    else:
        print(show(words.directory, words.host, facts), end="")
    return 0


def _schema(words: Words) -> int:
    from schemas.editor import editor_schema

    _print_json(editor_schema())
    return 0


def _init(words: Words) -> int:
    from agent.init import init
    from agent.settings import load_settings

    host = socket.getfqdn() if words.config is None else load_settings(words.config).host
    said = init(words.directory, words.host or host)
    if words.output == "json":
        _print_json({"directory": os.path.abspath(words.directory)})
    else:
        print(said, end="")
    return 0


def _this_host(words: Words) -> tuple[Mapping[str, Facts], Callable[[HostSpec], Iterable[Mistake]] | None]:
    """What this machine is and allows, when the settings are named; else it is taken for a laptop."""
    if words.config is None:
        return {}, None
    from agent import elsewhere, site
    from agent.opening import Opener
    from agent.settings import load_settings

    settings = load_settings(words.config)
    place = site.Place(settings, Path(os.path.abspath(words.config)), b"")
    unopened = Opener(settings.age_key).mistakes
    modules = elsewhere.modules(PurePosixPath(settings.home))
    facts = replace(site.facts(settings), prosody=elsewhere.installed(), modules=modules)

    def judge(spec: HostSpec) -> Iterable[Mistake]:
        yield from place.bounds.mistakes(spec)
        yield from unopened(spec)

    return {settings.host: facts}, judge


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


VERBS: Mapping[str, Callable[[Words], int]] = {
    "validate": _validate,
    "show": _show,
    "schema": _schema,
    "init": _init,
}
