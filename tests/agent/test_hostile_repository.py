"""A repository that would be root ends in a mistake: each case of the table, as a Debian host judges it.

Here nothing is done, so nothing can be harmed. tests/machines/test_attacks.py pushes the same cases to a real host
and looks at what is there afterwards.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path, PurePosixPath

import pytest
from hostile import CASES, EVIL, Case

from agent.bounds import Bounds
from agent.validate import Level, validate
from reconcilers.profiles import debian
from schemas.load import Facts
from schemas.opening import Allow, opening

HOST = "chat.example.test"
OWN = ("/etc/prosodist/agent.yaml", "/etc/prosodist/keys", "/var/lib/prosodist", "/opt/prosodist", "/srv/git")


def bounds(
    allow: Allow | None = None, made: frozenset[str] = frozenset(), lacks: frozenset[str] = frozenset()
) -> Bounds:
    """A Debian's, whoever runs this. `made` are ids of what it has brought, `lacks` packages that are not there."""
    home = PurePosixPath("/root")
    return Bounds(
        opening("debian", str(home), allow or Allow(), is_root=True),
        debian.site_paths(home),
        own=tuple(map(PurePosixPath, OWN)),
        hands=(),
        made=made.__contains__,
        lacks=lacks.__contains__,
    )


def mistakes(
    case: Case,
    checkout: Path,
    allow: Allow | None = None,
    made: frozenset[str] = frozenset(),
    lacks: frozenset[str] = frozenset(),
    *,
    accepted: bool = False,
) -> list[str]:
    """What is told of this case."""
    files = {"x": EVIL, f"hosts/{HOST}.yaml": f"profile: debian\n{case.document}", **case.files}
    for name, text in files.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    facts = Facts(fqdn=HOST, home="/root", user="root")
    judge = partial(bounds(allow, made, lacks).mistakes, accepted=accepted)
    told = validate(str(checkout), HOST, {HOST: facts}, judge)
    return [str(finding.mistake) for finding in told if finding.level is Level.ERROR]


@pytest.mark.parametrize("name", CASES)
def test_it_ends_in_a_mistake(name: str, tmp_path: Path) -> None:
    """At its place in git, and in the words that are meant for it."""
    case = CASES[name]
    told = mistakes(case, tmp_path)
    assert any(re.search(case.words, mistake) for mistake in told), told
    assert all(re.match(rf"(hosts/{HOST}\.yaml|t\.j2):\d+:\d+: ", mistake) for mistake in told), told


def test_there_are_many() -> None:
    """Fewer would be no proof."""
    assert len(CASES) >= 100


OPENED = {
    "a job of cron": Allow(write=("/etc/cron.d",)),
    "a variable": Allow(read=("/etc/shadow",)),
    "a certificate": Allow(read=("/root",)),
    "a check": Allow(run=("/bin/sh",)),
    "a group": Allow(users=("sudo",)),
    "packages of elsewhere": Allow(sources=("https://evil.example",)),
    "another port": Allow(sources=("https://packages.prosody.im:8443/",)),
    "a package that is removed": Allow(packages=("openssh-server",)),
    "a service that is stopped": Allow(services=("ssh",)),
    "a loader's variable": Allow(services=("prosody",)),
    "a service that powers off": Allow(services=("systemd-poweroff",)),
}


@pytest.mark.parametrize("name", OPENED)
def test_the_host_may_open_it(name: str, tmp_path: Path) -> None:
    """The very words that the mistake asks for."""
    assert not mistakes(CASES[name], tmp_path, OPENED[name])


SHUT = {
    "users": Allow(write=("/etc/passwd.d", "/etc/pass")),
    "a check that was pushed": Allow(run=("/srv/a",)),
    "a check": Allow(run=("/bin", "/bin/sh/", "sh")),
    "a hook of certbot": Allow(write=("/etc/letsencrypt/renewal-hooks/deploy/y",)),
    "the agent's settings": Allow(write=("/etc",)),
    "hooks of the repository": Allow(write=("/srv/git",)),
    "keys of Prosody's user": Allow(write=("/var/lib/prosody/.ssh",)),
    "the agent's own key": Allow(read=("/etc/prosodist",)),
    "a name before the host": Allow(sources=("https://evil.example",)),
    "packages of elsewhere": Allow(sources=("https://evil.example.org", "https://evil", "http://evil.example")),
}


