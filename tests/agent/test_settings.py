"""The host's settings: what they default to, and every mistake of a file in one go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.settings import Log, Settings, check_key_file, load_settings
from agent.where import control_socket_of, default_config
from schemas.errors import SettingsError
from schemas.opening import EVERYTHING, Allow

EVERY_KEY = """\
# comments are fine
repository: ../desired.git
branch: ops/live
host: chat.example.test
profile: local
interval: 1s
full_look: 2h
allow: {write: [/etc/nginx/conf.d], packages: [nginx], users: []}
state_dir: state
control_socket: state/control.sock
home: ~/server
ssh_key: keys/id
known_hosts: /etc/known
token_file: keys/token
age_key: keys/age
log: {format: json, level: debug}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the settings lie."""
    return tmp_path / "agent.yaml"


def load(file: Path, text: str) -> Settings:
    """What this text says."""
    file.write_text(text)
    return load_settings(file)


def test_every_key(file: Path) -> None:
    """Durations become seconds, and relative paths begin where the settings lie."""
    assert load(file, EVERY_KEY) == Settings(
        repository=str(file.parent.parent / "desired.git"),
        branch="ops/live",
        host="chat.example.test",
        profile="local",
        interval=1.0,
        full_look=7200.0,
        allow=Allow(write=("/etc/nginx/conf.d",), packages=("nginx",)),
        state_dir=file.parent / "state",
        control_socket=file.parent / "state/control.sock",
        home=Path.home() / "server",
        ssh_key=file.parent / "keys/id",
        known_hosts=Path("/etc/known"),
        token_file=file.parent / "keys/token",
        age_key=file.parent / "keys/age",
        log=Log(format="json", level="debug"),
    )


def test_defaults(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository is enough; where things rest depends on who runs the agent."""
    monkeypatch.setenv("XDG_STATE_HOME", "/x/state")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x/config")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/x/run")
    settings = load(file, "repository: git@forge.example:ops/xmpp.git\n")
    assert settings.repository == "git@forge.example:ops/xmpp.git"
    assert (settings.branch, settings.profile, settings.allow, settings.log) == ("main", None, Allow(), Log())
    assert (settings.interval, settings.full_look) == (60.0, 3600.0)
    assert settings.host
    assert settings.home == Path.home()
    places = (str(settings.state_dir), str(settings.control_socket), str(settings.age_key))
    if os.geteuid() == 0:
        assert places == ("/var/lib/prosodist", "/run/prosodist/control.sock", "/etc/prosodist/keys/age")
    else:
        assert places == ("/x/state/prosodist", "/x/run/prosodist/control.sock", "/x/config/prosodist/keys/age")


def test_a_chosen_state_directory_brings_its_own_socket(file: Path) -> None:
    """Two agents on one host must not meet at one socket."""
    assert load(file, "repository: /r\nstate_dir: s\n").control_socket == file.parent / "s/control.sock"


def test_everything(file: Path) -> None:
    """One plain word."""
    assert load(file, "repository: /r\nallow: everything\n").allow == EVERYTHING


def test_every_mistake_at_once(file: Path) -> None:
    """Each at its place, with what to write; in the order of the file."""
    text = """\
repositroy: /r
branch: "a..b"
interval: 500ms
full_look: 60
allow: {wirte: [/etc], run: /bin/sh, users: [1]}
state_dir: [a]
log: {format: xml, level: loud, colour: true}
host: yes
"""
    with pytest.raises(SettingsError) as raised:
        load(file, text)
    told = [line.removeprefix(f"{file}") for line in str(raised.value).splitlines()]
    assert told.pop().startswith(":8:7: ")  # in the words of the desired state's own reader
    assert told == [
        ": repository: is missing; write repository: PATH or URL",
        ":1:1: repositroy: is no setting; did you mean repository?",
        ':2:9: branch: expected the name of a branch, such as main, found "a..b"',
        ':3:11: interval: expected a duration from 1s to 366d, such as 60s, 5m or 1h, found "500ms"',
        ":4:12: full_look: expected a duration from 1s to 366d, such as 60s, 5m or 1h, found the number 60",
        ":5:9: allow.wirte: is no setting; did you mean write?",
        ':5:29: allow.run: expected a list of texts, such as [name], found "/bin/sh"',
        ":5:46: allow.users: expected a text, found the number 1",
        ":6:12: state_dir: expected a path, absolute or from the directory of this file, found a list",
        ':7:15: log.format: expected json or console, found "xml"',
        ':7:27: log.level: expected debug or info or warning or error, found "loud"',
        ":7:33: log.colour: is no setting; write one of format, level",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("- a\n", "expected a map"),
        ("repository: [\n", "file ends|expected"),
        ("repository: /r\nrepository: /s\n", "stands here twice"),
        ("repository: &a /r\n", "the anchor &a"),
        ("repository: /r\ninterval: 0s\n", "a duration from 1s"),
        ("repository: /r\ninterval: 10000000000000d\n", "a duration from 1s"),
        ("repository: http://user:pw@x/y\n", "proves nobody's identity"),
        ("repository: 1\n", "expected a path, or an ssh or https URL, found the number 1"),
        (f"repository: /r\ncontrol_socket: /{'x' * 120}\n", "at most 107 bytes"),
        ("repository: /r\nhost: ../../etc\n", "expected this host's name"),
    ],
)
def test_mistakes(file: Path, text: str, expected: str) -> None:
    """Strict as the desired state is; no password is repeated."""
    with pytest.raises(SettingsError, match=expected) as raised:
        load(file, text)
    assert str(raised.value).startswith(str(file))
    assert "pw" not in str(raised.value)


