"""What a host must allow is foretold by the table of the page, and agrees with the page's own hosts."""

from __future__ import annotations

import re

import page
import pytest
import yaml

from schemas.errors import Mistake
from schemas.load import Blob, Facts, host_names, load
from schemas.needs import foretell

HOSTS = [(section, name) for section in page.sections() for name in host_names(section.tree())]


def told(document: str, prosody: str = "prosody: {virtual_hosts: [a.b]}\n") -> list[Mistake]:
    text = f"{document}{prosody}"
    return [*foretell(load({"hosts/a.yaml": Blob(text.encode()), "files/x": Blob(b"")}, "a", Facts()))]


@pytest.mark.parametrize(("section", "name"), HOSTS, ids=[name for _, name in HOSTS])
def test_the_hosts_of_the_page_need_what_stands_above_them(section: page.Section, name: str) -> None:
    """`# hosts/NAME.yaml; agent.yaml: allow: {…}` is all that the notes ask for, and no less."""
    text = section.files[f"hosts/{name}.yaml"]
    if "allow: everything" in text:
        return
    said = re.search(r"agent\.yaml: allow: (\{.*\})", text.splitlines()[0])
    allowed = yaml.safe_load(said[1]) if said else {}
    found: dict[str, set[str]] = {}
    for note in foretell(load(section.tree(), name, Facts())):
        ((word, values),) = yaml.safe_load(
            note.text.removeprefix("needs allow: ").partition(" in agent.yaml")[0]
        ).items()
        found.setdefault(word, set()).update(values)
    assert found == {word: set(values) for word, values in allowed.items()}


NEEDS = {
    "files: {/etc/cron.d/x: {source: files/x}}": "write: [/etc/cron.d]",
    "files: {/opt/x: {directory: true}}": "write: [/opt/x]",
    "files: {/srv/a: {content: x, check: [/bin/true, <file>]}}": "run: [/bin/true]",
    "vars: {a: {read: /etc/shadow}}": "read: [/etc/shadow]",
    "certificates: {a.b: {path: /root/certs}}": "read: [/root/certs]",
    "certificates: {a.b: {path: {certificate: /srv/a.pem, key: /root/a.key}}}": "read: [/root/a.key]",
    "certificates: {a.b: {issuers: letsencrypt, challenge: {dns-01: {server: 192.0.2.1,"
    " tsig: {name: k, algorithm: hmac-sha256, secret: {host_file: /root/t}}}}}}": "read: [/root/t]",
    "certificates: {a.b: {issuers: [{directory: 'https://ca.example/d',"
    " eab: {kid: k, hmac: {host_file: /root/h}}}]}}": "read: [/root/h]",
    "accounts: {x@a.b: {password: {host_file: /root/p}}}": "read: [/root/p]",
    "accounts: {x@a.b: {scram: {host_file: /root/s}}}": "read: [/root/s]",
    "files: {/srv/a: {content: {host_file: /root/c}}}": "read: [/root/c]",
    "files: {/srv/a: {template: files/x, vars: {v: [{host_file: /root/v}]}}}": "read: [/root/v]",
    "certificates: {a.b: {self_signed: true, install: {directory: /etc/coturn}}}": "write: [/etc/coturn]",
    "certificates: {a.b: {issuers: letsencrypt, challenge: {dns-01: {hook: /h}}}}": "run: [/h]",
    "apt_sources: {a: {uris: https://mirror.example/debian}}": "sources: [https://mirror.example]",
    "packages: {apt: {telnetd: absent}}": "packages: [telnetd]",
    "services: {poweroff.target: {}}": "services: [poweroff.target]",
    "services: {rpcbind: {running: false}}": "services: [rpcbind]",
    "services: {rpcbind: {enabled: false}}": "services: [rpcbind]",
    "services: {nginx: {environment: {LANG: C}}}": "services: [nginx]",
    "packages: {apt: {openssh-server: {hold: true}}}": "packages: [openssh-server]",
    "services: {dbus.socket: {}}": "services: [dbus.socket]",
    "services: {dbus-org.freedesktop.login1: {}}": "services: [dbus-org.freedesktop.login1]",
    "services: {autovt@tty9: {}}": "services: [autovt@tty9]",
    "services: {prosody: {environment: {LUA_PATH: x}}}": "services: [prosody]",
    "services: {prosody: {environment: {LD_PRELOAD: x}}}": "services: [prosody]",
    "services: {prosody: {environment: {PATH: x}}}": "services: [prosody]",
    "services: {tor: {check: [/opt/check]}}": "run: [/opt/check]",
    "jobs: {a: {schedule: daily, run: [/bin/true], user: root}}": "users: [root]",
    "jobs: {a: {schedule: daily, run: [/bin/false], user: root}}": "run: [/bin/false]",
    "users: {prosody: {groups: [ssl-cert]}}": "users: [ssl-cert]",
    "users: [tor]": "users: [tor]",
}


