"""A combined document written as one file: it says the same, and each line has the place that said it."""

from __future__ import annotations

import re

import page
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from schemas.load import Blob, Facts, host_names, load, load_document
from schemas.notation import quoted
from schemas.written import show, write

OPEN = frozenset({"home", "user", "onion"})

HOSTS = [(section, name) for section in page.sections() for name in host_names(section.tree())]


def shown(tree: dict[str, Blob], name: str, facts: Facts | None = None) -> str:
    return show(write(load_document(tree, name, facts or Facts())[1], OPEN))


@pytest.mark.parametrize(("section", "name"), HOSTS, ids=[name for _, name in HOSTS])
def test_what_is_shown_is_the_same_host_in_one_file(section: page.Section, name: str) -> None:
    """Every host of the page: saved as its only document, it loads to the same desired state, and is shown the same."""
    tree = section.tree()
    text = shown(tree, name)
    alone = {path: blob for path, blob in tree.items() if not path.startswith("shared/")}
    alone[f"hosts/{name}.yaml"] = Blob(text.encode())
    former, again = load(tree, name, Facts()), load(alone, name, Facts())
    assert again.host == former.host
    assert again.digest == former.digest
    assert re.sub(" *# .*", "", shown(alone, name)) == re.sub(" *# .*", "", text)
    assert YAML(typ="safe", pure=True).load(text) == yaml.safe_load(text)


def test_each_line_has_the_place_that_said_it() -> None:
    """Values, keys and the items of a list that several files made."""
    tree = {
        "shared/a.yaml": Blob(b"prosody:\n  modules_enabled: [tls,\n    mam]\n  limits: {c2s: {rate: 1kb/s}}\n"),
        "hosts/x.yaml": Blob(
            b"extends: shared/a.yaml\nprofile: local\nprosody:\n  admins: [a@b.c]\n  modules_enabled: [carbons]\n"
            b"  virtual_hosts: [a.test]\n  lua: |\n    x = 1\n  limits: {c2s: {burst: 2s}}\n"
        ),
    }
    lines = [re.sub(" +# ", "  # ", line) for line in shown(tree, "x").splitlines()]
    assert lines == [
        "profile: local  # hosts/x.yaml:2",
        "prosody:  # hosts/x.yaml:3",
        "  modules_enabled: [  # hosts/x.yaml:5",
        "    tls,  # shared/a.yaml:2",
        "    mam,  # shared/a.yaml:3",
        "    carbons]  # hosts/x.yaml:5",
        "  limits:  # hosts/x.yaml:9",
        "    c2s:  # hosts/x.yaml:9",
        "      rate: 1kb/s  # shared/a.yaml:4",
        "      burst: 2s  # hosts/x.yaml:9",
        "  admins: [a@b.c]  # hosts/x.yaml:4",
        "  lua: |  # hosts/x.yaml:7",
        "    x = 1",
        "  virtual_hosts: {a.test: {}}  # hosts/x.yaml:6",
    ]


def test_origins_stand_in_one_column() -> None:
    """So that they can be read down."""
    text = shown({"hosts/x.yaml": Blob(b"profile: local\nprosody: {name: a longer text than the other}\n")}, "x")
    assert len({line.index("# hosts/") for line in text.splitlines()}) == 1


def test_a_secret_is_shown_as_its_reference() -> None:
    """Never by what it stands for; an encrypted text is what git holds."""
    text = shown({"hosts/x.yaml": Blob(b"profile: local\nprosody: {a: {generated: one}, b: [{host_file: /k}]}\n")}, "x")
    assert "a: {generated: one}" in text
    assert "b: [{host_file: /k}]" in text


NAMED = """\
profile: debian
vars: {own: "<<plain>", other: "<own> <home>", onion: {read: /etc/onion}}
packages: {luarocks: {.default: {variables: {A: "<name> <version>"}}, one: {}, two: "1.0"}}
prosody:
  text: "<<name> <home> <onion> <other> <<<host>> <"
  script: {lua: "'<b>' .. '<<c>'"}
  nested: {"<<e>": {lua: "'<f>'"}}
  lua: |
    f = "<g>"
    h = "<<i>"
  virtual_hosts: {a.test: {http_host: http.<host>, motd: "<<host>"}}
files:
  /a: {content: "<j> <<k>"}
  /b:
    content: |
      <l>
      <<m>
    check: [/bin/true, <file>, "<<n>"]
"""


def test_names_in_brackets_stay_what_they_were() -> None:
    """Those that were filled in, those that nobody here knows, and texts that only look like one."""
    first = {"hosts/x.yaml": Blob(NAMED.encode())}
    spec = load(first, "x", Facts())
    text = shown(first, "x")
    assert load({"hosts/x.yaml": Blob(text.encode())}, "x", Facts()).host == spec.host
    assert "<<name> <home> <onion> <<plain> <home> <<<host>> <" in text
    assert "variables: {A: one <version>}" in text and "variables: {A: two 1.0}" in text
    assert "http_host: http.a.test" in text and "check: [/bin/true, <file>, <<n>]" in text


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=12) | st.text(
    "ab <>_:#-'\"\\\n\t{}[],&*!|%@`0.", max_size=12
)
NAMES = st.from_regex("[a-z]{1,6}", fullmatch=True)
VALUES = st.recursive(
    TEXTS | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def written(value: object) -> str:
    """Any data in flow style, every text in quotes and every name in two brackets."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            signs = (
                c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted(re.sub("<(?=[A-Za-z0-9_]+>)", "<<", value))
            )
            return "".join(signs)
        case list():
            return f"[{', '.join(map(written, value))}]"
        case dict():
            return f"{{{', '.join(f'{written(key)}: {written(item)}' for key, item in value.items())}}}"
    return str(value)


@settings(max_examples=200, deadline=None)
@given(options=st.dictionaries(st.sampled_from(["x_one", "x_two", "x_three"]), VALUES), content=TEXTS)
def test_whatever_is_said_is_said_again(options: dict[str, object], content: str) -> None:
    """Any texts, numbers, lists and maps; names in brackets, and what only looks like one."""
    lines = [f"  {name}: {written(value)}" for name, value in options.items()]
    body = "\n".join(["profile: local", "prosody:", *(lines or ["  {}"]), "files:"])
    text = f"{body}\n  /a: {{content: {written(content).replace('<<', '<')}}}\n"
    first = {"hosts/x.yaml": Blob(text.encode())}
    spec = load(first, "x", Facts())
    again = {"hosts/x.yaml": Blob(shown(first, "x").encode())}
    assert load(again, "x", Facts()).host == spec.host