@pytest.mark.parametrize("name", SHUT)
def test_a_word_that_is_near_opens_nothing(name: str, tmp_path: Path) -> None:
    """A beginning of a name, a program's directory; and what is closed whatever the host allows."""
    assert mistakes(CASES[name], tmp_path, SHUT[name])


BROUGHT = {
    "a package that is removed": ("package:openssh-server", "package:openssh"),
    "a service that is stopped": ("service:ssh", "service:sshd"),
    "a service that is disabled": ("package:ssh", "package:sshd"),
}


@pytest.mark.parametrize("name", BROUGHT)
def test_what_the_agent_has_brought_it_may_end(name: str, tmp_path: Path) -> None:
    """Its own package and service, or a service of its own package; nothing that has a name like theirs."""
    own, other = BROUGHT[name]
    assert not mistakes(CASES[name], tmp_path, made=frozenset({own}))
    assert mistakes(CASES[name], tmp_path, made=frozenset({other}))


@pytest.mark.parametrize("name", [*BROUGHT, "a package that is never upgraded"])
def test_what_was_accepted_outlives_the_inventory(name: str, tmp_path: Path) -> None:
    """Lost with the state, it no longer says what the agent has brought; the commit was judged while it did."""
    assert mistakes(CASES[name], tmp_path) and not mistakes(CASES[name], tmp_path, accepted=True)
    assert mistakes(CASES["a job of cron"], tmp_path, accepted=True), "what was never the agent's is asked again"


def test_what_the_agent_is_to_bring_it_may_hold(tmp_path: Path) -> None:
    """A package that the host has not yet, or that the agent brought; nothing that lacks otherwise."""
    case = CASES["a package that is never upgraded"]
    lacking = frozenset({"openssh-server"})
    assert mistakes(case, tmp_path) and not mistakes(case, tmp_path, lacks=lacking)
    assert not mistakes(case, tmp_path, made=frozenset({"package:openssh-server"}))
    assert mistakes(CASES["a package that is removed"], tmp_path, lacks=lacking)


def test_what_comes_with_the_commit_it_may_leave_off(tmp_path: Path) -> None:
    """On a bare host one commit brings a package and keeps its service from running; of another it is no word."""
    case = Case("packages: {apt: [nginx]}\nservices: {nginx: {enabled: false, running: false}}\n", "")
    assert not mistakes(case, tmp_path, lacks=frozenset({"nginx"}))
    assert mistakes(case, tmp_path), "it was here before"
    assert mistakes(CASES["a service that is stopped"], tmp_path, lacks=frozenset({"ssh"})), "nobody brings it"
    own = Case("prosody: {}\nservices: {prosody: {running: false}}\n", "")
    assert not mistakes(own, tmp_path, lacks=frozenset({"prosody"})) and mistakes(own, tmp_path)


def test_what_the_agent_has_brought_is_steered_by_nobody_else(tmp_path: Path) -> None:
    """To remove it is one thing, to say what its process loads another."""
    everything = frozenset({"package:tor", "service:tor", "package:prosody", "service:prosody"})
    assert mistakes(CASES["variables of another"], tmp_path, made=everything)
    assert mistakes(CASES["a loader's variable"], tmp_path, made=everything)


def test_what_git_calls_a_name_may_be_a_way_up(tmp_path: Path) -> None:
    """A tree that git's own commands would refuse: its files are judged where they would lie."""
    assert bounds().may_write(PurePosixPath("/srv/a/../../etc/cron.d/x"))
    assert bounds().may_read(PurePosixPath("/etc/prosody/../shadow"))
