"""What a push may never write or have read, however it is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PurePosixPath

import pytest

from agent.bounded import apart
from agent.settings import load_settings
from agent.site import Place, facts
from agent.users import user_name


@pytest.fixture
def place(home: Path) -> Place:
    """A home that holds the agent's own things; the settings name state and key by way of links."""
    (home / "really/state").mkdir(parents=True)
    (home / "really/age").touch()
    (home / "second").symlink_to("really/state")
    (home / "first").symlink_to(home / "second")
    (home / "keys").symlink_to("really")
    config = home / "etc/agent.yaml"
    config.parent.mkdir()
    config.write_text(
        f"repository: /srv/x\nhost: h\nprofile: local\nhome: {home}\n"
        f"state_dir: {home}/first\nage_key: {home}/keys/age\n"
    )
    return Place(load_settings(config), config, b"key")


@pytest.mark.parametrize(
    "name",
    ["first/state.db", "second", "really/state/state.db", "keys", "really/age", "etc/agent.yaml", "etc/accepted",
     ".ssh/authorized_keys"],
)  # fmt: skip
def test_what_is_the_agents_own_is_closed_under_each_of_its_names(place: Place, home: Path, name: str) -> None:
    """Where it really lies, and each link that leads there, as well as the name that the settings use."""
    path = PurePosixPath(home / name)
    assert place.bounds.may_write(path)
    assert place.bounds.may_read(path)
    assert place.bounds.fence.refusal(path)


@pytest.mark.parametrize("name", ["", "/etc", "/data", "/certs", "/run", "/log", "/stage", "/secrets"])
def test_a_directory_that_is_made_for_prosody_is_no_entry_of_files(place: Place, home: Path, name: str) -> None:
    """Two of one opinion need not both say it, and two of different ones would never come to rest."""
    assert place.bounds.may_write(PurePosixPath(f"{home}/prosody{name}"))
    assert not place.bounds.may_write(PurePosixPath(f"{home}/prosody/data/below"))
    assert not place.bounds.may_write(PurePosixPath(home))


def test_a_push_reads_what_prosodys_user_may(place: Place, home: Path) -> None:
    """The agent is that user, and the system judges; root, who could read all, opens the home alone."""
    assert not place.bounds.may_read(PurePosixPath(home / "secret"))
    told = place.bounds.may_read(PurePosixPath("/etc/shadow"))
    assert told == (f"the agent runs as root, so only {home} is open to reading; put the secret below it, "
                    "or open it on the host: allow: {read: [/etc/shadow]}"
                    if os.geteuid() == 0 else "")  # fmt: skip


def test_a_home_that_is_a_link_hides_nothing(home: Path) -> None:
    """What is named below the link is what lies below the directory."""
    (home / "real/state").mkdir(parents=True)
    (home / "link").symlink_to("real")
    config = home / "agent.yaml"
    config.write_text(
        f"repository: /srv/x\nhost: h\nprofile: local\nhome: {home}/link\nstate_dir: {home}/real/state\n"
        f"age_key: {home}/age\n"
    )
    place = Place(load_settings(config), config, b"key")
    assert place.bounds.may_write(PurePosixPath(home / "link/state/state.db"))
    assert not place.bounds.may_write(PurePosixPath(home / "link/prosody/data/x"))


def test_the_program_itself_is_closed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that the agent runs from, its interpreter and command, and every place it imports from."""
    for name in ("venv/bin", "site", "bin"):
        (home / name).mkdir(parents=True)
    os.symlink(sys.executable, home / "venv/bin/python")
    (home / "bin/prosodist").symlink_to("../venv/bin/prosodist")
    (home / "venv/bin/prosodist").touch()
    monkeypatch.setattr(sys, "prefix", f"{home}/venv")
    monkeypatch.setattr(sys, "argv", [f"{home}/bin/prosodist", "run"])
    monkeypatch.setattr(sys, "path", ["", str(home), f"{home}/site"])
    config = home / "agent.yaml"
    config.write_text(f"repository: /srv/x\nhost: h\nprofile: local\nhome: {home}\nstate_dir: /s\nage_key: /k\n")
    place = Place(load_settings(config), config, b"key")
    for name in ("venv/bin/python", "venv/pyvenv.cfg", "bin/prosodist", "site/yaml.py"):
        assert place.bounds.may_write(PurePosixPath(home / name)), name
    assert not place.bounds.may_write(PurePosixPath(home / "bin/other"))
    assert not place.bounds.may_write(PurePosixPath(home / "motd"))


def test_a_user_may_have_no_name(home: Path) -> None:
    """In a container the agent may run as a number that no user database knows."""
    config = home / "agent.yaml"
    config.write_text(f"repository: /srv/x\nhost: h\nprofile: local\nhome: {home}\n")
    nameless = 54321 if os.geteuid() == 0 else os.geteuid()

    def told() -> str | None:
        os.setuid(nameless)
        return facts(load_settings(config)).user

    assert apart(told) == user_name(nameless)


def test_a_repository_on_this_host_is_closed(home: Path) -> None:
    """Its hooks run as whoever pushes, who may be root."""
    config = home / "agent.yaml"
    config.write_text(f"repository: {home}/git\nhost: h\nprofile: local\nhome: {home}\n")
    place = Place(load_settings(config), config, b"key")
    assert "git is closed" in place.bounds.may_write(PurePosixPath(home / "git/hooks/post-receive"))
    assert not place.bounds.may_write(PurePosixPath(home / "gitea"))


def test_roots_agent_in_a_home_reads_what_the_host_opens(home: Path) -> None:
    """`allow` opens reading there too; writing stays below the home."""
    config = home / "agent.yaml"
    config.write_text(
        f"repository: /r\nhost: h\nprofile: local\nhome: {home}\nallow: {{read: [/etc/ssl], write: [/etc/ssl]}}\n"
    )
    bounds = Place(load_settings(config), config, b"key").bounds
    assert not bounds.may_read(PurePosixPath("/etc/ssl/x"))
    assert bounds.may_write(PurePosixPath("/etc/ssl/x"))
    assert bool(bounds.may_read(PurePosixPath("/etc/shadow"))) is (os.geteuid() == 0)
    assert bounds.allows("run", "/bin/sh") is (os.geteuid() != 0)
