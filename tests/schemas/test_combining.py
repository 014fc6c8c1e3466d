"""What layers of a document become. The nearer over the inherited, place by place."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from schemas.desired import Generated, HostFile, HostSpec, Lua
from schemas.errors import Mark
from schemas.load import Blob, Facts, host_names, load
from schemas.plan import Policy

PIN = f"sha256: {'ab' * 32}"
FACTS = Facts(fqdn="a", home="/home/u", user="u", profile="local")


def read(host: str, *, facts: Facts = FACTS, profile: str = "local", **others: str) -> HostSpec:
    """Load host `a`; `shared_x` is shared/x.yaml."""
    tree = {f"{name.replace('_', '/')}.yaml": Blob(text.encode()) for name, text in others.items()}
    tree |= {"files/x": Blob(b"x"), "files/dir/y": Blob(b"y", executable=True), "t.j2": Blob(b"t")}
    tree["hosts/a.yaml"] = Blob(f"profile: {profile}\n{host}".encode())
    return load(tree, "a", facts)


def options(spec: HostSpec) -> dict[str, Any]:
    assert spec.host.prosody is not None
    return dict(spec.host.prosody.options)


ISSUE = """\
profile: local
extends: [shared/common.yaml]
prosody:
  admins: [admin@example.test]
  modules_enabled: [roster, saslauth, tls, dialback, disco, carbons, pep, mam, smacks, admin_shell]
  limits: {c2s: {rate: 10kb/s}}
  virtual_hosts:
    .default: {components: {rooms: {module: muc, restrict_room_creation: local}}}
    example.test: {}
files:
  <home>/motd: {content: "Kept by prosodist\\n", drift: detect}
