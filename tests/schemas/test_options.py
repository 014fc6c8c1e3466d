"""A host's Prosody options against its version: every rule broken once, and what is told read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.errors import SpecError
from schemas.load import Blob, Facts, load
from schemas.options import LINES, known
from schemas.options.spelling import meant, slips
from schemas.options.versions import lines_of


def told(text: str, *, version: str = "13.0", installed: str | None = None) -> tuple[list[str], list[str]]:
    """Mistakes and notes of a `prosody` part that begins in line 4, without the file's name."""
    said = f'  version: "{version}"\n' if version else "  # no version said\n"
    indented = "".join(f"  {line}\n" for line in text.strip("\n").splitlines())
    tree = {"hosts/a.yaml": Blob(f"profile: local\nprosody:\n{said}{indented}".encode())}
    facts = Facts(prosody=installed)
    try:
        spec = load(tree, "a", facts)
    except SpecError as error:
        return [str(mistake).removeprefix("hosts/a.yaml:") for mistake in error.mistakes], []
    notes = [str(note).removeprefix("hosts/a.yaml:") for note in spec.notes]
    return [], [note for note in notes if "not yet:" not in note]


MISTAKES = {
    "a misspelled option": (
        "13.0",
        "alow_registration: true",
        "4:3: prosody.alow_registration: unknown option; write allow_registration",
    ),
    "an option with other hyphens and capitals": (
        "13.0",
        "Allow-Registration: true",
        "4:3: prosody.Allow-Registration: unknown option; write allow_registration",
    ),
    "an option with hyphens alone": (
        "13.0",
        "http-file-share-size-limit: 1",
        "4:3: prosody.http-file-share-size-limit: unknown option; write http_file_share_size_limit",
    ),
    "a number for a choice": (
        "13.0",
        "restrict_room_creation: 1",
        "4:27: prosody.restrict_room_creation: expected false, true, local, found the number 1; "
        "write false, say, which is its default",
    ),
    "an option of a module of prosody-modules, misspelled": (
        "13.0",
        "turncredential_secret: x",
        "4:3: prosody.turncredential_secret: unknown option; write turncredentials_secret",
    ),
    "an option that nobody can read": (
        "0.12",
        "modules_enabled: [roster, bosh]\nfantasy: 1",
        "5:3: prosody.fantasy: unknown option: neither Prosody 0.12 nor a module enabled here reads it; take it out",
    ),
    "an option of the later version": (
        "0.12",
        "sqlite_tune: fast",
        "4:3: prosody.sqlite_tune: Prosody 0.12 has no such option, 13.0 has; "
        'take it out, or write version: "13.0" below prosody',
    ),
    "an option of the earlier version, with what took its place": (
        "13.0",
        "allow_user_invites_by_roles: [x]",
        "4:3: prosody.allow_user_invites_by_roles: Prosody 13.0 has no such option, 0.12 has; "
        'write add_permissions, or write version: "0.12" below prosody',
    ),
    "an option of one version where both must be right": (
        "",
        "sqlite_tune: fast",
        "4:3: prosody.sqlite_tune: only Prosody 13.0 has this option; "
        'take it out, or write version: "13.0" below prosody',
    ),
    "an option of long ago": (
        "13.0",
        "setuid: prosody",
        "4:3: prosody.setuid: Prosody 13.0 has no such option any more; take it out",
    ),
    "an option of long ago that has a successor": (
        "0.12",
        "bosh_ports: [5280]",
        "4:3: prosody.bosh_ports: Prosody 0.12 has no such option any more; write http_ports",
    ),
    "a global option in a host": (
        "13.0",
        "virtual_hosts:\n  x.test: {c2s_ports: [5222]}",
        "5:14: prosody.virtual_hosts.x.test.c2s_ports: Prosody reads this option only globally, "
        "so here it says nothing; move it up, right below prosody",
    ),
    "a global option in a component of a host": (
        "0.12",
        "virtual_hosts:\n  x.test:\n    components:\n      rooms: {module: muc, log: {info: x}}",
        "7:30: prosody.virtual_hosts.x.test.components.rooms.log: Prosody reads this option only globally, "
        "so here it says nothing; move it up, right below prosody",
    ),
    "a global option in a component": (
        "13.0",
        "components:\n  rooms.test: {module: muc, pidfile: /x}",
        "5:31: prosody.components.rooms.test.pidfile: Prosody reads this option only globally, "
        "so here it says nothing; move it up, right below prosody",
    ),
    "no boolean": (
        "13.0",
        "s2s_secure_auth: maybe",
        "4:20: prosody.s2s_secure_auth: expected true or false, found maybe; write false, say, which is its default",
    ),
    "a word that means a boolean": (
        "13.0",
        'allow_registration: "yes"',
        "4:23: prosody.allow_registration: expected true or false, found yes; write true",
    ),
    "no number": (
        "0.12",
        "c2s_timeout: soon",
        "4:16: prosody.c2s_timeout: expected a number, found soon; write 300, say, which is its default",
    ),
    "a number out of bounds": (
        "13.0",
        "external_service_port: 70000",
        "4:26: prosody.external_service_port: expected an integer from 1 to 65535, found the number 70000; write 65535",
    ),
    "no whole number": (
        "13.0",
        "pep_info_cache_size: 1.5",
        "4:24: prosody.pep_info_cache_size: expected an integer of at least 1, found the number 1.5; write 2",
    ),
    "no duration": (
        "13.0",
        "c2s_timeout: soon",
        '4:16: prosody.c2s_timeout: expected a duration, found soon; write "5 minutes", say, which is its default',
    ),
    "a map for a list": (
        "13.0",
        "admins: {a@x.test: true}",
        "4:3: prosody.admins: expected a list, found a map; write [a, b], say",
    ),
    "a text for a map": (
        "13.0",
        "limits: none",
        "4:11: prosody.limits: expected a map, found none; write {key: value}, say",
    ),
    "a list for a text": (
        "13.0",
        "data_path: [/a, /b]",
        '4:3: prosody.data_path: expected a path, found a list; write "/a/path", say',
    ),
    "none of the choices": (
        "13.0",
        "tls_profile: moderm",
        "4:16: prosody.tls_profile: expected modern, intermediate, old, legacy, found moderm; write modern",
    ),
    "a module of the other version": (
        "0.12",
        "modules_enabled: [flags]",
        "4:21: prosody.modules_enabled: only Prosody 13.0 has the module flags; take it out, "
        'or write version: "13.0" below prosody, or name a source of it in prosody.plugins',
    ),
}


