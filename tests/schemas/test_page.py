"""docs/desired-state.md: every block loads, every key of the models stands in it, every row is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from page import PAGE, Section, sections, shape, stubs

from reconcilers.ports import placeholder_ports
from reconcilers.render import check_template
from schemas.desired import Host, HostSpec
from schemas.errors import Mistake, SpecError
from schemas.load import Blob, Facts, host_names, load
from schemas.notyet import NOT_YET
from schemas.shape import HOST, Shape

SHAPE: dict[str, Any] = yaml.safe_load(shape())
CONTEXT = ("vars", "prosody", "services", "databases", "users")
"""What the other keys of the shape name."""
PROSODY = {"profile": "debian", "prosody": {"virtual_hosts": ["a.org"]}}
PROFILE_OF = {"toast": "uberspace", "pkgtools": "slackware"}


def read(document: dict[str, Any]) -> HostSpec:
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return load({"hosts/a.yaml": Blob(text.encode()), **stubs(shape())}, "a", Facts())


def thing_by_thing() -> list[Any]:
    """Each top-level key of the shape; of a map of things, each thing by itself."""
    found = []
    for key, value in SHAPE.items():
        if key == "packages":
            found += [pytest.param(key, {manager: of}, id=f"packages.{manager}") for manager, of in value.items()]
        elif HOST.below(key).things is not None and isinstance(value, dict):
            bodies = {name: body for name, body in value.items() if name.startswith(".")}
            found += [
                pytest.param(key, {**bodies, name: thing}, id=f"{key}.{name}")
                for name, thing in value.items()
                if not name.startswith(".")
            ]
        else:
            found.append(pytest.param(key, value, id=key))
    return found


@pytest.mark.parametrize(("key", "value"), thing_by_thing())
def test_the_shape_loads_key_by_key(key: str, value: Any) -> None:
    """With what the key names, and nothing of what stands beside it."""
    profile = PROFILE_OF.get(next(iter(value)), "debian") if key == "packages" else "debian"
    document = {"profile": profile, **{word: SHAPE[word] for word in CONTEXT}, key: value}
    if key == "packages":
        document["packages"] = {**{"toast": SHAPE["packages"]["toast"]}, **value} if "luarocks" in value else value
        document["profile"] = "uberspace" if "luarocks" in value else profile
    read(document if key != "profile" else SHAPE | {"packages": {}})


def keys_of(shape: Shape) -> set[str]:
    """Every word of the models below a place."""
    below = [*shape.keys.values(), *filter(None, (shape.things, shape.items))]
    return set(shape.words).union(*map(keys_of, below)) if shape.of or below else set()


def test_the_shape_shows_every_key() -> None:
    """A key that the models know and the page does not is a key that nobody finds."""
    block = shape()
    spelled_out = {"name", "directory"}  # of an issuer, of a pair: what a bare text stands for
    unsaid = {
        key for key in keys_of(HOST) - spelled_out if not re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", block)
    }
    assert unsaid == {"modules_disabled", "calls", "federation"}, "words of the page's rules, not of the block"
    assert unsaid <= set(re.findall(r"[\w-]+", PAGE.read_text()))


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.title[:1])
def test_each_section_is_a_repository(section: Section) -> None:
    """Every host in it loads where nothing is known of it, and every template renders."""
    tree = section.tree()
    names = host_names(tree)
    assert names
    for name in names:
        spec = load(tree, name, Facts())
        told: list[Mistake] = []
        for path in section.files:
            if path.endswith(".j2") and path in spec.sources:
                told += check_template(spec, path, fqdn=name, ports=placeholder_ports(spec))
        assert told == []


def test_the_templates_of_the_page_are_tried() -> None:
    """Three of them; a name that does not exist would be told."""
    (section,) = (section for section in sections() if section.title.startswith("B"))
    templates = [path for path in section.files if path.endswith(".j2")]
    assert len(templates) == 3
    tree = section.tree()
    for path in templates:
        spec = load({**tree, path: Blob(tree[path].data + b"{{ nothing.of_the_kind }}")}, host_names(tree)[0], Facts())
        assert list(check_template(spec, path, fqdn="x", ports=placeholder_ports(spec)))


def test_what_is_not_done_yet_is_noted_and_refused() -> None:
    """Each row: a note of `validate`, where nothing is known of the host; on the host a mistake."""
    documents = [read(SHAPE | {"packages": {"apt": SHAPE["packages"]["apt"]}})]
    documents += [read({"profile": profile}) for profile in ("uberspace", "slackware")]
    documents += [read({"profile": "debian", "prosody": {"version": word}}) for word in ("absent",)]
    documents += [read({"profile": "debian", "unmanaged": {"accounts": "report"}})]
    managers = (("debian", "luarocks"), ("uberspace", "toast"), ("slackware", "pkgtools"))
    documents += [read({"profile": kind, "packages": {manager: {"a": "present"}}}) for kind, manager in managers]
    managers = ("systemd-user", "daemontools", "supervisord", "rc.d", "child")
    documents += [read({"profile": "debian", "services": {"a": {"manager": word}}}) for word in managers]
    documents += [read({**PROSODY, "certificates": {"a.org": {"self_signed": True, "drift": "detect"}}})]
    documents += [
        read({"profile": "debian", "files": {"/x": {"hg": "https://h.example/", "revision": "4dd3b3ec2f1a"}}})
    ]
    noted = {note.text for spec in documents for note in spec.notes}
    missing = [way for way, what in NOT_YET.items() if not any(f"not yet: {what} (" in text for text in noted)]
    assert missing == []
    with pytest.raises(SpecError) as refused:
        load({"hosts/a.yaml": Blob(b"profile: local\nservices: [tor]\n")}, "a", Facts(profile="local"))
    assert "services: not yet: services under the profile local" in str(refused.value)


def test_what_says_nothing_is_not_refused() -> None:
    """An empty part asks for nothing."""
    load({"hosts/a.yaml": Blob(b"profile: local\nservices: {}\nmaintenance: []\n")}, "a", Facts(profile="local"))


def test_the_page_lists_what_is_not_done_yet() -> None:
    """Row by row as the table of the program."""
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", PAGE.read_text().partition("## Not yet")[2], re.MULTILINE)
    assert rows == [(".".join(way), what) for way, what in NOT_YET.items()]


def test_every_key_says_what_it_is() -> None:
    """One source for the models, the editor's schema and the reference: parts that are built late as well."""
    document = Host.model_json_schema()
    models = {**document["$defs"], "Host": document}
    keys = [(name, key, about) for name, model in models.items() for key, about in model.get("properties", {}).items()]
    assert len(models) > 30 and ("Certificate", "reuse_key") in [key[:2] for key in keys]
    assert [key[:2] for key in keys if "description" not in key[2]] == []