"""


def test_a_small_host_loads_whole() -> None:
    """The host that the README shows."""
    tree = {
        "hosts/chat.example.test.yaml": Blob(ISSUE.encode()),
        "shared/common.yaml": Blob(b"prosody: {c2s_require_encryption: true, limits: {s2sin: {rate: 30kb/s}}}\n"),
    }
    assert host_names(tree) == ("chat.example.test",)
    spec = load(tree, "chat.example.test", Facts(home="/home/u"))
    prosody = spec.host.prosody
    assert prosody is not None
    assert prosody.options == {
        "c2s_require_encryption": True,
        "limits": {"s2sin": {"rate": "30kb/s"}, "c2s": {"rate": "10kb/s"}},
        "admins": ("admin@example.test",),
    }
    rooms = prosody.virtual_hosts["example.test"].components["rooms.example.test"]
    assert (rooms.module, rooms.options) == ("muc", {"restrict_room_creation": "local"})
    motd = spec.host.files["/home/u/motd"]
    assert (motd.content, motd.drift) == ("Kept by prosodist\n", Policy.DETECT)
    assert spec.origin("files", "/home/u/motd") == Mark("hosts/chat.example.test.yaml", 11, 3)
    assert spec.origin("prosody", "limits", "s2sin", "rate") == Mark("shared/common.yaml", 1, 64)


def test_a_map_over_a_map_goes_key_by_key_at_every_depth() -> None:
    """Further keys stay, the nearer wins."""
    spec = read(
        "extends: shared/x.yaml\nprosody: {a: {b: {c: 2, d: 3}}}", shared_x="prosody: {a: {b: {c: 1, e: 4}, f: 5}}"
    )
    assert options(spec) == {"a": {"b": {"c": 2, "d": 3, "e": 4}, "f": 5}}


@pytest.mark.parametrize(
    "nearer", ["text", "5", "1.5", "true", "[x]", "{generated: nn}", "{lua: 60 * 5}", "{host_file: /x}"]
)
@pytest.mark.parametrize("inherited", ["text", "[a, b]", "{c: {d: 1}}", "{generated: m}", "{lua: x}"])
def test_any_other_value_is_replaced(inherited: str, nearer: str) -> None:
    """A text, number, boolean, list or marked value replaces whatever was there."""
    alone = options(read(f"prosody: {{o: {nearer}}}"))
    over = options(read(f"extends: shared/x.yaml\nprosody: {{o: {nearer}}}", shared_x=f"prosody: {{o: {inherited}}}"))
    assert over == alone


def test_a_map_replaces_a_marked_value_whole() -> None:
    """A secret is one value and no table to add to."""
    spec = read("extends: shared/x.yaml\nprosody: {o: {a: 1}}", shared_x="prosody: {o: {generated: nn}}")
    assert options(spec) == {"o": {"a": 1}}


def test_lists_are_added_to_and_removed_from() -> None:
    """And what is there already is not there twice."""
    spec = read(
        "extends: shared/x.yaml\nprosody: {admins: {add: [c@x, b@x], remove: [a@x]}}",
        shared_x="prosody: {admins: [a@x, b@x]}",
    )
    assert options(spec)["admins"] == ("b@x", "c@x")


def test_modules_win_one_by_one() -> None:
    """Both lists are written, and the nearer word on a module counts."""
    prosody = read(
        "extends: [shared/x.yaml]\nprosody: {modules_enabled: [carbons, motd], modules_disabled: [vcard]}",
        shared_x="prosody: {modules_enabled: [mam, vcard], modules_disabled: [motd, posix]}",
    ).host.prosody
    assert prosody is not None
    assert prosody.modules_enabled == ("mam", "carbons", "motd")
    assert prosody.modules_disabled == ("posix", "vcard")


def test_modules_can_be_forgotten() -> None:
    """By `remove`, which disables nothing, and by null."""
    prosody = read(
        "extends: [shared/x.yaml]\nprosody: {modules_enabled: {remove: [mam]}, modules_disabled: null}",
        shared_x="prosody: {modules_enabled: [mam, vcard], modules_disabled: [motd]}",
    ).host.prosody
    assert prosody is not None
    assert (prosody.modules_enabled, prosody.modules_disabled) == (("vcard",), ())


def test_null_forgets() -> None:
    """An option, a component of a body, a whole host; and a nearer file may say it anew."""
    prosody = read(
        "extends: [shared/x.yaml, shared/y.yaml]\n"
        "prosody: {a: null, c: {e: 1}, virtual_hosts: {h.x: {components: {up: null}}, g.x: null}}",
        shared_x="prosody: {a: 1, b: 2, c: {d: 1},"
        " virtual_hosts: {.default: {components: {up: http_file_share}}, g.x: {}}}",
        shared_y="prosody: {c: null}",
    ).host.prosody
    assert prosody is not None
    assert prosody.options == {"b": 2, "c": {"e": 1}}
    assert list(prosody.virtual_hosts) == ["h.x"]
    assert prosody.virtual_hosts["h.x"].components == {}


def test_what_a_host_forgets_stays_forgotten_below_a_body() -> None:
    """Forgotten in one file and said anew in a nearer one: nothing of the body shows through."""
    prosody = read(
        "extends: [shared/x.yaml]\nprosody: {virtual_hosts: {h.x: {components: {up: {b: 2}}}}}",
        shared_x="prosody: {virtual_hosts: {.default: {components: {up: {module: muc, a: 1}}},"
        " h.x: {components: {up: null}}}}",
    ).host.prosody
    assert prosody is not None
    up = prosody.virtual_hosts["h.x"].components["up.h.x"]
    assert (up.module, up.options) == ("component", {"b": 2})


def test_files_lie_over_what_they_extend() -> None:
    """Each after what it extends, in the order named, each once."""
    spec = read(
        "extends: [shared/x.yaml, shared/y.yaml]",
        shared_x="extends: shared/base.yaml\nprosody: {a: x, b: x}",
        shared_y="extends: shared/base.yaml\nprosody: {b: yy}",
        shared_base="prosody: {a: base, b: base, c: base}",
    )
    assert options(spec) == {"a": "x", "b": "yy", "c": "base"}


def test_a_long_chain_of_files_loads() -> None:
    """A commit decides how long it is."""
    chain = {f"shared_{n}": f"extends: shared/{n + 1}.yaml" for n in range(3000)}
    spec = read("extends: shared/0.yaml", **chain, shared_3000="drift: detect")
    assert spec.host.drift is Policy.DETECT


def test_bodies() -> None:
    """Hosts without `extends` extend .default; a body only what it names."""
    prosody = read(
        "prosody:\n  virtual_hosts:\n    .default: {a: 1, http_host: http.<host>}\n    .open: {b: 2}\n"
        "    .closed: {extends: .default, a: 3}\n    d.x: {}\n    c.x: {extends: .closed, c: 4}\n"
        "    o.x: {extends: [.open]}\n    both.x: {extends: [.open, .closed]}\n    none.x: {extends: []}"
    ).host.prosody
    assert prosody is not None
    assert {name: host.options for name, host in prosody.virtual_hosts.items()} == {
        "d.x": {"a": 1, "http_host": "http.d.x"},
        "c.x": {"a": 3, "http_host": "http.c.x", "c": 4},
        "o.x": {"b": 2},
        "both.x": {"b": 2, "a": 3, "http_host": "http.both.x"},
        "none.x": {},
    }


def test_bodies_work_in_every_map_of_things() -> None:
    """Components and files too."""
    spec = read(
        "prosody: {components: {.default: {module: muc, a: 1}, r.x: {}, s.x: {extends: [], b: 2}}}\n"
        "files: {.default: {owner: www}, /a: {content: a}, /b: {content: b, owner: root}}"
    )
    assert spec.host.prosody is not None
    assert spec.host.prosody.components["r.x"].module == "muc"
    assert spec.host.prosody.components["s.x"].options == {"b": 2}
    assert [file.owner for file in spec.host.files.values()] == ["www", "root"]


def test_a_body_of_another_file_is_extended_and_amended() -> None:
    """Bodies combine across files before hosts do."""
    prosody = read(
        "extends: shared/x.yaml\nprosody: {virtual_hosts: {.default: {b: 3}}}",
        shared_x="prosody: {virtual_hosts: {.default: {a: 1, b: 2}, h.x: {}}}",
    ).host.prosody
    assert prosody is not None
    assert prosody.virtual_hosts["h.x"].options == {"a": 1, "b": 3}


def test_short_forms_are_spelled_out_first() -> None:
    """So that they combine with long ones."""
    prosody = read(
        "extends: shared/x.yaml\n"
        "prosody: {virtual_hosts: {h.x: {components: {up: http_file_share, rooms: {a: 1}}}}, components: {irc.x: {}}}",
        shared_x="prosody: {virtual_hosts: [h.x, g.x]}\nfiles: {/a: absent}",
    ).host.prosody
    assert prosody is not None
    assert list(prosody.virtual_hosts) == ["h.x", "g.x"]
    components = prosody.virtual_hosts["h.x"].components
    assert {name: c.module for name, c in components.items()} == {"up.h.x": "http_file_share", "rooms.h.x": "component"}


def test_a_component_is_a_label_or_a_name() -> None:
    """`rooms` and `rooms.h.x` inside h.x are one component."""
    prosody = read(
        "prosody: {virtual_hosts: {.default: {components: {rooms: muc}},"
        " h.x: {components: {rooms.h.x: {a: 1}, irc.y: {}}}}}"
    ).host.prosody
    assert prosody is not None
    components = prosody.virtual_hosts["h.x"].components
    assert set(components) == {"rooms.h.x", "irc.y"}
    assert (components["rooms.h.x"].module, components["rooms.h.x"].options) == ("muc", {"a": 1})


def test_the_nearer_kind_replaces_the_other_with_its_own_keys() -> None:
    """What every kind has stays."""
    file = read(
        "extends: shared/x.yaml\nfiles: {/a: {source: files/x}}",
        shared_x="files: {/a: {template: t.j2, vars: {b: c}, mode: '0600'}}",
    ).host.files["/a"]
    assert (file.source, file.template, file.vars, file.mode) == ("files/x", None, {}, "0600")


def test_names() -> None:
    """In keys and texts, `<<` escapes, any other `<` stands for itself; not in content and Lua."""
    spec = read(
        "vars: {site: example.net, admin: root@<site>}\n"
        "prosody: {admins: [<admin>], a: '<<site> < 5 </b> $host', <site>: 1, x: {lua: '<site>'}, lua: '<site>',"
        " virtual_hosts: {<site>: {b: '<host> <fqdn> <user>'}}}\n"
        "files: {<home>/m: {content: '<site>'}, /l: {link: '<home>/m'}}"
    )
    assert spec.host.prosody is not None
    assert options(spec) == {
        "admins": ("root@example.net",),
        "a": "<site> < 5 </b> $host",
        "example.net": 1,
        "x": Lua(lua="<site>"),
    }
    assert spec.host.prosody.lua == "<site>"
    assert spec.host.prosody.virtual_hosts["example.net"].options == {"b": "example.net a u"}
    assert spec.host.files["/home/u/m"].content == "<site>"
    assert spec.host.files["/l"].link == "/home/u/m"


def test_a_laptop_does_not_know_the_home() -> None:
    """The name stays, and the profile is not compared."""
    spec = read("files: {<home>/m: {content: x}}", facts=Facts())
    assert list(spec.host.files) == ["<home>/m"]


def test_a_name_that_is_replaced_is_not_looked_at_again() -> None:
    """A variable may hold what looks like a name."""
    spec = read("vars: {a: '<<site>'}\nprosody: {virtual_hosts: {h.x: {b: <a>}}}")
    assert spec.host.prosody is not None
    assert spec.host.prosody.virtual_hosts["h.x"].options == {"b": "<site>"}


def test_secrets_and_lua_become_models() -> None:
    """At option values, list items, content and variables."""
    spec = read(
        "prosody: {a: {generated: turn}, b: [{host_file: <home>/k}, x], c: {d: {lua: 60 * 5}}, 'e': {1: x, f: [y1]}}\n"
        "files: {/a: {content: {host_file: /k}}, /b: {template: t.j2, vars: {k: {generated: nn}, l: [1, 2]}}}"
    )
    assert options(spec) == {
        "a": Generated(generated="turn"),
        "b": (HostFile(host_file="/home/u/k"), "x"),
        "c": {"d": Lua(lua="60 * 5")},
        "e": {1: "x", "f": ("y1",)},
    }
    assert spec.host.files["/a"].content == HostFile(host_file="/k")
    assert spec.host.files["/b"].vars == {"k": Generated(generated="nn"), "l": (1, 2)}


def test_only_the_files_used_are_sources() -> None:
    """With their executable bit; a tree brings all below it."""
    spec = read("files: {/a: {source: files/x}, /b: {tree: files/dir}}\nprosody: {template: t.j2}")
    assert {path: (s.data, s.executable) for path, s in spec.sources.items()} == {
        "files/x": (b"x", False),
        "files/dir/y": (b"y", True),
        "t.j2": (b"t", False),
    }


def test_the_digest_names_what_the_host_is_given() -> None:
    """Order, comments, the way it is spread over files: nothing. A value, a byte, a bit: everything."""
    same = [
        read("prosody: {a: 1, b: {c: 2, d: 3}, virtual_hosts: {h.x: {}}}"),
        read("prosody:\n  virtual_hosts: [h.x]  # one\n  b: {d: 3, c: 2}\n  a: 1"),
        read(
            "extends: shared/x.yaml\nprosody: {b: {d: 3}}", shared_x="prosody: {virtual_hosts: [h.x], b: {c: 2}, a: 1}"
        ),
    ]
    assert len({spec.digest for spec in same}) == 1
    others = [
        read(f"prosody: {{a: {value}}}")
        for value in (
            "1",
            "'1'",
            "1.0",
            "true",
            "'true'",
            "[1]",
            "{1: 1}",
            "{'1': 1}",
            "{lua: '1'}",
            "{generated: '1'}",
        )
    ]
    assert len({spec.digest for spec in (*same, *others)}) == 1 + len(others)


def test_a_spec_travels_over_a_pipe() -> None:
    """The loader runs in a child."""
    spec = read("prosody: {a: {generated: x}, virtual_hosts: [h.x]}\nfiles: {/a: {source: files/x}}")
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_unused_blobs_are_not_read() -> None:
    """A tree is read from git as it is asked for."""

    class Lazy(dict[str, Blob]):
        def __getitem__(self, key: str) -> Blob:
            asked.add(key)
            return super().__getitem__(key)

    asked: set[str] = set()
    tree = Lazy({"hosts/a.yaml": Blob(b"profile: local"), "hosts/b.yaml": Blob(b"["), "big": Blob(b"x")})
    load(tree, "a", FACTS)
    assert asked == {"hosts/a.yaml"}


def test_a_host_taken_away_and_said_anew_extends_its_bodies() -> None:
    """Null forgets what files said of it, and not what bodies give to every host."""
    prosody = read(
        "extends: [shared/x.yaml, shared/z.yaml]\nprosody: {virtual_hosts: {h.x: {c: 3}}}",
        shared_x="prosody: {virtual_hosts: {.default: {a: 1}, h.x: {b: 2}}}",
        shared_z="prosody: {virtual_hosts: {h.x: null}}",
    ).host.prosody
    assert prosody is not None
    assert prosody.virtual_hosts["h.x"].options == {"a": 1, "c": 3}


def test_the_kind_of_a_certificate_is_replaced() -> None:
    """`dane` belongs to `issuers` alone; `notify` to both."""
    certificate = read(
        "extends: shared/x.yaml\nprosody: {virtual_hosts: [h.x]}\n"
        "certificates: {h.x: {path: /etc/letsencrypt/live/<name>, take: link}}",
        facts=Facts(),
        shared_x="certificates: {h.x: {issuers: letsencrypt, notify: tor,"
        " dane: true, challenge: {dns-01: {hook: /h}}}}",
    ).host.certificates["h.x"]
    assert certificate.path is not None
    assert (certificate.path.directory, certificate.take) == ("/etc/letsencrypt/live/h.x", "link")
    assert (certificate.issuers, certificate.challenge, certificate.dane) == (None, None, False)
    assert certificate.notify == ("tor",)


def test_prosody_inherits_by_itself() -> None:
    """What is said globally is not repeated in hosts, nor is what a host says in its components."""
    prosody = read(
        "prosody: {modules_enabled: [mam], modules_disabled: [csi], allow_registration: true,"
        " virtual_hosts: {h.x: {modules_enabled: [csi], http_host: y.x, components: {rooms: muc}}}}"
    ).host.prosody
    assert prosody is not None
    host = prosody.virtual_hosts["h.x"]
    assert (host.modules_enabled, host.modules_disabled, host.options) == (("csi",), (), {"http_host": "y.x"})
    assert host.components["rooms.h.x"].options == {}


def test_names_of_packages_and_certificates() -> None:
    """Each brings its own; `$host` and `$username` are Prosody's and stay."""
    host = read(
        f"packages: {{toast: {{.default: {{url: 'https://x.example/<name>-<version>.tgz', {PIN}}},"
        " a: '3.0', b: '4'}}\n"
        "prosody: {motd_text: '$username of $host', virtual_hosts: [h.x, g.x]}\n"
        "certificates: {.default: {path: /live/<name>}, h.x: {}, both: {hosts: [g.x]}}",
        facts=Facts(),
        profile="uberspace",
    ).host
    assert host.packages is not None and host.prosody is not None
    urls = [package.url for package in host.packages.toast.values()]
    assert urls == ["https://x.example/a-3.0.tgz", "https://x.example/b-4.tgz"]
    assert [c.path.directory for c in host.certificates.values() if c.path] == ["/live/h.x", "/live/both"]
    assert host.prosody.options == {"motd_text": "$username of $host"}


