"""`prosodist init`: a first repository for this host, with comments that teach the language."""

from __future__ import annotations

import os
import pkgutil

from schemas.desired.texts import check_host_name
from schemas.errors import AgentError, SettingsError

_FILES = {"hosts/@host@.yaml": "first/host.yaml", "README.md": "first/README.md"}
"""What is written, and what it is made from."""

_STOCK = "/etc/prosody/prosody.cfg.lua"
_BESIDE = f"""\
{_STOCK} stays as it is, and its Prosody with it: under the profile
local the agent runs one of its own below <home>/prosody, on free ports of the loopback.
"""


def init(directory: str, host: str) -> str:
    """Write the repository, and say what to do next. Nothing that is there is touched.

    Raises AgentError when one of the files is there already, SettingsError when the host's name is none.
    """
    name = _domain(host)
    wanted = {path.replace("@host@", name): _text(source, name) for path, source in _FILES.items()}
    for path in wanted:
        if os.path.lexists(os.path.join(directory, path)):
            raise AgentError(f"{os.path.join(directory, path)}: is there already; take an empty directory for init")
    for path, text in wanted.items():
        place = os.path.join(directory, path)
        os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
        with open(place, "x", encoding="utf-8") as file:
            file.write(text)
    return _next_steps(directory, name, tuple(wanted))


def _domain(host: str) -> str:
    """The host's name as a domain, for its first virtual host."""
    name = host.lower().rstrip(".")
    try:
        return check_host_name(name)
    except ValueError as error:
        raise SettingsError(f"host: {error}; name this host in the settings, and them by --config") from None


def _text(source: str, host: str) -> str:
    data = pkgutil.get_data("agent", source)
    assert data is not None, "the package is whole"
    return data.decode().replace("@host@", host)


def _next_steps(directory: str, host: str, files: tuple[str, ...]) -> str:
    place = os.path.abspath(directory)
    written = "\n".join(f"  {os.path.join(directory, path)}" for path in files)
    beside = _BESIDE if os.path.exists(_STOCK) else ""
    return f"""\
Written:
{written}
{beside}Next:
  prosodist validate {directory}            tells every mistake, now and before each push
  cd {directory} && git init -b main && git add . && git commit -m "Begin"
  agent.yaml, on the host:
      repository: {place}
      host: {host}
  prosodist --config agent.yaml plan        what would be done
  prosodist --config agent.yaml run         does it, and goes on doing it
"""