@pytest.mark.parametrize(("version", "text", "mistake"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_at_its_place_with_what_to_write(version: str, text: str, mistake: str) -> None:
    """One mistake, and no other."""
    mistakes, _ = told(text, version=version)
    assert [one.replace('"', "") for one in mistakes] == [mistake.replace('"', "")]


NOTES = {
    "a deprecated option": (
        "13.0",
        "legacy_ssl_ports: [5223]",
        "4:3: prosody.legacy_ssl_ports: deprecated in Prosody 13.0; write c2s_direct_tls_ports",
    ),
    "a deprecated option that nothing replaces": (
        "0.12",
        "daemonize: false",
        "4:3: prosody.daemonize: deprecated in Prosody 0.12; take it out",
    ),
    "a deprecated module": (
        "13.0",
        "modules_enabled: [posix]",
        "4:21: prosody.modules_enabled: the module posix does nothing any more in Prosody 13.0; take it out",
    ),
    "an option that an unknown module may read": (
        "13.0",
        "plugins: {c: {hg: 'https://x.test/', revision: a1b2c3d4e5f6}}\nmodules_enabled: [dinner]\ndinner_time: 19",
        "6:3: prosody.dinner_time: Prosody 13.0 reads no such option; "
        "a module that is not known here may, else take it out",
    ),
    "an option of a host that enables no module yet": (
        "13.0",
        "dinner_time: 19",
        "4:3: prosody.dinner_time: Prosody 13.0 reads no such option; "
        "a module that is not known here may, else take it out",
    ),
    "an option beside Lua that may enable anything": (
        "13.0",
        "modules_enabled: [roster]\nlua: x = 1\ndinner_time: 19",
        "6:3: prosody.dinner_time: Prosody 13.0 reads no such option; "
        "a module that is not known here may, else take it out",
    ),
    "an option that only components read, in a host": (
        "13.0",
        "virtual_hosts: {x.test: {muc_max_rooms: 3}}",
        "4:28: prosody.virtual_hosts.x.test.muc_max_rooms: only components read this option, "
        "and none takes it from its host; move it to the component",
    ),
    "a module that nobody knows": (
        "0.12",
        "modules_enabled: [dinner]",
        "4:21: prosody.modules_enabled: dinner is no module of Prosody 0.12; "
        "unless the host has it already, name a source of it in prosody.plugins",
    ),
    "a module that prosody-modules has for this version": (
        "0.12",
        "modules_enabled: [cloud_notify]",
        "4:21: prosody.modules_enabled: cloud_notify is no module of Prosody 0.12; "
        "unless the host has it already, name a source of it in prosody.plugins",
    ),
}


@pytest.mark.parametrize(("version", "text", "note"), NOTES.values(), ids=NOTES)
def test_what_is_only_doubtful_is_a_note(version: str, text: str, note: str) -> None:
    """It is told, and refuses nothing."""
    assert told(text, version=version) == ([], [note])


@pytest.mark.parametrize(
    "text",
    [
        "allow_registration: {lua: os.time() > 0}",
        "ldap_password: {host_file: /etc/prosodist/secrets/x}",
        "c2s_ports: 5222",
        "c2s_timeout: false",
        "c2s_timeout: never",
        'c2s_timeout: "2 hours"',
        'c2s_timeout: "30"',
        'allow_registration: "true"',
        "allow_registration: 1",
        "restrict_room_creation: local",
        "restrict_room_creation: true",
        "admins: {1: a@x.test, 2: b@x.test}",
        "component_ports: [5347]",
        "data_path: [/a]",
        "sql: what mod_auth_sql may understand",
        "modules_enabled: [roster]\nonions_tor_all: true",
        "https_certificate: /x.crt",
        "storage: {archive: sql}",
        "storage: internal",
        "statistics_interval: manual",
        "statistics_interval: 60",
        "virtual_hosts: {x.test: {ssl: {key: /k}, name: X, enabled: false, http_host: y.test}}",
        "plugins: {c: {hg: 'https://x.test/', revision: a1b2c3d4e5f6}}\nmodules_enabled: [flags, dinner]",
        "components: {x.test: {module: dinner, onions_tor_all: true}}\nplugin_paths: [/opt/modules]",
    ],
)
def test_what_prosody_understands_is_not_told(text: str) -> None:
    """The leniency of its own getters: a scalar for a list of one, texts for numbers; marked values are not judged."""
    assert told(text) == ([], [])


def test_a_word_of_ours_in_the_wrong_place_is_told_once() -> None:
    """As what it is, and not as an option as well."""
    mistakes, _ = told("modules_enabled: [roster]\nmodule: muc")
    assert len(mistakes) == 1
    assert "does not belong here" in mistakes[0]


def test_a_provider_that_is_not_prosodys_may_read_anything() -> None:
    """A module is also enabled by the options that name one."""
    mistakes, notes = told("modules_enabled: [roster]\nauthentication: own\ndinner_time: 19")
    assert mistakes == []
    assert [note[:4] for note in notes] == ["5:19", "6:3:"]


def test_a_mistake_in_a_body_is_told_once_however_many_hosts_extend_it() -> None:
    """Its place is the body's."""
    mistakes, _ = told("virtual_hosts:\n  .default: {c2s_ports: [1]}\n  a.test: {}\n  b.test: {}")
    assert len(mistakes) == 1
    assert mistakes[0].startswith("5:16: ")


def test_all_is_told_at_once() -> None:
    """Four mistakes, four lines."""
    mistakes, _ = told("alow_registration: true\nsetuid: x\nlimits: 3\nvirtual_hosts: {x.test: {pidfile: /x}}")
    assert [int(mistake.split(":")[0]) for mistake in mistakes] == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("said", "installed", "lines"),
    [
        (None, None, ("0.12", "13.0")),
        ("present", None, ("0.12", "13.0")),
        ("latest", "0.12.3", ("0.12", "13.0")),
        (None, "0.12.3", ("0.12",)),
        ("present", "13.0.1", ("13.0",)),
        ("0.12", "13.0.1", ("0.12",)),
        ("0.12.5", None, ("0.12",)),
        ("13.0", None, ("13.0",)),
        ("13", None, ("13.0",)),
        (">=13.0", None, ("13.0",)),
        (">=0.12, <13", None, ("0.12",)),
        (">=0.12.4", None, ("0.12", "13.0")),
        ("<13.0.2", None, ("0.12", "13.0")),
        ("<13.0", None, ("0.12",)),
        (">0.12.9, <13.1", None, ("0.12", "13.0")),
        ("14.1", None, ()),
        (None, "14.1", ()),
        ("0.120", None, ()),
    ],
)
def test_the_version_is_what_is_said_else_what_the_host_has_else_both(
    said: str | None, installed: str | None, lines: tuple[str, ...]
) -> None:
    """A beginning, a whole version, a range. Of a version without a table nothing is said."""
    assert lines_of(said, installed) == lines


def test_what_the_host_has_is_checked_against() -> None:
    """An option of 13.0 is right on a host that has it, and told on one that has 0.12."""
    assert told("sqlite_tune: fast", version="", installed="13.0.1") == ([], [])
    mistakes, _ = told("sqlite_tune: fast", version="", installed="0.12.3")
    assert "Prosody 0.12 has no such option" in mistakes[0]


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("", "", 0), ("a", "", 1), ("c2s_port", "c2s_ports", 1), ("amdins", "admins", 1), ("abc", "xyz", 3)],
)
def test_slips_are_counted(one: str, other: str, count: int) -> None:
    """Two letters that changed places are one slip; the order of the words makes no difference."""
    assert slips(one, other) == slips(other, one) == count


