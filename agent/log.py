"""The log: one line an event, for machines (json) or people (console), on stderr, which may be systemd's journal.

An event is a constant name from `EVENTS` with fields; the stable ones are `time` (ISO 8601, UTC), `level`,
`event`, `reason`, `object` (a path or JID), `revision` (the full id) and `class` (of a drift). No known secret
gets out, and nothing here raises: a log that cannot be written must not stop what it tells about.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from agent.printable import escape, escape_lines
from schemas.secret import Secret

EVENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "activation.failed": "a service is not up after it was told of new files; that fails each pass until it is up, "
        "or its files are others",
        "activation.made": "a service was started, reloaded or restarted, so that a round's changes are live",
        "anchor.unwritten": "the second copy of the accepted revision could not be written: see `reason`",
        "agent.started": "the agent runs; says its version, host, profile and repository",
        "agent.stopped": "the agent ends; `reason` is the signal or the mistake",
        "change.failed": "one change could not be made; it is tried again, and told again when its words change",
        "change.held": "a change waits for `prosodist confirm`",
        "change.made": "one object was created, changed, removed or released",
        "commit.accepted": "a commit descends from the former one and has no mistake for this host",
        "commit.refused": "a commit was not taken; said once, with every mistake and its file:line:column",
        "config.checked": "prosodyctl has remarks about the configuration that is about to be used",
        "confirmed": "a person confirmed the plan that was held",
        "drift.appeared": "an object is no longer as it was last applied",
        "drift.changed": "an open drift looks different now",
        "drift.cleared": "a drift is gone: corrected, or taken back by whoever made it",
        "drift.contested": "put right five times within minutes, and changed each time; left alone for ten minutes, "
        "or until `prosodist reconcile`",
        "health.failed": "a service is not well after an activation; `reason` is the rung that failed",
        "history.failed": "an event could not be put down in the history",
        "kept.stored": "what a person wrote was kept before it was corrected; `prosodist kept list` shows it",
        "library.warned": "a library that the agent uses has something to say",
        "log.untrimmed": "a log of Prosody's has grown too large and could not be begun anew",
        "mirror.mended": "the mirror of the repository was broken and has been made anew",
        "notify.failed": "the service manager could not be told that the agent is ready",
        "pass.done": "a pass ended; says its result, its revision and how long it took",
        "pass.failed": "a pass did not reach its end",
        "pass.fault": "a fault of the agent ended a pass; the agent goes on",
        "paths.unwatched": "some managed paths cannot be watched; the next full look finds changes there",
        "request.failed": "a command's request ended in a fault of the agent",
        "request.refused": "somebody who is neither root nor the agent's user spoke to the control socket",
        "resumed": "the agent makes changes again",
        "rolled_back": "a commit was unhealthy; the last good state is back",
        "service.refused": "the check of a service said no to its new files; the former ones are back, "
        "and nothing was reloaded",
        "settings.refused": "the settings were to be read again and have a mistake; the former ones stay",
        "settings.reloaded": "the settings were read again (SIGHUP)",
        "source.recovered": "the repository can be reached again",
        "source.unreachable": "the repository cannot be reached; the last good state is enforced",
        "source.unsaved": "the accepted and the good revision could not be saved beside the mirror",
        "state.lost": "what was remembered is gone or damaged; a new one is begun, and what it does not know stays",
        "stalled": "neither forward nor back works; a person must act",
        "suspended": "the agent looks and reports, and changes nothing",
        "unmanaged.appeared": "something of Prosody's that never was in git was found, and is left alone",
        "unmanaged.cleared": "it is gone, or is git's now",
        "upgrade.checked": "a version of Prosody that is about to be installed takes the configuration",
        "upgrade.one_way": "the installed version could not be kept as a file: there may be no way back to it",
        "upgrade.unchecked": "a version of Prosody could not be tried beside the system; its start will show",
    }
)
"""Every event that is logged, and what it means."""

_SHORTEST = 6
"""Hiding shorter secrets would garble every line, and hide nothing that guessing does not find."""

_DEEPEST = 12
_FIRST_KEYS = ("time", "level", "event", "object", "class", "reason", "revision")
_TERMINAL_CONTROLS = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # what json.dumps leaves as it is
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Syslog's, of systemd's journal."""
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31"}


def configure(format: str | None = None, level: str = "info") -> None:
    """Set up all logging of this process. `format`: json or console; None: for people on a terminal and in the journal.

    `level`: debug, info, warning or error. May be called again, when the settings are read anew.
    """
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    in_journal = _is_journal()
    if format is None:
        format = "console" if _is_terminal() or in_journal else "json"
    render = _render_console if format == "console" else _render_json
    LOG.set_up(partial(_render_for_journal, render) if in_journal else render, number)
    if not any(isinstance(handler, _Libraries) for handler in logging.root.handlers):
        logging.root.addHandler(_Libraries(logging.WARNING))


def hide(secret: Secret) -> None:
    """From now on this value, and each line of it, is logged as ***. Values under six characters are left."""
    text = secret.reveal().decode("utf-8", "surrogateescape")
    lines = [line.strip() for line in text.splitlines() if not line.startswith("-----")]
    for part in (text.strip(), *lines):
        if len(part) >= _SHORTEST:
            _HIDDEN.add(part)


