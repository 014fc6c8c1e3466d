"""Both versions of Prosody run here."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import releases
from users import User

CONFIGURATION = """
data_path = "{home}/data"; certificates = "{home}/data"; pidfile = "{home}/data/prosody.pid"
interfaces = {{ "127.0.0.1" }}; c2s_ports = {{ {port} }}; c2s_direct_tls_ports = {{}}
modules_disabled = {{ "s2s" }}; log = {{ info = "*console" }}
VirtualHost "bücher.example.test"
"""


@pytest.mark.parametrize("debian", sorted(releases.RELEASES))
def test_each_prosody_starts_as_an_ordinary_user_and_says_its_version(
    debian: str, home: Path, as_user: User, free_port: Callable[[], int]
) -> None:
    """A Prosody of each release loads its C modules (an internationalised name needs ICU) and listens."""
    (home / "data").mkdir()
    shutil.chown(home / "data", as_user.uid, as_user.gid)
    configuration, port = home / "prosody.cfg.lua", free_port()
    configuration.write_text(CONFIGURATION.format(home=home, port=port))
    with subprocess.Popen(
        [releases.prosody(debian), "--config", configuration, "-F"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=home,
        **as_user.run_as(),
    ) as child:
        lines = []
        for line in child.stdout or ():
            lines.append(line)
            if f":{port}" in line:
                break
        child.terminate()
    log = "".join(lines)
    assert f"Hello and welcome to Prosody version {releases.RELEASES[debian].line}." in log
    assert f"on [127.0.0.1]:{port}" in log
    assert "error" not in log