@pytest.mark.parametrize("name", ["dinner_time", "foo", "debugxy", "logs_of_mine", "sqlx_driver"])
def test_what_is_like_nothing_is_no_slip(name: str) -> None:
    """A module's own option is not taken for one of Prosody's."""
    assert meant(name, ("0.12", "13.0")) == ""


# --- real configurations

GUIDE = (
    *("pidfile", "admins", "modules_enabled", "daemonize", "data_path", "log", "allow_registration", "s2s_ports"),
    *("c2s_ports", "c2s_require_encryption", "s2s_require_encryption", "s2s_secure_auth", "authentication"),
    *("interfaces", "enabled", "ssl", "name", "restrict_room_creation"),
)
"""Every option that a guide to Prosody on shared hosting sets (2016, for 0.9.10)."""


@pytest.mark.parametrize("line", LINES)
def test_the_options_of_a_stock_configuration_are_known(line: str) -> None:
    """Debian's own prosody.cfg.lua sets nothing outside of tables, commented out or not, that its version lacks."""
    stock = Path(__file__).parent / f"real/debian-{line}.cfg.lua"
    said = re.findall(r"^(?:--)?(\w+) = ", stock.read_text(), re.MULTILINE)
    assert {"admins", "limits", "log", "pidfile"} <= set(said)
    assert [name for name in said if is_lacking(name, line)] == []


