"""The command line, as a real process: its answers, its exit codes, its help; against an agent and without one."""

from __future__ import annotations

import itertools
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent import exits, report, verbs
from agent.control import Request, Server
from agent.outcome import Outcome, Result, plan_json
from schemas.errors import AgentError, HistoryRewritten, Mark, Mistake, SpecError, Stalled
from schemas.plan import Activation, Change, Disruption, Kind, NextRound, Plan, Wait

ROOT = Path(__file__).parents[2]
REVISION = "4dd3b3ec2f1a" + "0" * 28

CHANGE = Change(
    id="file:/etc/motd", kind=Kind.CHANGED, why="its content differs", actions=(), wanted="a", live="b",
    origin=Mark("hosts/a.yaml", 3, 5), diff=("-old", "+new \x1b[2J"),
)  # fmt: skip
HELD = Change(
    id="config:/etc/prosody/prosody.cfg.lua", kind=Kind.CHANGED, why="made by hand", actions=(), wanted="a", live="b",
    needs_word="it would be replaced",
)  # fmt: skip
WAIT = Wait(id="certificate:a.example", why="no key yet", until=NextRound())


class Agent:
    """A running agent that knows a few answers."""

    def __init__(self, socket: Path) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.plan = Plan(verdicts=(CHANGE, WAIT))
        self.refusal: AgentError | None = None
        self.outcome = Outcome(result=Result.CHANGED, revision=REVISION, made=(CHANGE,))
        self.gate = threading.Event()
        self.gate.set()
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._worker = threading.Thread(target=self._work)
        self._worker.start()
        self._server = Server(socket, self._requests.put)

    def close(self) -> None:
        """End it."""
        self.gate.set()
        self._server.close()
        self._requests.put(None)
        self._worker.join()

    def answer(self, verb: str, arguments: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
        """The engine's part."""
        self.asked.append((verb, arguments))
        progress("looking at everything")
        self.gate.wait(20)
        match verb:
            case "plan":
                return plan_json(self.plan, revision=REVISION, refusal=self.refusal)
            case "reconcile":
                return self.outcome.to_json()
            case "confirm":
                held = plan_json(Plan(held=(HELD,)), revision=REVISION, digest="d")
                return {"plan": held, "outcome": self.outcome.to_json()}
            case "accept":
                raise HistoryRewritten("the branch: was rewritten", remedy="run prosodist accept REVISION")
            case "suspend":
                return {"suspended": {"until": None, "since": 0, **arguments}}
            case "drift":
                return {"drift": [{"object": "/etc/motd", "class": "corrective", "why": "edited", "since": 0}]}
            case "history":
                return {"history": [{"at": 0, "event": "change.made", "revision": REVISION, "object": "/etc/motd"}]}
            case "restore":
                return {"restored": "/etc/motd"}
        raise Stalled("the host: neither forward nor back; look at the log")

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            request.serve(self)


@pytest.fixture
def config(home: Path) -> Path:
    """Settings of a host."""
    file = home / "agent.yaml"
    file.write_text(
        f"repository: {home}/repo\nhost: a.example\nprofile: local\nhome: {home}/h\nstate_dir: {home}/state\n"
    )
    return file


@pytest.fixture
def agent(home: Path, config: Path) -> Iterator[Agent]:
    """An agent that runs with these settings."""
    (home / "state").mkdir(mode=0o700)
    agent = Agent(home / "state" / "control.sock")
    yield agent
    agent.close()


def prosodist(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """`python -m agent WORDS`."""
    options = {"capture_output": True, "text": True, "timeout": 60, "cwd": ROOT} | options
    return subprocess.run([sys.executable, "-m", "agent", *map(str, words)], check=False, **options)


# --- words ---


def test_every_verb_teaches_by_an_example_and_its_exit_codes() -> None:
    """--help of each: what it does, how it is used, what it returns."""
    for verb in verbs._VERBS:
        done = prosodist(verb, "--help")
        assert done.returncode == 0
        assert f"prosodist {verb}" in done.stdout.partition("examples:")[2]
        assert "exit codes:" in done.stdout
    assert all(verb in prosodist("--help").stdout for verb in verbs._VERBS)


@pytest.mark.parametrize(("words", "says"), [
    (("plann",), "did you mean plan?"), (("-o", "json", "stauts"), "did you mean status?"), (("xyz",), "there are run"),
    ((), "no verb"), (("plan", "--detail"), "--detail"), (("suspend",), "REASON"),
    (("suspend", "--for", "2x", "r"), "such as 30m"), (("history", "-n", "0"), "from 1"),
    (("kept", "show"), "required: ID"),
])  # fmt: skip
def test_what_is_not_understood_is_64_and_says_what_would_be(words: tuple[str, ...], says: str) -> None:
    """2 would mean changes to those who ask for detailed exit codes."""
    done = prosodist(*words)
    assert (done.returncode, done.stdout) == (64, "")
    assert says in done.stderr
    assert "--help" in done.stderr


def test_config_and_output_are_taken_before_and_after_the_verb(agent: Agent, config: Path) -> None:
    """Both orders, both spellings."""
    for words in (
        ("--config", config, "-o", "json", "plan"),
        ("plan", "--config", config, "-o", "json"),
        (f"--config={config}", "plan", "--output=json"),
        ("-ojson", "plan", "--config", config),
    ):
        assert json.loads(prosodist(*words).stdout)["revision"] == REVISION


def test_version_needs_nothing() -> None:
    """Neither settings nor agent."""
    assert prosodist("version", "--config", "/nonexistent").stdout.startswith("prosodist ")
    assert json.loads(prosodist("version", "-o", "json").stdout)["version"]


# --- with an agent ---


def test_plan_is_printed_for_people_and_as_json(agent: Agent, config: Path) -> None:
    """Text that cannot steer a terminal; JSON as the agent gave it; both on stdout alone."""
    done = prosodist("plan", "--config", config)
    assert "~ /etc/motd: its content differs (hosts/a.yaml:3:5)" in done.stdout
    assert r"    +new \x1b[2J" in done.stdout
    assert "… a.example: no key yet" in done.stdout
    assert f"1 to change, 1 waiting at {REVISION}" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    assert json.loads(prosodist("plan", "-o", "json", "--config", config).stdout) == plan_json(
        agent.plan, revision=REVISION
    )


def test_plan_tells_by_its_exit_code_when_asked_to(agent: Agent, config: Path) -> None:
    """0 in sync, 2 changes; a Wait counts; without the flag 0."""
    assert prosodist("plan", "--config", config).returncode == 0
    for plan, code in (
        (Plan(verdicts=(CHANGE,)), 2), (Plan(verdicts=(WAIT,)), 2), (Plan(held=(HELD,)), 2), (Plan(), 0),
        (Plan(activations=(Activation(service="prosody", after=(), reason="owed", disruption=Disruption.RESTART),)), 2),
    ):  # fmt: skip
        agent.plan = plan
        assert prosodist("plan", "--detailed-exitcode", "--config", config).returncode == code


def test_plan_says_that_it_is_not_of_the_newest_commit(agent: Agent, config: Path) -> None:
    """Its mistakes come first, and the exit code says so even where what was right before is in sync."""
    agent.plan = Plan()
    agent.refusal = SpecError([Mistake(mark=Mark("hosts/a.yaml", 3, 5), subject="vars", text="is nothing")])
    done = prosodist("plan", "--config", config)
    assert done.stdout.splitlines() == [
        "hosts/a.yaml:3:5: vars: is nothing",
        "the newest commit has mistakes; this is the plan for what was right before:",
        f"in sync at {REVISION}",
    ]
    assert done.returncode == 1
    agent.refusal = HistoryRewritten("the branch: was rewritten", remedy="run prosodist accept REVISION")
    done = prosodist("plan", "--detailed-exitcode", "--config", config)
    assert "failed: the branch: was rewritten; run prosodist accept REVISION\n" in done.stdout
    assert done.returncode == 1


def test_reconcile_asks_with_its_arguments(agent: Agent, config: Path) -> None:
    """--full arrives; the outcome's exit code comes back."""
    assert prosodist("reconcile", "--config", config).returncode == 0
    done = prosodist("reconcile", "--full", "--detailed-exitcode", "--config", config)
    assert done.returncode == 2
    assert f"changed at {REVISION}" in done.stdout
    assert agent.asked == [("reconcile", {"full": False}), ("reconcile", {"full": True})]


def test_exit_codes_from_json_are_those_of_the_outcome() -> None:
    """Two places say the same rule; here they are held together, over all that can be."""
    bools = (False, True)
    for result, made, held, failed in itertools.product(Result, bools, bools, bools):
        outcome = Outcome(
            result=result, made=(CHANGE,) * made, held=(HELD,) * held, failures=("x: failed; look",) * failed
        )
        for detailed in bools:
            assert exits.code_of(outcome.to_json(), detailed=detailed) == outcome.exit_code(detailed=detailed)


def test_the_agents_mistake_is_told_in_one_line_with_its_exit_code(agent: Agent, config: Path) -> None:
    """On stderr for people; with -o json as an object on stdout too."""
    done = prosodist("accept", "abc", "-o", "json", "--config", config)
    assert done.returncode == 77
    assert done.stderr == "prosodist: the branch: was rewritten; run prosodist accept REVISION\n"
    assert json.loads(done.stdout)["error"]["reason"] == "HistoryRewritten"
    assert prosodist("resume", "--config", config).returncode == 1


def test_suspend_says_who_why_and_for_how_long(agent: Agent, config: Path) -> None:
    """Words become one reason, a duration seconds."""
    done = prosodist("suspend", "--for", "2h", "moving", "the disks", "--config", config)
    assert done.returncode == 0
    ((_, arguments),) = agent.asked
    assert arguments["reason"] == "moving the disks"
    assert arguments["seconds"] == 7200
    assert arguments["by"]


def test_confirm_prints_what_it_confirmed(agent: Agent, config: Path) -> None:
    """A person sees what the word was given for."""
    done = prosodist("confirm", "--config", config)
    assert "held: /etc/prosody/prosody.cfg.lua: made by hand" in done.stdout
    assert "it would be replaced" in done.stdout
    assert done.returncode == 0


def test_lists_are_columns_of_text(agent: Agent, config: Path) -> None:
    """Without a terminal: no colour, no box, one line an item."""
    assert prosodist("drift", "--config", config).stdout == "/etc/motd  corrective  1970-01-01T00:00:00Z  edited\n"
    assert prosodist("history", "-n", "5", "--config", config).stdout.startswith("1970-01-01T00:00:00Z  change.made  ")
    assert agent.asked[-1] == ("history", {"limit": 5})
    assert "restored /etc/motd" in prosodist("kept", "restore", "X", "--config", config).stdout


def test_a_reader_that_goes_away_gets_no_traceback(agent: Agent, config: Path) -> None:
    """`prosodist plan | head -1`."""
    agent.plan = Plan(verdicts=tuple(Wait(id=f"file:{n}", why="x" * 200, until=NextRound()) for n in range(5000)))
    read, write = os.pipe()
    os.close(read)
    done = prosodist("plan", "--config", config, stdout=write, stderr=subprocess.PIPE, capture_output=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_under_the_answer_is_a_failure(agent: Agent, config: Path) -> None:
    """An answer that was not written was not given."""
    with open("/dev/full", "w") as full:
        done = prosodist("plan", "--config", config, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr


def test_a_mistake_as_json_is_written_whole_before_the_end(tmp_path: Path) -> None:
    """Into a pipe, where it waits in a buffer until then; where it cannot be written, the exit code tells."""
    words = ("plan", "-o", "json", "--config", tmp_path / "none.yaml")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    assert json.loads(prosodist(*words, env=env).stdout)["error"]["code"] == 78
    with open("/dev/full", "w") as full:
        done = prosodist(*words, env=env, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode not in (0, 78)
    assert "No space left" in done.stderr


def test_ctrl_c_ends_the_asking_and_not_the_agent(agent: Agent, config: Path) -> None:
    """130, no traceback; the agent goes on."""
    agent.gate.clear()
    asking = subprocess.Popen(
        [sys.executable, "-m", "agent", "plan", "--config", config],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell ignores it for what it puts behind
    )
    while not agent.asked:
        time.sleep(0.01)
    asking.send_signal(signal.SIGINT)
    assert asking.communicate(timeout=10)[1] == ""
    assert asking.returncode == 130
    agent.gate.set()
    assert prosodist("plan", "--config", config).returncode == 0


def test_a_busy_agent_does_not_hold_up_who_only_looks(agent: Agent, config: Path) -> None:
    """During a long pass `drift` and `history` read the state by themselves; there is none here."""
    agent.gate.clear()
    assert prosodist("drift", "--config", config).stdout == "no drift\n"
    agent.gate.set()


def test_progress_is_shown_on_a_terminal_after_a_second_and_erased(agent: Agent, config: Path) -> None:
    """What takes long says what it is at; the answer's stream stays clean; a pipe on stderr gets nothing."""
    agent.gate.clear()
    ours, theirs = os.openpty()
    threading.Timer(2.0, agent.gate.set).start()
    done = prosodist("plan", "--config", config, stdout=subprocess.PIPE, stderr=theirs, capture_output=False)
    shown = os.read(ours, 65536)
    os.close(ours)
    os.close(theirs)
    assert "looking at everything …".encode() in shown
    assert shown.endswith(b"\r\x1b[K")
    assert "looking" not in done.stdout


def test_colour_and_tables_are_for_terminals(agent: Agent, config: Path) -> None:
    """And not for those who set NO_COLOR."""
    for verb, sign in (("plan", "\x1b[33m~ /etc/motd"), ("drift", "\x1b[1m")):
        assert sign in _on_terminal(verb, config, {"TERM": "xterm"})
    assert "\x1b" not in _on_terminal("plan", config, {"TERM": "xterm", "NO_COLOR": "1"})


def _on_terminal(verb: str, config: Path, extra: dict[str, str]) -> str:
    ours, theirs = os.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | extra
    prosodist(verb, "--config", config, stdout=theirs, stderr=theirs, capture_output=False, env=environment)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    os.close(theirs)
    return shown


def test_asking_imports_nothing_heavy(agent: Agent, config: Path) -> None:
    """`prosodist plan` is to take 50 ms as a process; each of these alone would spoil that."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "agent", "plan", "--config", config],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    nothing = subprocess.run([sys.executable, "-X", "importtime", "-c", ""], capture_output=True, text=True, check=True)
    before, after = (set(re.findall(r"\| +([\w.]+)$", ran.stderr, re.MULTILINE)) for ran in (nothing, done))
    imported = after - before  # an editable install has Python import some of these by itself
    heavy = {"structlog", "yaml", "pydantic", "pygit2", "rich", "msgspec", "dataclasses", "inspect", "pathlib",
             "threading", "watchdog", "sqlite3", "logging", "asyncio", "cryptography", "difflib", "argparse",
             "agent.settings"}  # fmt: skip
    assert "agent.ask" in imported
    assert imported & heavy == set()


# --- without an agent ---


def test_without_settings_it_is_78_and_no_traceback() -> None:
    """The subject first: which file."""
    done = prosodist("plan", "--config", "/nonexistent/agent.yaml", "-o", "json")
    assert done.returncode == 78
    assert done.stderr.startswith("prosodist: /nonexistent/agent.yaml: ")
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == 78


def test_status_of_a_host_without_an_agent_or_a_past(config: Path) -> None:
    """Everything is null or Unknown, and nothing is made."""
    done = prosodist("status", "-o", "json", "--config", config)
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert [answer[mark] for mark in ("attempted", "accepted", "applied", "good", "rejected")] == [None] * 5
    assert (answer["sync"], answer["agent"]) == ("Unknown", {"running": False, "pid": None})
    assert {"type", "status", "reason", "message"} == set(answer["conditions"][0])
    shown = prosodist("status", "--config", config)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "does not run" in shown.stdout
    assert not (config.parent / "state").exists()


def test_lists_of_a_host_without_a_past_are_empty(config: Path) -> None:
    """Empty lists for programs, a word for people."""
    assert json.loads(prosodist("drift", "-o", "json", "--config", config).stdout) == {"drift": []}
    assert json.loads(prosodist("history", "-o", "json", "--config", config).stdout) == {"history": []}
    assert json.loads(prosodist("kept", "list", "-o", "json", "--config", config).stdout) == []
    assert prosodist("kept", "list", "--config", config).stdout == "nothing is kept\n"


def test_kept_bytes_are_shown_unchanged(config: Path, home: Path) -> None:
    """`kept show ID` writes what was there, whatever it was; `kept list` names it."""
    from pathlib import PurePosixPath

    from agent.atomic import Copy
    from agent.kept import Kept
    from agent.settings import load_settings

    config.write_text(config.read_text() + f"age_key: {home}/keys/age\n")
    content = bytes(range(256)) + b"\r\nno newline at the end"
    settings = load_settings(config)
    copy = Copy(path=PurePosixPath("/etc/motd"), content=content, mode=0o644, owner=None, group=None, target=None)
    settings.state_dir.mkdir(mode=0o700)
    id_ = Kept(settings.state_dir, settings.age_key).keep(copy, "edited by hand", at=0.0)
    done = prosodist("kept", "show", id_, "--config", config, text=False)
    assert done.stdout == content
    (item,) = json.loads(prosodist("kept", "list", "-o", "json", "--config", config).stdout)
    assert (item["id"], item["object"], item["time"]) == (id_, "/etc/motd", "1970-01-01T00:00:00Z")
    assert prosodist("kept", "show", "19700101T000000-ffff", "--config", config).returncode == 1


# --- validate ---


@pytest.fixture
def tree(home: Path) -> Path:
    """Desired state with mistakes in two of three hosts."""
    (home / "tree" / "hosts").mkdir(parents=True)
    for name, line in (("good", "{}"), ("bad", "{}\nfilez: {}"), ("worse", "[")):
        (home / "tree" / "hosts" / f"{name}.yaml").write_text(f"profile: local\nprosody: {line}\n")
    return home / "tree"


def test_validate_lists_every_mistake_of_every_host(tree: Path) -> None:
    """One a line as file:line:column, as editors and hooks read it; exit 1. No settings, no agent."""
    done = prosodist("validate", tree)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert all(re.match(r"hosts/(bad|worse)\.yaml:\d+:\d+: ", line) for line in lines)
    assert {line.partition(":")[0] for line in lines} == {"hosts/bad.yaml", "hosts/worse.yaml"}
    mistakes = json.loads(prosodist("validate", tree, "-o", "json").stdout)
    assert [mistake["message"] for mistake in mistakes] == lines
    assert {"file", "line", "column", "subject", "text"} <= set(mistakes[0])


def test_validate_of_one_host_and_of_the_current_directory(tree: Path) -> None:
    """--host; DIR is here when nobody says; silence and 0 where all is well."""
    here = {"cwd": tree, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    done = prosodist("validate", "--host", "good", **here)
    assert (done.returncode, done.stdout) == (0, "")
    assert prosodist("validate", "--host", "nobody", **here).returncode == 1
    assert prosodist("validate", **here).returncode == 1
    assert prosodist("validate", tree / "hosts" / "nowhere").returncode != 0
    assert prosodist("validate", tree.parent).returncode == 1


def test_reports_need_no_terminal_and_escape_what_they_print() -> None:
    """All of an outcome: changes, what is held, waits, mistakes, failures."""
    outcome = Outcome(
        result=Result.INVALID, revision=REVISION, made=(CHANGE,), held=(HELD,), waits=(WAIT,),
        mistakes=(Mistake(mark=Mark("hosts/a.yaml", 1, 2), subject="x\x1b", text="is wrong"),), failures=("a: b",),
    )  # fmt: skip
    text = "\n".join(report.render("reconcile", outcome.to_json()))
    assert r"hosts/a.yaml:1:2: x\x1b: is wrong" in text
    assert "failed: a: b" in text
    assert "\x1b" not in text
