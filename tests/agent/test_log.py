"""The log: no secret gets out, nothing raises, machines and people can both read it."""

from __future__ import annotations

import ast
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from agent import log

ROOT = Path(__file__).parents[2]

PREAMBLE = """
import sys
from pathlib import Path
from agent import log
from schemas.secret import Secret
log.configure(sys.argv[1] if len(sys.argv) > 1 else None)
LOG = log.LOG
"""


def logged(code: str, format_: str = "json", **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run `code` in a process of its own."""
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + code, format_], cwd=ROOT, stdout=subprocess.PIPE, timeout=30, **options
    )  # type: ignore[call-overload, no-any-return]


def test_a_line_is_one_json_object_with_the_stable_keys_first() -> None:
    """`time` in UTC, `level`, `event`, then what it is about; paths and tuples are JSON's own."""
    done = logged("""LOG.info("change.made", why=1, revision="abc", object=Path("/etc/motd"), diff=("-a", "+b"))""")
    line = json.loads(done.stderr)
    assert list(line)[:5] == ["time", "level", "event", "object", "revision"]
    assert line["time"].endswith("Z")
    assert line | {"time": ""} == {
        "time": "", "level": "info", "event": "change.made", "object": "/etc/motd", "revision": "abc", "why": 1,
        "diff": ["-a", "+b"],
    }  # fmt: skip
    assert done.stdout == b""


@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_known_secret_is_nowhere_in_the_line(format_: str) -> None:
    """Not in values, however deep, not in keys, bytes, objects, exceptions, causes or other libraries' words."""
    done = logged(
        """
import logging
log.hide(Secret("correct horse"))
class Odd:
    def __str__(self): return "odd: correct horse"
try:
    try:
        raise ValueError("inner correct horse")
    except ValueError as e:
        raise RuntimeError("outer correct horse") from e
except RuntimeError:
    LOG.exception("pass.failed", a={"b": [("correct horse", {"correct horse": 1})]}, c=b"correct horse!", d=Odd(),
                  e=Secret("correct horse"), object="correct horse", reason="said correct horse\\n twice")
logging.getLogger("acme").warning("library says %s", "correct horse")
""",
        format_,
    )
    assert b"correct horse" not in done.stderr
    assert b"***" in done.stderr
    assert b"ValueError" in done.stderr
    assert b"library.warned" in done.stderr


def test_each_line_of_a_secret_is_hidden_and_a_short_one_is_not() -> None:
    """A diff prints single lines; replacing `ab` would garble everything."""
    done = logged("""
log.hide(Secret("first line of it\\nsecond line of it\\n")); log.hide(Secret("ab"))
LOG.info("change.made", diff=["+second line of it"], reason="cab")
""")
    line = json.loads(done.stderr)
    assert line["diff"] == ["+***"]
    assert line["reason"] == "cab"


def test_of_two_secrets_one_within_the_other_the_longer_is_hidden_whole() -> None:
    """Else its remainder would be told."""
    done = logged("""
log.hide(Secret("passwd")); log.hide(Secret("passwd-and-more"))
LOG.info("change.made", reason="passwd-and-more")
""")
    assert json.loads(done.stderr)["reason"] == "***"


def test_the_console_cannot_be_steered_by_what_is_logged() -> None:
    """Names come from repositories; escapes, other controls and direction marks are shown, not obeyed."""
    done = logged(
        """LOG.warning("drift.appeared", object="/etc/\\x1b[2Ja\\r\\u202ebx\\x9b1m", reason="l1\\nl2\\x1b]0;x")""",
        "console",
    )
    text = done.stderr.decode()
    assert set(text) & set("\x1b\r\u202e\x9b") == set()
    assert r"/etc/\x1b[2Ja\r\u202ebx\x9b1m" in text
    assert "\n    l2\\x1b]0;x\n" in text


def test_json_has_no_control_characters_either() -> None:
    """journalctl and less show them to terminals; decoded, the value is what it was."""
    done = logged("""LOG.info("change.made", object="a\\x1b\\x9b\\u202e\\udc80ü")""")
    assert set(done.stderr.decode()) & set("\x1b\x9b\u202e") == set()
    assert "ü" in done.stderr.decode()
    assert json.loads(done.stderr)["object"] == "a\x1b\x9b\u202e\udc80ü"


def test_what_cannot_be_shown_is_logged_all_the_same() -> None:
    """Loops, objects whose text raises, NaN, wrong format strings of libraries: the event still gets out."""
    done = logged("""
import logging
class Bad:
    def __str__(self): raise RuntimeError
loop = []; loop.append(loop)
LOG.info("change.made", loop=loop, bad=Bad(), nan=float("nan"), s={1, 2})
logging.getLogger("x").warning("%d", "no number")
""")
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["change.made", "library.warned"]


DAUNTLESS = """
for _ in range(3):
    LOG.info("change.made", reason="x" * 100)
print("alive")
"""


@pytest.mark.parametrize("format_", ["json", "console"])
@pytest.mark.parametrize("kind", ["full", "broken", "closed"])
def test_a_log_that_cannot_be_written_stops_nothing(kind: str, format_: str) -> None:
    """A full disk, a reader that went away, no stderr at all: the process goes on and ends well."""
    read, write = os.pipe()
    os.close(read)
    try:
        if kind == "full":
            with open("/dev/full", "wb") as full:
                done = logged(DAUNTLESS, format_, stderr=full)
        elif kind == "broken":
            done = logged(DAUNTLESS, format_, stderr=write)
        else:
            done = logged(DAUNTLESS, format_, stderr=None, preexec_fn=lambda: os.close(2))
    finally:
        os.close(write)
    assert (done.returncode, done.stdout) == (0, b"alive\n")


def test_without_stderr_a_line_never_lands_in_another_file(tmp_path: Path) -> None:
    """Descriptor 2 may be the state's database by then."""
    victim = tmp_path / "state"
    code = f"import os\nfd = os.open({str(victim)!r}, os.O_CREAT | os.O_RDWR)\nLOG.info('change.made')\nprint(fd)"
    done = logged(code, stderr=None, preexec_fn=lambda: os.close(2))
    assert done.stdout == b"2\n"
    assert victim.read_bytes() == b""


def test_the_level_can_change_while_running() -> None:
    """SIGHUP reads the settings again, and loggers made before follow."""
    done = logged("""
LOG.debug("pass.done"); log.configure("json", "debug"); LOG.debug("stalled"); log.configure("json", "error")
LOG.warning("resumed")
""")
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["stalled"]


def test_the_format_follows_the_terminal() -> None:
    """Nobody said: json where stderr is a pipe, console on a terminal."""
    code = PREAMBLE.replace("sys.argv[1] if len(sys.argv) > 1 else None", "") + 'LOG.info("resumed")'
    piped = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=30, check=True)
    assert json.loads(piped.stderr)["event"] == "resumed"
    ours, theirs = os.openpty()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=theirs, timeout=30, check=True)
    shown = os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)
    assert b"resumed" in shown
    assert not shown.startswith(b"{")


