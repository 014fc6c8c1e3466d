"""What the page says beside its keys and no broken document could show: defaults, and what lies under what."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from page import shape

from schemas.desired import HostSpec
from schemas.errors import SpecError
from schemas.load import Blob, Facts, host_names, load
from schemas.options import LINES, known
from schemas.plan import Policy
from schemas.references import KNOWN_SERVICES, MANAGERS
from schemas.shape import HOST, Shape

LITTLE = """\
profile: debian
unmanaged: {}
maintenance: [{allow: "0 3 * * *", for: 1h}]
apt_sources: {tor: {uris: https://deb.torproject.org/torproject.org}}
packages: {apt: [nginx], luarocks: [luasec]}
prosody: {virtual_hosts: [a.org], components: [irc.org], plugins: {more: {package: prosody-modules}}}
certificates: {a.org: {issuers: letsencrypt}, irc.org: {path: /etc/irc}}
accounts: [ana@a.org]
files: {/a: {directory: true}, /b: {content: x}}
services: [nginx]
jobs: {x: {schedule: daily, run: [/bin/true]}}
users: [prosody]
databases: [prosody]
"""
"""Of every thing the least that can be said."""

DEFAULTS: dict[str, Any] = {
    "policy": None,
    "vars": {},
    "requires": {},
    "drift": Policy.CORRECT,
    "unmanaged accounts": "report",
    "unmanaged packages": "report",
    "unmanaged plugins": "report",
    "unmanaged hosts": "report",
    "unmanaged files": "report",
    "prune confirm_above": 3,
    "prune grace": "7d",
    "maintenance 0 zone": "UTC",
    "apt_sources tor suites": (),
    "apt_sources tor components": ("main",),
    "packages apt nginx version": "present",
    "packages apt nginx hold": False,
    "packages luarocks luasec variables": {},
    "packages luarocks luasec needs": (),
    "prosody version": "present",
    "prosody plugins more version": "present",
    "prosody plugins more modules": (),
    "prosody modules_enabled": (),
    "prosody include": (),
    "prosody lua": "",
    "prosody template": None,
    "prosody components irc.org module": "component",
    "certificates a.org contact": None,
    "certificates a.org key": "p-256",
    "certificates a.org reuse_key": False,
    "certificates a.org dane": False,
    "certificates a.org wildcard": False,
    "certificates a.org names": (),
    "certificates a.org notify": (),
    "certificates a.org install": None,
    "certificates irc.org take": "copy",
    "accounts ana@a.org state": "present",
    "accounts ana@a.org password": None,
    "files /a recurse": False,
    "files /b block": False,
    "files /b comment": "#",
    "files /b check": None,
    "files /b notify": (),
    "services nginx enabled": True,
    "services nginx running": True,
    "jobs x user": "prosody",
    "users prosody groups": (),
    "users prosody system": False,
    "databases prosody engine": "postgresql",
}
"""The way to a key → what it is where nobody says so. Where the profile decides, it is None until then."""


def read(text: str) -> HostSpec:
    return load({"hosts/a.yaml": Blob(text.encode())}, "a", Facts())


def at(value: Any, way: str) -> Any:
    for step in way.split():
        if isinstance(value, Mapping):
            value = value[step]
        else:
            value = value[int(step)] if step.isdigit() else getattr(value, step)
    return value


@pytest.mark.parametrize("way", DEFAULTS)
def test_what_is_not_said_is_the_default_of_the_page(way: str) -> None:
    """Each by its own: what the page writes behind the key."""
    assert at(read(LITTLE).host, way) == DEFAULTS[way]


def test_a_profile_is_all_that_must_be_there() -> None:
    """A host without `prosody` has none; a map of things that nobody said is empty, and no window closes."""
    host = read("profile: debian").host
    assert host.prosody is None
    assert (host.packages, host.unmanaged, host.maintenance) == (None, None, ())
    assert not {**host.apt_sources, **host.certificates, **host.accounts, **host.files}
    assert not {**host.services, **host.jobs, **host.users, **host.databases}


def test_a_build_has_no_flags_that_nobody_said() -> None:
    """Of a package, and of Prosody's own."""
    host = read("profile: uberspace\npackages: {toast: [openssl]}\nprosody: {package: {}}").host
    assert host.packages is not None and host.packages.toast["openssl"].configure == ()
    assert host.prosody is not None and host.prosody.package is not None
    assert (host.prosody.plugins, host.prosody.package.configure, host.prosody.package.hold) == ({}, (), False)


@pytest.mark.parametrize("profile", ["debian", "local", "uberspace", "slackware"])
def test_there_are_four_profiles(profile: str) -> None:
    """Each is one of the language, whatever this version does with it."""
    assert read(f"profile: {profile}").host.profile == profile


def test_the_profile_agrees_with_the_host() -> None:
    """What the host says of itself counts, and git only agrees."""
    with pytest.raises(SpecError) as refused:
        load({"hosts/a.yaml": Blob(b"profile: debian")}, "a", Facts(profile="local"))
    assert "hosts/a.yaml:1:10: profile: expected local, which this host says it is, found debian; write local" in str(
        refused.value
    )


def test_a_host_is_a_file_of_its_name() -> None:
    """All of it; one that is not there is told with the nearest that is."""
    tree = {
        "hosts/chat.example.yaml": Blob(b"profile: local"),
        "shared/x.yaml": Blob(b"["),
        "hosts/old/b.yaml": Blob(b"["),
    }
    assert host_names(tree) == ("chat.example",)
    assert load(tree, "chat.example", Facts()).documents == {"hosts/chat.example.yaml"}
    with pytest.raises(SpecError) as refused:
        load(tree, "chat.exmaple", Facts())
    assert str(refused.value) == (
        "hosts/chat.exmaple.yaml: there is no such file in the repository; write hosts/chat.example.yaml"
    )


def test_no_word_of_ours_is_the_name_of_an_option() -> None:
    """Of any version, core or module; two are Prosody's own, and mean the same."""
    prosody = HOST.below("prosody")
    hosts = prosody.below("virtual_hosts").below("")
    words = prosody.words | hosts.words | hosts.below("components").below("").words
    options = frozenset().union(*(known(line).options for line in LINES))
    assert words & options == {"modules_enabled", "modules_disabled"}


def test_every_thing_may_have_a_word_for_drift() -> None:
    """But Prosody's hosts and components, which are one configuration, and the parts of things."""
    silent = {way for way, shape in _things(HOST) if "drift" not in shape.words}
    assert silent == {"prosody.virtual_hosts", "prosody.virtual_hosts.components", "prosody.components"}
    assert "drift" in HOST.below("prosody").words


def _things(shape: Shape, way: str = "") -> Iterator[tuple[str, Shape]]:
    """Each map of things of the language, by the keys that lead to it."""
    for key, below in shape.keys.items():
        here = f"{way}.{key}".lstrip(".")
        if below.things is not None and below.things.of:
            yield here, below.things
        yield from _things(below.things or below, here)


def test_the_page_lists_the_known_services_and_the_managers() -> None:
    """What needs no entry in `services`, and who installs what."""
    block = shape()
    said = re.search(r"check and on_change are known for ([a-z -]+)\n", block)
    assert said and tuple(said[1].split()) == KNOWN_SERVICES
    said = re.search(r"the profile's managers: ([a-z, ]+)\n", block)
    assert said and set(said[1].split(", ")) == set().union(*MANAGERS.values())
    notified = ", ".join(KNOWN_SERVICES)
    assert read(f"profile: debian\nfiles: {{/a: {{content: x, notify: [{notified}, prosody/firewall]}}}}").host.files


def test_a_list_of_names_will_do() -> None:
    """Where nothing more is said of each."""
    short = read("profile: debian\npackages: {apt: [htop, tmux]}\nservices: [nginx]\nprosody: {virtual_hosts: [a.org]}")
    full = read(
        "profile: debian\npackages: {apt: {htop: {}, tmux: {}}}\nservices: {nginx: {}}\n"
        "prosody: {virtual_hosts: {a.org: {}}}"
    )
    assert short.digest == full.digest


SLACKWARE = """\
profile: slackware
packages: {pkgtools: {.default: {url: "https://m.example/<name>-<version>.txz", version: "9", drift: detect}}}
"""
SUM = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def test_the_managers_default_lies_under_prosodys_own_package() -> None:
    """What a package may have beside its version; what `package` says itself is nearer."""
    prosody = read(f"{SLACKWARE}prosody: {{version: '0.12', package: {{sha256: {SUM}}}}}").host.prosody
    assert prosody is not None and prosody.package is not None
    assert prosody.package.url == "https://m.example/<name>-<version>.txz"
    assert (prosody.version, prosody.drift) == ("0.12", None)
    nearer = f"prosody: {{package: {{url: https://other.example/x, sha256: {SUM}}}}}"
    prosody = read(SLACKWARE + nearer).host.prosody
    assert prosody is not None and prosody.package is not None
    assert prosody.package.url == "https://other.example/x"


def test_a_managers_default_brings_no_prosody() -> None:
    """It lies under what is there; nor does that of a manager that installs other things."""
    assert read(SLACKWARE).host.prosody is None
    prosody = read("profile: debian\npackages: {luarocks: {.default: {server: https://r.example}}}\nprosody: {}").host
    assert prosody.prosody is not None and prosody.prosody.package is None


ZONE = 'profile: debian\nmaintenance: [{allow: "0 3 * * *", for: 1h, zone: %s}]'


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT-14"])
def test_a_zone_of_the_tz_database_is_taken(zone: str) -> None:
    """By the name that IANA gives it."""
    assert read(ZONE % zone).host.maintenance[0].zone == zone


@pytest.fixture
def without_zones(tmp_path: Path) -> Iterator[None]:
    """As on a machine where no tz database is installed."""
    zoneinfo.reset_tzpath(to=[tmp_path])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()


def test_without_a_tz_database_a_zone_is_noted(without_zones: None) -> None:
    """Nobody looked, and the commit stands; UTC needs no looking, and what is no name is a mistake all the same."""
    notes = [str(note) for note in read(ZONE % "Europe/Berln").notes if "not yet" not in note.text]
    assert notes == [
        "hosts/a.yaml:2:51: maintenance.zone: "
        "whether there is a time zone Europe/Berln is not known here, without the tz database"
    ]
    assert all("not yet" in note.text for note in read(ZONE % "UTC").notes)
    with pytest.raises(SpecError, match="expected a time zone"):
        read(ZONE % "Europe Berlin")


def test_a_commit_that_was_accepted_keeps_its_zone() -> None:
    """A database that loses a name under it makes no mistake of it."""
    tree = {"hosts/a.yaml": Blob((ZONE % "Europe/Berln").encode())}
    load(tree, "a", Facts(is_accepted=True))
    with pytest.raises(SpecError, match="there is no time zone"):
        load(tree, "a", Facts())
