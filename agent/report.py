"""Answers as people read them. Plain lines by default; colour and tables where a terminal is."""

# ruff: noqa: T201 (printing is what this file is for)

from __future__ import annotations

import os

from agent.printable import escape

TYPE_CHECKING = False  # see agent/ask.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    Answer = Mapping[str, Any]

_SIGNS = {"created": "+", "changed": "~", "removed": "-", "released": "o"}
_COLOURS = {"+": "32", "-": "31", "~": "33", "@": "36"}

_RESULTS = {
    "in_sync": "in sync",
    "changed": "changed",
    "held": "held until `prosodist confirm`",
    "refused": "refused",
    "invalid": "the newest commit has mistakes; what was right before is enforced",
    "failed": "failed",
    "rolled_back": "rolled back: the newest commit was not well",
    "stalled": "stalled: a person must act, then `prosodist reconcile`",
    "suspended": "suspended: looked, changed nothing",
}


def show(verb: str, answer: Answer, *, on_terminal: bool) -> None:
    """Print an answer."""
    if on_terminal and verb in _TABLES and (rows := list(_rows(verb, answer))):
        _print_table(_TABLES[verb], rows)
        return
    for line in render(verb, answer):
        print(_coloured(line) if on_terminal else line)


def render(verb: str, answer: Answer) -> Iterator[str]:
    """The lines of an answer, fit for a terminal, without colour."""
    if verb in _TABLES and verb in answer:
        rows = list(_rows(verb, answer))
        yield from _columns(rows) if rows else (_NONE[verb],)
    else:
        yield from _RENDERERS[verb](answer)


def _outcome(answer: Answer) -> Iterator[str]:
    yield from _changes(answer["changes"], "")
    yield from _changes(answer["reported"], "reported only: ")
    yield from _changes(answer["held"], "held: ")
    yield from _waits(answer["waits"])
    for mistake in answer["mistakes"]:
        yield escape(mistake["message"])
    for failure in answer["failures"]:
        yield escape(f"failed: {failure}")
    revision = f" at {answer['revision']}" if answer["revision"] else ""
    yield f"{_result(answer)}{revision} ({answer['seconds']:.1f} s)"


def _result(answer: Answer) -> str:
    """What waits or is only told differs from git, though there was nothing to do."""
    left = [f"{len(answer[key])} {word}" for key, word in _COUNTED if key != "changes" and answer[key]]
    if answer["result"] == "in_sync" and left:
        return f"nothing to change now, {', '.join(left)}"
    return _RESULTS.get(answer["result"], str(answer["result"]))


def _plan(answer: Answer) -> Iterator[str]:
    yield from _refusal(answer)
    yield from _changes(answer["changes"], "")
    yield from _changes(answer["reported"], "reported only: ")
    yield from _changes(answer["held"], "held: ")
    yield from _waits(answer["waits"])
    yield from _unmanaged(answer)
    for activation in answer.get("activations", ()):  # an earlier version's plan, held, has another word
        does = activation["disruption"].lower() if activation["disruption"] != "NONE" else "no more than its check"
        yield escape(f"then {activation['service']}: {does}, {activation['reason']}")
    at = f" at {answer['revision']}" if answer["revision"] else ""
    if answer["in_sync"]:
        yield f"in sync{at}"
        return
    counts = [f"{len(answer[key])} {word}" for key, word in _COUNTED if answer[key]]
    yield f"{', '.join(counts) or 'an activation'}{at}"


def _refusal(answer: Answer) -> Iterator[str]:
    """Why a plan is not that of the newest commit."""
    for mistake in answer.get("mistakes", ()):  # an earlier version's plan, held or told, lacks the word
        yield escape(mistake["message"])
    for failure in answer.get("failures", ()):
        yield escape(f"failed: {failure}")
    if answer.get("mistakes"):
        yield "the newest commit has mistakes; this is the plan for what was right before:"


_COUNTED = (
    ("changes", "to change"),
    ("held", "held until `prosodist confirm`"),
    ("reported", "reported only"),
    ("waits", "waiting"),
)


def _changes(changes: Iterable[Answer], prefix: str) -> Iterator[str]:
    for change in changes:
        sign = _SIGNS.get(change["kind"], "?")
        origin = f" ({change['origin']})" if change["origin"] else ""
        loss = "; loses data" if change["loses_data"] else ""
        yield escape(f"{sign} {prefix}{change['object']}: {change['why']}{loss}{origin}")
        if change["needs_word"]:
            yield escape(f"    {change['needs_word']}")
        for line in change["diff"]:
            yield escape(f"    {line}".rstrip())