@pytest.mark.parametrize("line", LINES)
def test_the_options_of_an_old_guide_are_known(line: str) -> None:
    """None of them has been taken out of Prosody since."""
    assert [name for name in GUIDE if is_lacking(name, line)] == []


def is_lacking(name: str, line: str) -> bool:
    option = known(line).option(name)
    return option is None or option.gone


def test_a_module_that_lies_nowhere_on_the_host_is_a_mistake() -> None:
    """The host knows what its Prosody would find; only there can it be told, and Lua may still say where to look."""
    text = b"profile: local\nprosody:\n  version: '13.0'\n  modules_enabled: [roster, dinner]\n"
    host = {"profile": "local", "fqdn": "a.test", "home": "/home/u", "prosody": "13.0.1"}
    here = Facts(**host, modules=frozenset({"roster"}))
    with pytest.raises(SpecError) as refused:
        load({"hosts/a.test.yaml": Blob(text)}, "a.test", here)
    assert str(refused.value) == (
        "hosts/a.test.yaml:4:29: prosody.modules_enabled: dinner is no module of Prosody 13.0, and none lies on this "
        "host; take it out, or say in plugin_paths where it is"
    )
    for facts, more in (
        (Facts(**host, modules=frozenset({"dinner"})), b""),
        (Facts(**host), b""),
        (here, b"  plugin_paths: [/srv/modules]\n"),
        (here, b"  lua: x = 1\n"),
    ):
        load({"hosts/a.test.yaml": Blob(text + more)}, "a.test", facts)


