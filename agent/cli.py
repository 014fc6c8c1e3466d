"""The command line: from words to an answer, and from an answer to text and an exit code.

Whatever costs time to import is imported by the verb that needs it: where an agent answers, this process does no
more than ask. Answers go to stdout, everything else to stderr.
"""

# ruff: noqa: T201 (printing is what this file is for)

from __future__ import annotations

import gc
import json
import os
import sys

from agent import ask, exits, where
from agent.progress import Progress
from agent.words import read_plain

TYPE_CHECKING = False  # see agent/ask.py
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from agent.settings import Settings
    from agent.words import Words
    from schemas.errors import AgentError

_PATIENCE = 2.0
"""Seconds that a verb which can look for itself waits for an agent that is busy with a pass."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the words say. The answer is the exit code; nothing is raised but SystemExit by a word too many."""
    words = _understood(sys.argv[1:] if arguments is None else arguments)
    if words.verb != "run":
        gc.disable()  # it lives for moments, and going through what it imports would be a tenth of all its work
    try:
        return _carry_out(words)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return exits.NOT_READ


def _understood(arguments: Sequence[str]) -> Words:
    if (words := read_plain(arguments)) is not None:
        return words
    from agent import verbs

    return verbs.parse(arguments)


def _drop_output() -> None:
    """What could not be written is given up, or the interpreter fails once more when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _carry_out(words: Words) -> int:
    try:
        code = _VERBS[words.verb](words)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except ask.Refused as error:
        return _complain(words, error.reason, str(error), error.code)
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        from schemas.errors import AgentError

        if isinstance(error, AgentError):
            return _complain_of(words, error)
        if isinstance(error, OSError):
            _drop_output()
            return _complain(words, "Error", f"{error.filename or words.verb}: {error.strerror or error}", 1)
        raise


def _complain_of(words: Words, error: AgentError) -> int:
    from agent.control import exit_code
    from agent.log import redact

    return _complain(words, error.reason, redact(str(error)), exit_code(error))


def _complain(words: Words, reason: str, message: str, code: int) -> int:
    from agent.printable import escape_lines

    if words.output == "json":
        _print_json({"error": {"reason": reason, "message": message, "code": code}})
    if sys.stderr is not None:
        print("\n".join(f"prosodist: {line}" for line in escape_lines(message)), file=sys.stderr)
    return code


# --- verbs that the agent answers -----------------------------------------------------------------------------


def _reconcile(words: Words) -> int:
    answer = _agent_or_self(words, "reconcile", {"full": words.full})
    _print(words, answer)
    return exits.code_of(answer, detailed=words.detailed_exitcode)


def _plan(words: Words) -> int:
    answer = _agent_or_self(words, "plan", {})
    _print(words, answer)
    if answer.get("mistakes") or answer.get("failures"):
        return 1  # it is not the plan of the newest commit
    return 2 if words.detailed_exitcode and not answer["in_sync"] else 0


def _confirm(words: Words) -> int:
    return _with_outcome(words, _agent_or_self(words, "confirm", {}))


def _accept(words: Words) -> int:
    return _with_outcome(words, _agent_or_self(words, "accept", {"revision": words.revision}))


def _suspend(words: Words) -> int:
    arguments = {"reason": " ".join(words.reason), "seconds": words.seconds, "by": _user()}
    _print(words, _agent_or_self(words, "suspend", arguments))
    return 0


def _resume(words: Words) -> int:
    _print(words, _agent_or_self(words, "resume", {}))
    return 0


def _with_outcome(words: Words, answer: Mapping[str, Any]) -> int:
    _print(words, answer)
    return exits.code_of(answer["outcome"], detailed=False) if "outcome" in answer else 0


def _agent_or_self(words: Words, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The running agent's answer; where none runs, that of an engine which lives for this one verb."""
    control_socket, state_dir = _places(words)
    with Progress() as progress:
        try:
            return ask.ask(control_socket, verb, arguments, progress.say)
        except ask.NoAgent:
            from agent import testimony

            if verb == "plan" and (answer := testimony.hear(_config(words), state_dir)) is not None:
                return answer
            from agent import alone

            return alone.answer(_settings(words), _config_path(words), verb, arguments, progress.say)


# --- verbs that only look: a busy agent need not be waited for ------------------------------------------------