@pytest.mark.parametrize("document", NEEDS)
def test_each_row_of_the_table_is_told(document: str) -> None:
    """At the place that needs it."""
    notes = [str(note) for note in told(f"profile: debian\n{document}\n")]
    assert any(NEEDS[document] in note and note.startswith("hosts/a.yaml:2:") for note in notes), notes


@pytest.mark.parametrize(
    "document",
    [
        "files: {/etc/motd: {content: x}, /srv/a/b: {content: x}, /var/www: {directory: true}}",
        "files: {/etc/prosody/x: {content: x}, /var/lib/prosody/x: {content: x, mode: '0777'}}",
        "files: {/usr/local/share/prosody/x: {content: x}, /usr/local/lib/prosody: {directory: true}}",
        "packages: {luarocks: {x: {version: '1', server: 'https://rocks.example/'}}}",
        "apt_sources: {p: {uris: https://packages.prosody.im/debian}}\npackages: {apt: [nginx]}",
        "services: {nginx: {}, prosody: {environment: {LANG: C.UTF-8}}}",
        "jobs: {a: {schedule: daily, run: [/bin/true]}}",
        "vars: {a: {read: /var/lib/tor/x/hostname}}\ncertificates: {a.b: {path: /etc/letsencrypt/live/<name>}}",
    ],
)
def test_what_every_host_allows_needs_nothing(document: str) -> None:
    """Prosody's own places, the distribution's packages, Prosody's own source."""
    assert not told(f"profile: debian\n{document}\n")


def test_software_of_elsewhere_is_told() -> None:
    """Packages and Prosody itself where they are downloads that root would install; the distribution's are none."""
    pin = f"sha256: {'ab' * 32}"
    notes = told(
        f"profile: slackware\npackages: {{pkgtools: {{a: {{url: 'https://m.example/a', {pin}}}}}}}\n"
        f"prosody: {{package: {{url: 'https://n.example/p', {pin}}}}}\n",
        prosody="",
    )
    assert [note.text.partition(" in ")[0] for note in notes] == [
        "needs allow: {sources: [https://n.example]}",
        "needs allow: {sources: [https://m.example]}",
    ]


def test_plugins_of_elsewhere_need_nothing() -> None:
    """They are Prosody's own, and pinned."""
    plugin = f"{{archive: 'https://m.example/a', sha256: {'ab' * 32}}}"
    assert told(f"profile: debian\nprosody: {{plugins: {{a: {plugin}}}}}\n", prosody="") == []


def test_a_secret_among_options_is_told_at_its_place() -> None:
    """At any depth."""
    (note,) = told("profile: debian\nprosody:\n  ldap: {password: [{host_file: /root/x}]}\n", prosody="")
    assert str(note) == (
        "hosts/a.yaml:3:21: prosody.ldap.password.0: needs allow: {read: [/root/x]} in agent.yaml on the host"
    )


def test_ssh_is_closed_everywhere() -> None:
    """Whoever writes there may log in: without root no setting opens it."""
    (note,) = told("profile: uberspace\nfiles: {<home>/.ssh/authorized_keys: {content: x}}\n")
    assert note.text == "is closed to a push, whatever the host allows; choose another path"


def test_without_root_the_home_is_open_and_nothing_else() -> None:
    """No setting opens more than the account may write."""
    (note,) = told("profile: local\nfiles: {/etc/motd: {content: x}, <home>/motd: {content: x}}\n")
    assert "only what lies below <home>" in note.text