def redact(text: str) -> str:
    """`text` without any secret that `hide` was told of."""
    return _HIDDEN.replace(text)


class _Hidden:
    """The values that must not be seen, as one pattern; longer ones first, since one may hold another."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        if value not in self._values:
            self._values.add(value)
            self._pattern = None

    def replace(self, text: str) -> str:
        if not self._values:
            return text
        if self._pattern is None:
            self._pattern = re.compile("|".join(map(re.escape, sorted(self._values, key=len, reverse=True))))
        return self._pattern.sub("***", text)


_HIDDEN = _Hidden()


class _Log:
    """structlog's logger. It is imported with the first event: a `plan` tells none, and asyncio would come with it."""

    _wanted: tuple[Callable[..., str], int] | None = None

    def set_up(self, render: Callable[..., str], level: int) -> None:
        """From the next event on: how a line is written, and the least level of one that is."""
        self._wanted = render, level

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 (structlog's own)
        import structlog

        if self._wanted is not None:
            render, level = self._wanted
            structlog.configure(
                processors=[
                    structlog.processors.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                    structlog.processors.format_exc_info,
                    _redact,
                    render,
                ],
                wrapper_class=structlog.make_filtering_bound_logger(level),
                logger_factory=lambda *_: _Stderr(),
                cache_logger_on_first_use=False,
            )
            self._wanted = None
        return getattr(structlog.get_logger(), method)


LOG: Final = _Log()
"""Where events are told."""


def redacted(value: object) -> Any:  # noqa: ANN401 (as plain as JSON)
    """`redact` at every depth: what is no number, boolean or None becomes text, lists and maps of it."""
    return _plain(value, 0)


def _redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {redact(str(key)): _plain(value, 0) for key, value in event.items()}


def _plain(value: object, depth: int) -> Any:  # noqa: ANN401
    """`value` in JSON's types and without secrets."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "surrogateescape"))
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {redact(_text(key)): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    return redact(_text(value))


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # somebody's __str__; the event matters more
        return f"<{type(value).__name__}>"


def _render_json(_logger: object, _method: str, event: Mapping[str, Any]) -> str:
    line = json.dumps(_ordered(event), ensure_ascii=False)
    return _TERMINAL_CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def _render_console(_logger: object, _method: str, record: Mapping[str, Any]) -> str:
    event = _ordered(record)
    time, level, name = (str(event.pop(key, "")) for key in ("time", "level", "event"))
    when = f"{time} {_coloured(f'{level:<7}', level)} " if time else ""
    below: list[str] = []
    fields: list[str] = []
    for key, value in event.items():
        if value is None or value in ("", []):
            continue
        if isinstance(value, str) and "\n" in value:
            below += escape_lines(value.rstrip("\n"))
        elif key == "diff" and isinstance(value, list):
            below += [escape(str(line)) for line in value]
        else:
            fields.append(f"{escape(key)}={_quoted(value)}")
    head = f"{when}{escape(name):<17} {' '.join(fields)}".rstrip()
    return "\n".join([head, *(f"    {line}" for line in below)])


def _render_for_journal(render: Callable[..., str], logger: object, method: str, event: Mapping[str, Any]) -> str:
    """The journal has the time by itself, and takes a level at the head of each line (sd-daemon(3))."""
    priority = _PRIORITIES.get(str(event.get("level")), 6)
    timeless = {key: value for key, value in event.items() if key != "time"}
    return "\n".join(f"<{priority}>{line}" for line in render(logger, method, timeless).split("\n"))


def _ordered(event: Mapping[str, Any]) -> dict[str, Any]:
    return {key: event[key] for key in _FIRST_KEYS if key in event} | dict(event)


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = escape(text)
    return shown if text and not set(text) & set(' "=') else '"' + shown.replace('"', '\\"') + '"'


def _coloured(text: str, level: str) -> str:
    if not _is_terminal() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_COLOURS.get(level, '0')}m{text}\x1b[0m"


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError, OSError):  # closed, or never there
        return False


def _is_journal() -> bool:
    """Whether what we say goes to systemd's journal, and not somewhere that it was led to since (systemd.exec(5))."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (AttributeError, ValueError, OSError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class _Stderr:
    """Where lines go: one write a line, so that no other process gets in between. What fails is lost."""

    def msg(self, line: str) -> None:
        data = (line + "\n").encode("utf-8", "backslashreplace")
        try:
            descriptor = sys.stderr.fileno()
        except (AttributeError, ValueError, OSError):  # closed, or something that a test put there
            self._print(data)
            return
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:  # full, or nobody reads: whoever watches the log has other ways to notice
            return

    debug = info = warning = error = critical = exception = log = msg

    @staticmethod
    def _print(data: bytes) -> None:
        try:
            sys.stderr.write(data.decode())
        except (AttributeError, ValueError, OSError):
            return


class _Libraries(logging.Handler):
    """What watchdog, acme and their like log through the standard library becomes one event of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception:  # their format string; not ours to mend
            text = str(record.msg)
        LOG.warning("library.warned", reason=text, library=record.name)