def _waits(waits: Iterable[Answer]) -> Iterator[str]:
    for wait in waits:
        yield escape(f"… {wait['id'].partition(':')[2]}: {wait['why']}")


def _unmanaged(answer: Answer) -> Iterator[str]:
    """An earlier version's plan lacks the word."""
    for found in answer.get("unmanaged", ()):
        yield escape(f"? not in git: {found['object']}: a {found['kind']}; it {found['why']}")


def _confirmed(answer: Answer) -> Iterator[str]:
    yield "confirmed:"
    yield from (f"  {line}" for line in _plan(answer["plan"]))
    if "outcome" in answer:
        yield from _outcome(answer["outcome"])


def _accepted(answer: Answer) -> Iterator[str]:
    yield escape(f"accepted {answer['accepted']}")
    if "outcome" in answer:
        yield from _outcome(answer["outcome"])


def _suspended(answer: Answer) -> Iterator[str]:
    yield _suspension(answer["suspended"])


def _suspension(suspended: Answer) -> str:
    until = f"until {_time(suspended['until'])}" if suspended["until"] else "until `prosodist resume`"
    return escape(f"suspended {until}: {suspended['reason']} (by {suspended['by']})")


def _resumed(answer: Answer) -> Iterator[str]:
    yield "resumed" if answer["resumed"] else "was not suspended"


def _restored(answer: Answer) -> Iterator[str]:
    yield escape(f"restored {answer['restored']}; git still says otherwise unless you change it there")


def _status(answer: Answer) -> Iterator[str]:
    agent = answer["agent"]
    yield escape(f"{answer['host']}: {answer['sync']}, {answer['health']}")
    yield f"agent       {'runs, process ' + str(agent['pid']) if agent['running'] else 'does not run'}"
    yield escape(f"repository  {answer['repository']}, branch {answer['branch']}")
    for mark in ("attempted", "accepted", "applied", "good", "rejected"):
        with_pins = ", ".join(f"{name} {version}" for name, version in answer["pins"].items()) if mark == "good" else ""
        yield escape(f"{mark:<11} {answer[mark] or '-'}" + (f" with {with_pins}" if with_pins else ""))
    if answer["suspended"]:
        yield _suspension(answer["suspended"])
    for condition in answer["conditions"]:
        if condition["type"] != "Ready":
            for index, line in enumerate(str(condition["message"]).split("\n")):
                head = f"{condition['type']} ({condition['reason']}): " if index == 0 else "    "
                yield escape(f"{head}{line}")
    yield from _unmanaged(answer)


def _rows(verb: str, answer: Answer) -> Iterator[tuple[str, ...]]:
    cells: tuple[str, ...]
    for item in answer.get(verb, ()):
        match verb:
            case "drift":
                cells = (item["object"], item["class"], _time(item["since"]), item["why"])
            case "kept":
                cells = (item["id"], item["time"], item["object"])
            case _:
                what = " ".join(str(item[key]) for key in ("object", "reason") if item.get(key))
                cells = (_time(item["at"]), item["event"], (item["revision"] or "-")[:12], what)
        yield tuple(escape(str(cell)) for cell in cells)


_TABLES = {
    "drift": ("object", "class", "since", "why"),
    "kept": ("id", "time", "object"),
    "history": ("time", "event", "revision", "what"),
}
_NONE = {"drift": "no drift", "kept": "nothing is kept", "history": "nothing has happened yet"}

_RENDERERS: Mapping[str, Callable[[Answer], Iterator[str]]] = {
    "reconcile": _outcome,
    "plan": _plan,
    "confirm": _confirmed,
    "accept": _accepted,
    "suspend": _suspended,
    "resume": _resumed,
    "status": _status,
    "kept": _restored,
}


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """As wide as they need be; the last one ends where it ends."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _print_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """For a terminal: with a heading."""
    first, *rest = _columns((heads, *rows))
    print(_bold(first), *rest, sep="\n")


def _bold(line: str) -> str:
    return line if os.environ.get("NO_COLOR") else f"\x1b[1m{line}\x1b[0m"


def _coloured(line: str) -> str:
    colour = _COLOURS.get(line.lstrip()[:1])
    return f"\x1b[{colour}m{line}\x1b[0m" if colour and not os.environ.get("NO_COLOR") else line


def _time(seconds: float) -> str:
    """UTC to the second, as in the log."""
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