def _status(words: Words) -> int:
    answer = _agent_or_view(words, "status", {})
    pid = ask.running(_places(words)[0])
    _print(words, {**answer, "agent": {"running": pid is not None, "pid": pid}})
    return 0


def _drift(words: Words) -> int:
    _print(words, _agent_or_view(words, "drift", {}))
    return 0


def _history(words: Words) -> int:
    _print(words, _agent_or_view(words, "history", {"limit": words.limit}))
    return 0


def _agent_or_view(words: Words, verb: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    control_socket, state_dir = _places(words)
    try:
        return ask.ask(control_socket, verb, arguments, lambda _: None, patience=_PATIENCE)
    except (ask.NoAgent, ask.NoPatience):
        from agent import alone

        return alone.look(_settings(words), state_dir, verb, arguments)


# --- verbs of their own ---------------------------------------------------------------------------------------


def _run(words: Words) -> int:
    from agent import log

    log.configure()
    settings = _settings(words)
    log.configure(settings.log.format, settings.log.level)
    from agent import loop

    return loop.serve(settings, _config_path(words))


def _of_checkout(words: Words) -> int:
    from agent import checkout

    return checkout.VERBS[words.verb](words)


def _kept(words: Words) -> int:
    if words.deed == "restore":
        _print(words, _agent_or_self(words, "restore", {"id": words.id}))
        return 0
    from agent.kept import Kept

    settings = _settings(words)
    kept = Kept(settings.state_dir, settings.age_key)
    if words.deed == "show":
        sys.stdout.flush()
        sys.stdout.buffer.write(kept.show(words.id))
        sys.stdout.buffer.flush()
        return 0
    items = [item.to_json() for item in kept.list()]
    if words.output == "json":
        _print_json(items)
    else:
        _print(words, {"kept": items})
    return 0


def _secret(words: Words) -> int:
    from pathlib import Path

    from agent import secretfiles

    match words.deed:
        case "keygen":
            return secretfiles.keygen(_age_key(words), as_json=words.output == "json")
        case "encrypt":
            return secretfiles.encrypt(Path())
        case "edit":
            return secretfiles.edit(Path(words.file), Path(words.identity or _age_key(words)))
        case _:
            file = Path(words.file) if words.file else None
            return secretfiles.decrypt(file, Path(words.identity or _age_key(words)))


def _age_key(words: Words) -> Path:
    """The host's; where nobody has written settings yet, the key that they would name by default."""
    from pathlib import Path

    if words.config is None and not os.path.exists(where.default_config()):
        return Path(where.default_age_key())
    return _settings(words).age_key


def _version(words: Words) -> int:
    from agent.version import VERSION

    if words.output == "json":
        _print_json({"version": VERSION})
    else:
        print(f"prosodist {VERSION}")
    return 0


_VERBS = {
    "run": _run,
    "reconcile": _reconcile,
    "plan": _plan,
    "validate": _of_checkout,
    "show": _of_checkout,
    "schema": _of_checkout,
    "init": _of_checkout,
    "status": _status,
    "drift": _drift,
    "kept": _kept,
    "secret": _secret,
    "history": _history,
    "confirm": _confirm,
    "accept": _accept,
    "suspend": _suspend,
    "resume": _resume,
    "version": _version,
}


# --- settings and output --------------------------------------------------------------------------------------


def _config(words: Words) -> str:
    return words.config or where.default_config()


def _places(words: Words) -> tuple[str, str]:
    """The control socket and the state directory."""
    if (places := where.control_socket_of(_config(words))) is not None:
        return places
    settings = _settings(words)
    return str(settings.control_socket), str(settings.state_dir)


def _config_path(words: Words) -> Path:
    from pathlib import Path

    return Path(_config(words)).absolute()


def _settings(words: Words) -> Settings:
    from agent.settings import load_settings

    return load_settings(_config(words))


def _user() -> str:
    """Who asks: behind sudo the person, not root."""
    import pwd

    if os.getuid() == 0 and (name := os.environ.get("SUDO_USER")):
        return name
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _print(words: Words, answer: Mapping[str, Any]) -> None:
    if words.output == "json":
        _print_json(answer)
        return
    from agent import report

    report.show(words.verb, answer, on_terminal=sys.stdout is not None and sys.stdout.isatty())


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))
