"""What the host says of itself: where the repository is, who this host is, and what a push may do here.

Read at the start of everything, so it costs little: a struct and the desired state's own reader of YAML.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct, field

from agent.address import Address, BadAddress, parse_address
from agent.ask import LONGEST_ADDRESS
from agent.durations import read_duration
from agent.where import default_age_key, default_control_socket, default_state_dir, resolve
from schemas.errors import Mark, Mistake, SettingsError
from schemas.events import parse
from schemas.findings import Findings, nearest
from schemas.nodes import Entry, List, Map, Node, Scalar, describe
from schemas.opening import EVERYTHING, PATHS, WORDS, Allow


class Log(Struct, frozen=True, kw_only=True):
    """How the agent's own log looks. `format` None: json when stderr is no terminal, else console."""

    format: Literal["json", "console"] | None = None
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one agent. Paths are absolute."""

    repository: str
    """Where the desired state is: a path, file://, ssh or https. The source fetches from nowhere else."""

    branch: str = "main"
    """The one branch that the source fetches; other refs of the repository are never looked at."""

    host: str
    """Which `hosts/<name>.yaml` is this host's. The loader asks; by default this machine's full name."""

    profile: str | None = None
    """What kind of host this is. The wiring finds out when it is None; git's `profile` only has to agree."""

    interval: float = 60.0
    """Seconds (1 and more) between two looks at the repository. The loop adds the jitter."""

    full_look: float = 3600.0
    """Seconds between two passes that trust no proof of an earlier one. The loop asks."""

    allow: Allow | Literal["everything"] = field(default_factory=Allow)
    """What git may do here beyond the profile's table. The fence asks. `everything`: who can push is root."""

    state_dir: Path
    """The agent's memory: database, mirror, what was kept of people's edits. 0700."""

    control_socket: Path
    """Where `run` listens and the other verbs ask. Kept apart from the state, so that it may lie in /run."""

    home: Path
    """The user's home: `<home>` of the desired state. Under the profile local, what holds everything."""

    ssh_key: Path | None = None
    """The private key (0600) that the source shows to an ssh server."""

    known_hosts: Path | None = None
    """The host keys that the source believes, as ssh(1) writes them; by default those of the agent's user."""

    token_file: Path | None = None
    """A file (0600) with the token that the source gives an https server as password."""

    age_key: Path
    """The host's age identity. Secrets in git are encrypted to it; so is what is kept of people's edits."""

    log: Log = field(default_factory=Log)
    """Who reads the log, and how much of it. The wiring asks once, and again after SIGHUP."""

    def __repr__(self) -> str:
        """Without what `repository` says, because a URL may hold a password."""
        return f"Settings({self.address}, branch={self.branch!r}, host={self.host!r})"

    @property
    def address(self) -> Address:
        """The repository's address, taken apart; its text is safe to print."""
        return parse_address(self.repository)


def load_settings(path: str | os.PathLike[str]) -> Settings:
    """The settings in this file. Raises SettingsError: every mistake as `file:line:column: key: what`."""
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise SettingsError(
            f"{name}: cannot be read ({error.strerror}); write the settings there, or name others by --config"
        ) from None
    findings = Findings()
    root = parse(name, data, findings)
    mistakes: list[Mistake] = []
    if root is not None:
        settings = _Reading(root, name, mistakes).settings()
    mistakes += [Mistake(mark=mark, text=text) for mark, text in findings.told()]
    if root is None or settings is None or mistakes:
        raise SettingsError("\n".join(str(mistake) for mistake in sorted(set(mistakes))))
    return settings


