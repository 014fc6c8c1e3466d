"""The tour of `deploy/demo.sh --once`: what a visitor would do by hand, told on the screen as it happens.

    tour.py PLACE PROCESS    PLACE/work: the work clone · PLACE/home: what the agent keeps
                             PLACE/prosodist: its command · PLACE/agent.log: its log, JSON lines

PROCESS is the id of the running agent. A step that does not come true within a minute ends the tour with
status 1 and says which one.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from stream import open_stream, serves

PATIENCE = 60.0
"""Seconds; far above what any step takes, and short enough for a visitor to wait for an explanation."""

DETAILS = 8
"""Lines shown below an event."""

BROKEN = """\
# Four mistakes, told in one go.
profile: local
extends: [shared/comon.yaml]
prosody:
  virtual_hots: {example.test: {}}
files:
  <home>/motd: {source: files/motd, mode: 644}
  <home>/clients.txt: {template: templates/clients.txt.j2, drift: maybe}
"""


Found = TypeVar("Found")


class Failed(Exception):
    """What was awaited did not come."""


class Demo:
    """The demo's directory: the visitor's clone, the agent's command and log, what it keeps."""

    def __init__(self, place: Path, agent_id: int) -> None:
        self.place, self.work, self.home = place, place / "work", place / "home"
        self.agent_id = agent_id
        self.hostfile = self.work / "hosts/chat.example.test.yaml"

    def push(self, message: str) -> str:
        """Commit all, push; the revision."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "main")
        tell(f"git commit -m '{message}' && git push", command=True)
        return self.head()

    def head(self) -> str:
        """The revision that was pushed last."""
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        """Git in the work clone."""
        return run("git", "-C", str(self.work), *arguments)

    def agent(self, *arguments: str) -> str:
        """The agent's command line, as its user."""
        return run(str(self.place / "prosodist"), *arguments)

    def good(self) -> str | None:
        """The revision that the agent has proven good; None while it cannot be asked."""
        try:
            status: dict[str, Any] = json.loads(self.agent("status", "-o", "json"))
        except (Failed, json.JSONDecodeError):
            return None
        good: str | None = status["good"]
        return good

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """The agent's log from that line on."""
        lines = (self.place / "agent.log").read_text().splitlines()[since:]
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def now(self) -> int:
        """How many lines the log has."""
        return (self.place / "agent.log").read_text().count("\n")

    def port(self) -> int:
        """Where clients connect: the agent chose it, and a template of the repository writes it down."""
        found = re.search(r"127\.0\.0\.1:(\d+)", (self.home / "clients.txt").read_text())
        if not found:
            raise Failed("clients.txt names no port")
        return int(found[1])

    def fingerprint(self) -> str:
        """All files that the agent keeps from git: names, bytes, times and the process that serves."""
        digest = hashlib.sha256()
        kept = {self.home / "motd", self.home / "clients.txt", *self.home.rglob("*.cfg.lua")}
        for path in sorted(kept | set(self.home.rglob("prosody.pid"))):
            digest.update(f"{path} {path.stat().st_mtime_ns}".encode() + path.read_bytes())
        return digest.hexdigest()

    def wait_for(self, what: str, true: Callable[[], Found | None]) -> Found:
        """What `true` gives as soon as it is something; raises Failed after PATIENCE, or when the agent ends."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := true():
                return found
            if not self.lives():
                raise Failed(f"{what}: the agent has ended")
            time.sleep(0.02)
        raise Failed(f"{what}: not within {PATIENCE:.0f} s")

    def lives(self) -> bool:
        """Whether the agent's process is there and no zombie (proc(5): stat)."""
        try:
            return Path(f"/proc/{self.agent_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False


def tell(text: str, *, command: bool = False) -> None:
    """Say it, at once; what a visitor would type is set off."""
    sys.stdout.write(f"    $ {text}\n" if command else f"{text}\n")
    sys.stdout.flush()


def title(text: str) -> None:
    """Begin a step."""
    tell(f"\n== {text}")


def show(event: dict[str, Any]) -> None:
    """An event of the agent's log in short; the log itself has it as JSON."""
    told = event["object"] if event.get("object") else event["revision"][:12]
    tell(f"    {event['event']}  {told}: {event['reason']}")
    details = event.get("diff") or event.get("mistakes") or []
    for line in details[:DETAILS]:
        tell(f"        {line}")
    if len(details) > DETAILS:
        tell(f"        … and {len(details) - DETAILS} lines more")


def run(*argv: str) -> str:
    """A command's standard output; raises Failed with its errors."""
    try:
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(argv)}: did not end within {PATIENCE:.0f} s") from None
    if ran.returncode:
        raise Failed(f"{' '.join(argv)}: status {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def converge(demo: Demo) -> None:
    """From nothing to a server."""
    title("1. From nothing: the agent reads the repository and makes it so")
    demo.wait_for("the first pass", lambda: demo.good() == demo.head())
    for event in demo.events():
        if event.get("event") == "change.made":
            show(event)
    tell(f"Prosody answers a client of example.test on 127.0.0.1:{demo.port()}:")
    answer = demo.wait_for("an XMPP stream for example.test", lambda: answered("example.test", demo.port()))
    tell(f"    {answer}")


def answered(host: str, port: int) -> str | None:
    """The features offered to clients of a host, shortened for the screen; None while there are none."""
    answer = open_stream(host, port)
    return answer[:160] if answer.startswith("<stream:features") else None


def change(demo: Demo) -> None:
    """A push is live."""
    title("2. A push: one more virtual host")
    text = demo.hostfile.read_text()
    host = next(name for name in names() if f"{name}:" not in text)
    tell(f"Before, for {host}: {open_stream(host, demo.port())[:80]}")
    demo.hostfile.write_text(text.replace("    example.test: {}\n", f"    example.test: {{}}\n    {host}: {{}}\n"))
    revision = demo.push(f"Serve {host}")
    start = time.monotonic()
    demo.wait_for(f"an XMPP stream for {host}", lambda: serves(host, demo.port()))
    tell(f"Live {time.monotonic() - start:.2f} s after the push: {answered(host, demo.port())}")
    demo.wait_for("the push to be good", lambda: demo.good() == revision)


def names() -> list[str]:
    """Names for one more host in each tour of the same directory."""
    return [f"{word}.example.test" for word in ("talk", *(f"talk{number}" for number in range(2, 1000)))]


def drift(demo: Demo) -> None:
    """An edit by hand is reported, kept and corrected."""
    title("3. An edit by hand: reported, kept, put right")
    path, since = demo.home / "clients.txt", demo.now()
    wanted, edit = path.read_text(), "this line was written by hand\n"
    with path.open("a") as file:
        file.write(edit)
    tell(f"echo 'this line was written by hand' >> {path}", command=True)
    show(demo.wait_for("drift.appeared", lambda: first(demo.events(since), "drift.appeared", str(path))))
    show(demo.wait_for("drift.cleared", lambda: first(demo.events(since), "drift.cleared", str(path))))
    demo.wait_for("the file to be as git says", lambda: path.read_text() == wanted)
    tell("The file is as git says. What was written by hand is kept:")
    kept = [copy for copy in json.loads(demo.agent("kept", "list", "-o", "json")) if copy["object"] == str(path)]
    if not kept:
        raise Failed(f"{path}: no copy of the edit was kept")
    newest = max(kept, key=lambda copy: copy["time"])
    tell(f"prosodist kept show {newest['id']}", command=True)
    content = demo.agent("kept", "show", newest["id"])
    if content != wanted + edit:
        raise Failed(f"{path}: the kept copy is not what was there:\n{content}")
    for line in content.splitlines():
        tell(f"    {line}")


def first(events: list[dict[str, Any]], name: str, path: str) -> dict[str, Any] | None:
    """The first event of that name about that path."""
    return next((event for event in events if event.get("event") == name and event.get("object") == path), None)


def refuse(demo: Demo) -> None:
    """A broken commit costs the host nothing."""
    title("4. A broken commit: refused with all its mistakes, nothing changes")
    before, since, good = demo.fingerprint(), demo.now(), demo.head()
    demo.hostfile.write_text(BROKEN)
    broken = demo.push("Break everything")
    refused = demo.wait_for(
        "the refusal",
        lambda: [event for event in demo.events(since) if event.get("event") == "commit.refused"],
    )
    for event in refused:
        show(event)
    tell("prosodist validate work", command=True)
    tell(f"    says the same {len(mistakes(demo))} mistakes before a push")
    if demo.fingerprint() != before or demo.good() != good:
        raise Failed("the broken commit changed something")
    tell("Files, process and the revision in force are what they were.")
    demo.git("revert", "--no-edit", broken)
    demo.git("push", "--quiet", "origin", "main")
    tell("git revert HEAD && git push", command=True)
    demo.wait_for("the reverted commit to be good", lambda: demo.good() == demo.head())


def mistakes(demo: Demo) -> list[str]:
    """What `prosodist validate` says of the work clone, as a visitor would see it before pushing."""
    argv = [str(demo.place / "prosodist"), "validate", str(demo.work)]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE)
    lines = [line for line in (ran.stdout + ran.stderr).splitlines() if re.search(r"\.yaml:\d+:\d+: ", line)]
    if ran.returncode == 0 or len(lines) < 4:
        raise Failed(f"validate found less than the four mistakes:\n{ran.stdout}{ran.stderr}")
    return lines


def main() -> int:
    """Take the tour."""
    demo = Demo(Path(sys.argv[1]), int(sys.argv[2]))
    try:
        for step in (converge, change, drift, refuse):
            step(demo)
    except Failed as failed:
        sys.stderr.write(f"The tour ends here: {failed}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
