"""Where the running agent listens, learnt as cheaply as can be: the command line's fast path begins here.

Imports nothing that Python has not loaded by itself. YAML alone would cost more than the whole answer.
"""

from __future__ import annotations

import os
import sys

DEFAULT_CONFIG = "/etc/prosodist/agent.yaml"

_SOUGHT = ("state_dir", "control_socket")


def default_config() -> str:
    """The settings to read when nobody names any: the host's, else an ordinary user's own."""
    if os.geteuid() == 0 or os.access(DEFAULT_CONFIG, os.R_OK):
        return DEFAULT_CONFIG
    own = os.path.join(_xdg("XDG_CONFIG_HOME", ".config"), "prosodist", "agent.yaml")
    return own if os.path.exists(own) else DEFAULT_CONFIG


def default_state_dir() -> str:
    """/var/lib/prosodist for root, else below $XDG_STATE_HOME."""
    if os.geteuid() == 0:
        return "/var/lib/prosodist"
    return os.path.join(_xdg("XDG_STATE_HOME", ".local/state"), "prosodist")


def default_control_socket(state_dir: str) -> str:
    """Beside a state directory that was chosen; else /run/prosodist, or below $XDG_RUNTIME_DIR.

    Two agents with two state directories must not meet at one socket.
    """
    if state_dir != default_state_dir():
        return os.path.join(state_dir, "control.sock")
    if os.geteuid() == 0:
        return "/run/prosodist/control.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return os.path.join(runtime, "prosodist/control.sock") if runtime else os.path.join(state_dir, "control.sock")


def default_age_key() -> str:
    """/etc/prosodist/keys/age for root, else below $XDG_CONFIG_HOME."""
    if os.geteuid() == 0:
        return "/etc/prosodist/keys/age"
    return os.path.join(_xdg("XDG_CONFIG_HOME", ".config"), "prosodist/keys/age")


def which(program: str) -> str | None:
    """The first executable file of this name on the PATH; an empty entry of the PATH names no directory."""
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(directory, program)
        if directory and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def control_socket_of(path: str | os.PathLike[str]) -> tuple[str, str] | None:
    """The control socket and the state directory that these settings name, told from plain top-level lines only.

    None where a line is not as plain as that, or the file is not there: then the settings have to be loaded in full,
    mistakes and all.
    """
    found = _plain_values(path)
    if found is None:
        return None
    base = os.path.dirname(os.path.abspath(path))
    state_dir = resolve(found["state_dir"], base) if "state_dir" in found else default_state_dir()
    if "control_socket" in found:
        return resolve(found["control_socket"], base), state_dir
    return default_control_socket(state_dir), state_dir


def resolve(text: str, base: str) -> str:
    """A path of the settings: relative ones begin at the directory of the settings, ~ is the agent's home."""
    return os.path.normpath(os.path.join(base, os.path.expanduser(text)))


def _plain_values(path: str | os.PathLike[str]) -> dict[str, str] | None:
    """The values of the keys sought; None when it takes YAML to understand the file."""
    try:
        with open(path, encoding=sys.getfilesystemencoding()) as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith((" ", "#", "- ")) or not line.strip():
            continue
        key, colon, value = line.partition(":")
        if not colon or not key.isidentifier() or (value and not value.startswith(" ")):
            return None
        value = value.partition(" #")[0].strip()
        if value.startswith(("'", '"', "|", ">")):
            return None  # may go on over the next lines, and hide a key in them
        if key in _SOUGHT:
            if key in found or not _is_plain_path(value):
                return None
            found[key] = value
    return found


def _is_plain_path(value: str) -> bool:
    return value.startswith(("/", "./", "../", "~/")) and all(sign.isalnum() or sign in "/._~-+@" for sign in value)


def _xdg(variable: str, below_home: str) -> str:
    value = os.environ.get(variable, "")
    return value if os.path.isabs(value) else os.path.join(os.path.expanduser("~"), below_home)