def check_key_file(path: Path) -> None:
    """Refuse a key that others may read or that is another's. Raises SettingsError; the file is not read."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise SettingsError(
            f"{path}: this key cannot be used ({error.strerror}); put it there, or correct its path"
        ) from None
    if not stat.S_ISREG(found.st_mode):
        raise SettingsError(f"{path}: is no file; put the key there, or correct the path in the settings")
    if found.st_uid not in (os.geteuid(), 0):
        raise SettingsError(
            f"{path}: belongs to uid {found.st_uid}, who can change this key; run chown {os.geteuid()} {path}"
        )
    if found.st_mode & 0o077:
        raise SettingsError(
            f"{path}: others may use this key (mode {stat.S_IMODE(found.st_mode):04o}); run chmod 600 {path}"
        )


_Scalar: TypeAlias = "str | int | float | bool | None"
_LONGEST_DURATION = 366 * 86_400.0
"""Seconds."""
_BRANCH = re.compile(
    r"(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)|/\.))[^\x00-\x20\x7f~^:?*\[\\./-][^\x00-\x20\x7f~^:?*\[\\]*(?<![./])"
)
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")


class _Reading:
    """Turns one map into Settings. A key with a mistake reads as its default, and the reading goes on."""

    def __init__(self, root: Map, file: str, mistakes: list[Mistake]) -> None:
        self._root = root
        self._file = file
        self._base = os.path.dirname(os.path.abspath(file))
        self._mistakes = mistakes

    def settings(self) -> Settings | None:
        """The whole; None when there was a mistake."""
        self._refuse_unknown(self._root, Settings.__struct_fields__, "")
        state_dir = self._path("state_dir") or Path(default_state_dir())
        repository = self._repository()
        made = Settings(
            repository=repository,
            branch=self._text("branch", "main", _BRANCH, "the name of a branch, such as main"),
            host=self._text("host", "", _HOST, "this host's name, such as chat.example.test") or socket.getfqdn(),
            profile=self._text("profile", "", _HOST, "local, debian, uberspace or slackware") or None,
            interval=self._duration("interval", 60.0),
            full_look=self._duration("full_look", 3600.0),
            allow=self._allow(),
            state_dir=state_dir,
            control_socket=self._socket() or Path(default_control_socket(str(state_dir))),
            home=self._path("home") or Path(os.path.expanduser("~")),
            ssh_key=self._path("ssh_key"),
            known_hosts=self._path("known_hosts"),
            token_file=self._path("token_file"),
            age_key=self._path("age_key") or Path(default_age_key()),
            log=self._log(),
        )
        return None if self._mistakes else made

    def _repository(self) -> str:
        """As written, but for a path, which becomes absolute."""
        if "repository" not in self._root.entries:
            self._add(Mark(self._file), "repository", "is missing; write repository: PATH or URL")
            return ""
        text = self._text("repository", "", re.compile(r".+"), "a path, or an ssh or https URL")
        try:
            address = parse_address(text, base=self._base) if text else None
        except BadAddress as error:
            self._add(self._root.entries["repository"].value.mark, "repository", str(error))
            return ""
        return address.url if address and "://" not in text and address.url.startswith("/") else text

    def _text(self, key: str, default: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self._scalar(key)
        if value is None:
            return default
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        self._expected(key, expected)
        return default

    def _path(self, key: str) -> Path | None:
        value = self._scalar(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value or "\0" in value:
            self._expected(key, "a path, absolute or from the directory of this file")
            return None
        return Path(resolve(value, self._base))

    def _socket(self) -> Path | None:
        path = self._path("control_socket")
        if path is not None and len(os.fsencode(path)) > LONGEST_ADDRESS:
            self._expected("control_socket", f"a path of at most {LONGEST_ADDRESS} bytes")
        return path

    def _duration(self, key: str, default: float) -> float:
        value = self._scalar(key)
        if value is None:
            return default
        seconds = read_duration(value) if isinstance(value, str) else None
        if seconds is None or seconds > _LONGEST_DURATION:
            self._expected(key, "a duration from 1s to 366d, such as 60s, 5m or 1h")
            return default
        return seconds

    def _allow(self) -> Allow | Literal["everything"]:
        entry = self._root.entries.get("allow")
        if entry is None:
            return Allow()
        match entry.value:
            case Scalar(value="everything"):
                return EVERYTHING
            case Map() as lists:
                self._refuse_unknown(lists, WORDS, "allow.")
                return Allow(**{key: self._allowed(key, lists.entries.get(key)) for key in WORDS})
        self._expected("allow", "everything, or a map such as {write: [/etc/nginx/conf.d]}")
        return Allow()

    def _allowed(self, word: str, entry: Entry | None) -> tuple[str, ...]:
        """What is open of one word. A path that means nothing would open nothing, and look as if it did."""
        values = self._texts(f"allow.{word}", entry)
        for place, value in enumerate(values):
            is_plain = value.startswith("/") and os.path.normpath(value) == value and not value.startswith("//")
            if word in (*PATHS, "run") and not is_plain and entry is not None and isinstance(entry.value, List):
                self._found(entry.value.items[place], f"allow.{word}", "an absolute path in its plain form")
        return values

    def _texts(self, subject: str, entry: Entry | None) -> tuple[str, ...]:
        if entry is None:
            return ()
        if not isinstance(entry.value, List):
            self._found(entry.value, subject, "a list of texts, such as [name]")
            return ()
        for item in entry.value.items:
            if not (isinstance(item, Scalar) and isinstance(item.value, str) and item.value):
                self._found(item, subject, "a text")
        return tuple(str(i.value) for i in entry.value.items if isinstance(i, Scalar))

    def _log(self) -> Log:
        entry = self._root.entries.get("log")
        if entry is None:
            return Log()
        if not isinstance(entry.value, Map):
            self._found(entry.value, "log", "a map such as {format: json, level: info}")
            return Log()
        self._refuse_unknown(entry.value, ("format", "level"), "log.")
        choice = {key: e.value.value if isinstance(e.value, Scalar) else "" for key, e in entry.value.entries.items()}
        for key, words in (
            ("format", ("json", "console", None)),
            ("level", ("debug", "info", "warning", "error")),
        ):
            if key in choice and choice[key] not in words:
                expected = " or ".join(word for word in words if word)
                self._found(entry.value.entries[key].value, f"log.{key}", expected)
        return Log(format=choice.get("format"), level=choice.get("level", "info"))  # type: ignore[arg-type]

    def _scalar(self, key: str) -> _Scalar:
        """A plain value; None where nothing or null stands, which means the default."""
        entry = self._root.entries.get(key)
        if entry is None:
            return None
        if isinstance(entry.value, Scalar):
            return entry.value.value
        return False  # right for no key of ours, so that each says what it expects

    def _refuse_unknown(self, found: Map, known: tuple[str, ...], prefix: str) -> None:
        for key, entry in found.entries.items():
            if key not in known:
                near = nearest(str(key), known)
                hint = f"did you mean {near}?" if near else f"write one of {', '.join(known)}"
                self._add(entry.mark, f"{prefix}{key}", f"is no setting; {hint}")

    def _expected(self, key: str, expected: str) -> None:
        self._found(self._root.entries[key].value, key, expected)

    def _found(self, node: Node, subject: str, expected: str) -> None:
        # An address may hold a password: only its sort is named.
        found = "a text" if subject == "repository" and _is_text(node) else describe(node)
        self._add(node.mark, subject, f"expected {expected}, found {found}")

    def _add(self, mark: Mark, subject: str, text: str) -> None:
        self._mistakes.append(Mistake(mark=mark, subject=subject, text=text))


def _is_text(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str)