@pytest.fixture
def as_before() -> Iterator[None]:
    """Logging as it was, for a test that sets it up within this process."""
    handlers = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = handlers
    structlog.reset_defaults()


def test_setting_up_twice_tells_libraries_words_once(as_before: None, capfd: pytest.CaptureFixture[str]) -> None:
    """Each SIGHUP sets up the log again."""
    log.configure("json")
    log.configure("json")
    logging.getLogger("somebody").warning("hello")
    assert capfd.readouterr().err.count("library.warned") == 1


def _names_logged() -> Iterator[tuple[str, str]]:
    """Every event name in the code, and where it stands."""
    levels = {"debug", "info", "warning", "error", "exception", "critical", "tell", "change"}
    for file in sorted((ROOT / "agent").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in levels):
                continue
            owner = ast.unparse(node.func.value).rpartition(".")[2].strip("_").lower()
            if owner in ("log", "events", "get_logger()") and node.args:
                first = node.args[0]
                name = first.value if isinstance(first, ast.Constant) else None
                yield str(name), f"{file.relative_to(ROOT)}:{node.lineno}"


def test_every_event_is_in_the_table() -> None:
    """What is logged has a constant name that the documentation lists."""
    forwarded = {"agent/events.py"}  # tells what others name; those are seen where they name it
    unknown = [
        f"{place}: {name}"
        for name, place in _names_logged()
        if name not in log.EVENTS and not (name == "None" and place.partition(":")[0] in forwarded)
    ]
    assert unknown == []


def test_the_table_is_frozen_and_its_meanings_are_clauses() -> None:
    """The documentation prints them one a line."""
    with pytest.raises(TypeError):
        log.EVENTS["x"] = ""  # type: ignore[index]
    assert all(meaning and "\n" not in meaning and not meaning.endswith(".") for meaning in log.EVENTS.values())


@pytest.mark.parametrize("format_", ["", "json"])
def test_the_journal_gets_levels_and_no_second_time(format_: str) -> None:
    """systemd names the file it reads; each line for it begins with its priority, and none has a time."""
    code = PREAMBLE + 'LOG.error("stalled", reason="one\\ntwo"); LOG.info("resumed")'
    lead = "import os, sys; seen = os.fstat(2); os.environ['JOURNAL_STREAM'] = f'{seen.st_dev}:{seen.st_ino}'\n"
    arguments = [format_] if format_ else []
    command = [sys.executable, "-c", lead + code, *arguments]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30, check=True).stderr.decode().splitlines()
    if format_:
        assert [json.loads(line[3:])["event"] for line in said] == ["stalled", "resumed"]
    else:
        assert [line[3:].split() for line in said] == [["stalled"], ["one"], ["two"], ["resumed"]]
    assert [line[:3] for line in said] == ["<3>"] * (len(said) - 1) + ["<6>"]
    assert "time" not in "".join(said)


def test_what_was_led_away_from_the_journal_is_no_journal() -> None:
    """The variable is inherited, also by a program whose stderr is a pipe of somebody else's."""
    command = [sys.executable, "-c", PREAMBLE + 'LOG.info("resumed")']
    said = subprocess.run(
        command, cwd=ROOT, capture_output=True, timeout=30, check=True, env={**os.environ, "JOURNAL_STREAM": "1:2"}
    )
    assert json.loads(said.stderr)["time"]