def test_no_file(file: Path) -> None:
    """What to do about it is said."""
    with pytest.raises(SettingsError, match=r"agent.yaml: cannot be read .*--config"):
        load_settings(file)


def test_the_repr_shows_no_password(file: Path) -> None:
    """Settings end up in logs and tracebacks."""
    settings = load(file, "repository: https://user:s3cret@forge.example/x\n")
    assert "s3cret" not in repr(settings) + str(settings) + str(settings.address) + repr(settings.address)


def test_key_files(tmp_path: Path) -> None:
    """A key that others may read is refused, with the command that helps; so is none, and what is no file."""
    key = tmp_path / "key"
    with pytest.raises(SettingsError, match="put it there"):
        check_key_file(key)
    key.write_bytes(b"k")
    for mode in (0o640, 0o604, 0o620, 0o666):
        key.chmod(mode)
        with pytest.raises(SettingsError, match=f"mode 0{mode:o}.*run chmod 600 {key}"):
            check_key_file(key)
    key.chmod(0o600)
    check_key_file(key)
    with pytest.raises(SettingsError, match="is no file"):
        check_key_file(tmp_path)
    if os.geteuid() == 0:
        os.chown(key, 12345, 12345)
    else:
        key = Path("/etc/shadow")  # another's, and closed to us
    with pytest.raises(SettingsError, match=r"belongs to uid|others may use"):
        check_key_file(key)


@pytest.mark.parametrize(
    "text",
    [
        EVERY_KEY,
        "repository: /r\n",
        "repository: /r\nstate_dir: /s\n",
        "repository: /r\nstate_dir: ./s # with a comment\n",
        "repository: /r\nstate_dir: s\ncontrol_socket: 'c'\n",
        '"state_dir": /s\nrepository: /r\n',
        "repository: 'a\nstate_dir: /wrong\n  b'\n",
        "repository: |\n  a\nstate_dir: /s\n",
        "{repository: /r, state_dir: /s}\n",
        "repository: /r\nallow:\n  write:\n  - /x\nstate_dir: /s\n",
        "repository: /r\nallow: {write: [/a,\nstate_dir]}\n",
        "---\nrepository: /r\nstate_dir: /s\n",
        "repository: /r\nstate_dir:\n  /s\n",
        "repository: /r\nstate_dir: null\n",
        "\ufeffrepository: /r\nstate_dir: /s\n",
    ],
)
def test_the_fast_way_agrees_with_the_full_one(file: Path, text: str) -> None:
    """Whatever the file looks like: the same answer, or none."""
    file.write_text(text)
    try:
        settings = load_settings(file)
    except SettingsError:
        return  # the fast way may still answer: an agent that runs was started with other settings
    assert control_socket_of(file) in (None, (str(settings.control_socket), str(settings.state_dir)))


def test_the_fast_way_loads_no_yaml(file: Path) -> None:
    """Its whole point. Nor is anything else loaded that Python does not have at its start."""
    file.write_text("repository: /r\nstate_dir: /s\nlog: {format: json}\n")
    code = (
        "import sys; before = set(sys.modules); from agent.where import control_socket_of\n"
        "assert control_socket_of(sys.argv[1]) == ('/s/control.sock', '/s')\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, file],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert set(ran.stdout.split()) <= {"__future__", "agent", "agent.where"}


def test_an_ordinary_user_has_settings_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's are the host's; another's lie below $XDG_CONFIG_HOME, unless the host's can be read."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    own = tmp_path / "prosodist/agent.yaml"
    own.parent.mkdir()
    own.write_text("repository: /r\n")
    if os.geteuid() == 0 or os.access("/etc/prosodist/agent.yaml", os.R_OK):
        assert default_config() == "/etc/prosodist/agent.yaml"
    else:
        assert default_config() == str(own)


@pytest.mark.parametrize("path", ["etc", "/srv/../etc", "/srv/", "//srv", "~/x", "."])
@pytest.mark.parametrize("word", ["write", "read", "run"])
def test_a_path_that_would_open_nothing_is_told(file: Path, word: str, path: str) -> None:
    """It is compared with plain absolute paths, so any other would look as if it opened something."""
    with pytest.raises(SettingsError, match=rf":2:{len(word) + 12}: allow.{word}: expected an absolute path"):
        load(file, f"repository: /r\nallow: {{{word}: ['{path}']}}\n")
