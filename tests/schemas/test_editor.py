"""The editor's schema takes whatever the loader takes, and marks what editors can see: checked by a real validator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import page
import pytest
import yaml

from schemas.check import PROFILES
from schemas.editor import editor_schema
from schemas.load import Facts, host_names, load_document
from schemas.options import LINES, known
from schemas.shape import HOST, Shape
from schemas.written import show, write

SCHEMA = editor_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
REAL = sorted((Path(__file__).parent / "real").glob("*.yaml"))

EXAMPLES = {
    "the shape": page.shape(),
    **{f"{s.title}: {path}": text for s in page.sections() for path, text in s.files.items() if path.endswith(".yaml")},
    **{path.name: path.read_text() for path in REAL},
}


def faults(text: str) -> list[str]:
    """Where the validator finds fault, as dotted ways."""
    return [".".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def test_it_is_a_schema() -> None:
    """Of the draft that it names."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_right(name: str) -> None:
    """Every block of the page, files that only extend others too, and what people really run."""
    assert not faults(EXAMPLES[name])


def test_every_key_of_the_page_is_right_by_itself() -> None:
    """The block that shows every key, key by key; none of them is passed only because anything would be."""
    for key, value in yaml.safe_load(page.shape()).items():
        assert not faults(yaml.safe_dump({"profile": "debian", key: value})), key
        assert faults(yaml.safe_dump({"profile": "debian", f"{key}x": value})), key


def test_what_is_shown_is_right() -> None:
    """`prosodist show` writes nothing that an editor would mark."""
    for section in page.sections():
        tree = section.tree()
        for name in host_names(tree):
            text = show(write(load_document(tree, name, Facts())[1], frozenset({"home", "onion"})))
            assert not faults(text), name


BROKEN = {
    "an unknown key": ("filez: {}", ""),
    "a kind of host that there is not": ("profile: debain", "profile"),
    "a word for drift that there is not": ("drift: maybe", "drift"),
    "a word for a thing's drift that there is not": ("files: {/a: {content: x, drift: no-idea}}", "files./a"),
    "two kinds": ("files: {/a: {content: x, source: files/a}}", "files./a"),
    "a key of another kind": ("files: {/a: {link: /b, mode: '0644'}}", "files./a"),
    "a key of another kind of certificate": ("certificates: {a.b: {path: /c, dane: true}}", "certificates.a.b"),
    "a mode that is a number": ("files: {/a: {content: x, mode: 420}}", "files./a"),
    "a secret's word misspelled": ("accounts: {a@b.c: {password: {aeg: secrets/a.age}}}", "accounts.a@b.c"),
    "a password in the clear": ("accounts: {a@b.c: {password: secret}}", "accounts.a@b.c"),
    "a state that there is not": ("accounts: {a@b.c: gone}", "accounts.a@b.c"),
    "a word of ours in a scope that is not its own": (
        "prosody: {virtual_hosts: {a.b: {virtual_hosts: {}}}}",
        "prosody.virtual_hosts",
    ),
    "a word of a component in a host": ("prosody: {virtual_hosts: {a.b: {module: muc}}}", "prosody.virtual_hosts"),
    "an option of the wrong type": ("prosody: {modules_enabled: true}", "prosody.modules_enabled"),
    "a boolean option that is a number": ("prosody: {s2s_secure_auth: 3}", "prosody.s2s_secure_auth"),
    "a component's option of the wrong type": (
        "prosody: {components: {a.b: {module: muc, muc_room_locking: often}}}",
        "prosody.components",
    ),
    "an edit with another word": ("prosody: {modules_enabled: {add: [a], take: [b]}}", "prosody.modules_enabled"),
    "a window that is a text": ("maintenance: ['0 4 * * *']", "maintenance"),
    "extends that is a map": ("extends: {a: b}", "extends"),
    "a bundle's variant that there is not": ("policy: {tls: ancient}", "policy"),
    "a list of names where each has a value": ("requires: [openssl]", "requires"),
    "a key that is due elsewhere": ("services: {nginx: {schedule: daily}}", "services"),
    "a challenge that there is not": ("certificates: {a.b: {issuers: letsencrypt, challenge: dns-02}}", "certificates"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_marked(what: str) -> None:
    """Where it stands, or at the thing around it."""
    text, place = BROKEN[what]
    found = faults(text)
    assert found, "nothing is marked"
    assert all(way.startswith(place) for way in found), found


@pytest.mark.parametrize(
    "text",
    [
        "prosody: {virtual_hosts: [a.b, c.d]}",
        "prosody: {virtual_hosts: {a.b: null, .default: {components: {upload: null, rooms: muc}}}}",
        "prosody: {modules_enabled: {add: [mam]}, admins: {remove: [a@b.c]}}",
        "prosody: {limits: {lua: 'x'}, ssl: {key: {host_file: /a}}, log: {1: {to: syslog}}}",
        "prosody: {s2s_secure_auth: {lua: 'true'}, component_secret: {generated: x}}",
        "files: {/a: absent, /b: {source: null, content: x}, .body: {mode: '0600'}}",
        "files: {/a: {mode: '0600'}}",
        "packages: {apt: [nginx], luarocks: {luasec: '1.3'}}",
        "certificates: {a.b: none, .default: {issuers: letsencrypt, challenge: tls-alpn-01}, c.d: {path: /e}}",
        "accounts: {a@b.c: disabled, .staff: {role: admin}, d@e.f: {extends: .staff, state: <state>}}",
        "extends: shared/a.yaml",
        "drift: null",
    ],
)  # fmt: skip
def test_short_forms_bodies_and_edits_are_right(text: str) -> None:
    """Whatever one file may say, in part and in short, is not marked."""
    assert not faults(text)


def described(schema: Any) -> Iterator[tuple[str, Any]]:
    for key, value in schema.items() if isinstance(schema, dict) else ():
        if key == "properties":
            yield from value.items()
        if key not in ("if", "then"):
            yield from described(value)
    for item in schema if isinstance(schema, list) else ():
        yield from described(item)


def test_every_key_tells_what_it_is() -> None:
    """An editor shows it beside the key; options tell of their type, readers and versions."""
    silent = {
        name
        for name, value in described(SCHEMA)
        if ("type" in value or "anyOf" in value) and not value.get("description")
    }
    assert not silent
    options = SCHEMA["definitions"]["options"]["properties"]
    assert set().union(*(known(line).options for line in LINES)) <= options.keys()
    assert re.search("boolean.*read by", options["s2s_secure_auth"]["description"])


def test_it_knows_what_the_loader_knows() -> None:
    """No word of the language is missing at any place."""
    known_here = {name for name, _ in described(SCHEMA)}
    waiting: list[Shape] = [HOST]
    while waiting:
        shape = waiting.pop()
        assert shape.words - {"none", "x"} <= known_here | {"none"}
        waiting += [*shape.keys.values(), *(inner for inner in (shape.things, shape.items) if inner is not None)]
    assert list(PROFILES) in [rule["then"]["enum"] for rule in SCHEMA["properties"]["profile"]["allOf"]]