def test_a_version_that_cannot_be_hides_nothing_that_is_wrong_with_any() -> None:
    """What only one version lacks is not told: the right one may be the other."""
    text = (
        "authentication: internal-hashed\ns2s_ports: [XXXXX]\ntls_profile: modern\nmodules_enabled: [roster, privacy]"
    )
    for version in ("0.9.10", "trunk"):
        mistakes, _ = told(text, version=version)
        assert [line.split(": ")[1] for line in mistakes] == [
            "prosody.version",
            "prosody.authentication",
            "prosody.s2s_ports",
        ]


def test_a_version_without_its_quotes_is_still_known() -> None:
    """It is refused, and nothing is told that would be wrong of the other version alone."""
    document = "profile: local\nprosody:\n  version: 13.0\n  tls_profile: modern\n"
    with pytest.raises(SpecError) as error:
        load({"hosts/a.yaml": Blob(document.encode())}, "a", Facts())
    (mistake,) = error.value.mistakes
    assert 'write "13.0"' in mistake.text


@pytest.mark.parametrize(
    ("version", "line", "amount"),
    [
        ("13.0", "http_max_content_size: 10MB", 10 << 20),
        ("0.12", "http_file_share_size_limit: 10 MB", 10 << 20),
        ("0.12", "http_file_share_expires_after: 1 week", 604800),
        ("0.12", "s2s_timeout: 90s", 90),
        ("0.12", "c2s_timeout: 5 min", 300),
    ],
)
def test_a_size_or_duration_is_counted_out_for_a_number(version: str, line: str, amount: int) -> None:
    """Ten bytes would be no remedy for ten megabytes."""
    mistakes, _ = told(line, version=version)
    assert f"write {amount}, say" in mistakes[0]


def test_digits_of_other_scripts_are_no_number_to_lua() -> None:
    """Python's float would read them."""
    mistakes, _ = told('c2s_ports: ["５２２２"]')
    assert "expected a port" in mistakes[0]


def test_the_defaults_that_the_page_relies_on() -> None:
    """An example leaves encryption and hashed passwords to 0.12 itself."""
    options = {name: known("0.12").option(name) for name in ("c2s_require_encryption", "authentication")}
    defaults = {name: option.default for name, option in options.items() if option is not None}
    assert defaults["c2s_require_encryption"].endswith(", true)")
    assert defaults["authentication"] == '"internal_hashed"'