def test_a_name_stands_for_a_list_in_our_own_keys() -> None:
    """Never in Prosody's options, which may be a text or a list."""
    host = read(
        "extends: shared/x.yaml\nprosody: {admins: a@x, virtual_hosts: {.b: {}, h.x: {extends: .b}}}\n"
        "files: {/srv/a: {content: x, notify: nginx}}",
        facts=Facts(),
        shared_x="users: {prosody: {groups: certs}}",
    ).host
    assert host.prosody is not None
    assert host.files["/srv/a"].notify == ("nginx",)
    assert host.users["prosody"].groups == ("certs",)
    assert host.prosody.options == {"admins": "a@x"}


def test_words_that_mark_a_value_are_names_where_the_keys_are_names() -> None:
    """`lua`, `age` and `read` in vars, requires, variables, environment and a file's own vars."""
    host = read(
        "vars: {lua: a, age: b, read: c}\nrequires: {lua: '>=5.2', age: '1'}\n"
        "packages: {luarocks: {x: {version: '1', variables: {lua: /usr, read: d}}}}\n"
        "services: {x: {environment: {age: e, read: f}}}\nfiles: {/srv/a: {template: t.j2, vars: {lua: 5, age: [g]}}}",
        facts=Facts(),
        profile="debian",
    ).host
    assert host.packages is not None
    assert host.vars == {"lua": "a", "age": "b", "read": "c"}
    assert set(host.requires) == {"lua", "age"}
    assert host.packages.luarocks["x"].variables == {"lua": "/usr", "read": "d"}
    assert host.services["x"].environment == {"age": "e", "read": "f"}
    assert host.files["/srv/a"].vars == {"lua": 5, "age": ("g",)}
