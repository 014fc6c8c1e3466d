"""Bodies: what a dotted name says lies under the things that extend it, in every map of things."""

from __future__ import annotations

from typing import Any

import pytest
from test_combining import PIN, read

from schemas.load import Blob, Facts, load
from schemas.shape import HOST, MAP, Shape


def test_a_nearer_body_lies_under_a_thing_of_a_farther_file() -> None:
    """First all files are combined, then each thing is laid over its bodies."""
    prosody = read(
        "extends: shared/x.yaml\nprosody: {virtual_hosts: {.default: {a: 2, b: 2}}}",
        shared_x="prosody: {virtual_hosts: {.default: {c: 3}, h.x: {a: 1}}}",
    ).host.prosody
    assert prosody is not None
    assert prosody.virtual_hosts["h.x"].options == {"a": 1, "b": 2, "c": 3}


def test_a_host_takes_away_what_a_body_brings() -> None:
    """By null, `remove` and `add`, in a file that may come before the body."""
    prosody = read(
        "extends: shared/x.yaml\n"
        "prosody: {virtual_hosts: {.default: {components: {up: http_file_share}, modules_enabled: [mam, csi],"
        " motd_text: x, admins: [a@x, b@x]}}}",
        shared_x="prosody: {virtual_hosts: {h.x: {components: {up: null}, modules_enabled: {remove: [mam]},"
        " motd_text: null, admins: {add: [c@x], remove: [a@x]}}}}",
    ).host.prosody
    assert prosody is not None
    host = prosody.virtual_hosts["h.x"]
    assert (host.components, host.modules_enabled, host.options) == ({}, ("csi",), {"admins": ("b@x", "c@x")})


BODIES = {
    ("prosody", "plugins"): ("package: x", "{}", "package"),
    ("prosody", "virtual_hosts"): ("a: x", "{}", "options"),
    ("prosody", "virtual_hosts", "*", "components"): ("module: muc", "{}", "module"),
    ("prosody", "components"): ("module: muc", "{}", "module"),
    ("apt_sources",): ("uris: 'https://x.example/'", "{}", "uris"),
    ("packages", "apt"): ("suite: sid", "present", "suite"),
    ("packages", "luarocks"): ("server: 'https://x.example/'", "'1'", "server"),
    ("packages", "toast"): (f"url: 'https://x.example/<name>', {PIN}", "'1'", "url"),
    ("packages", "pkgtools"): (f"url: 'https://x.example/<version>', {PIN}", "'1'", "url"),
    ("certificates",): ("self_signed: true", "{}", "self_signed"),
    ("accounts",): ("role: admin", "disabled", "role"),
    ("files",): ("mode: '0600'", "{content: x}", "mode"),
    ("services",): ("on_change: report", "{enabled: true}", "on_change"),
    ("jobs",): ("schedule: daily", "{run: [/bin/true]}", "schedule"),
    ("users",): ("system: true", "{}", "system"),
    ("databases",): ("owner: x", "{}", "owner"),
}
"""Every map of things: what its `.default` says, what a thing says, and the key that the thing has from the body."""
NAMED = {"*": "rooms", "files": "/srv/h", "accounts": "u@h.x", "toast": "h", "pkgtools": "h"}
PROFILE = {"toast": "uberspace", "pkgtools": "slackware"}


@pytest.mark.parametrize("way", BODIES, ids=".".join)
def test_dotted_bodies_work_in_every_map_of_things(way: tuple[str, ...]) -> None:
    """A thing has what `.default` says, and is no body itself."""
    body, own, key = BODIES[way]
    name = NAMED.get("*" if "*" in way else way[-1], "h.x")
    document = f"{{.default: {{{body}}}, {name}: {own}}}"
    steps = ["h.x" if step == "*" else step for step in way]
    for step in reversed(steps[1:]):
        document = f"{{{step}: {document}}}"
    beside = "" if way[0] == "prosody" else "\nprosody: {virtual_hosts: [h.x]}"
    tree = {"hosts/a.yaml": Blob(f"profile: {PROFILE.get(way[-1], 'debian')}\n{way[0]}: {document}{beside}".encode())}
    found: Any = load(tree, "a", Facts()).host
    for step in steps:
        found = found[step] if isinstance(found, dict) else getattr(found, step)
    names = [f"{name}.h.x" if "." not in name and way[-1] == "components" else name]
    assert list(found) == names
    assert getattr(found[names[0]], key)


def test_every_map_of_things_has_a_line_there() -> None:
    """Also one that is new. (In `vars`, `requires`, `variables` and `environment` the keys are names.)"""

    def maps(shape: Shape, way: tuple[str, ...]) -> set[tuple[str, ...]]:
        if shape is MAP:
            return set()
        found = {way} if shape.things is not None else set()
        below = {"*": shape.things} if shape.things is not None else shape.keys
        return found.union(*(maps(inner, (*way, key)) for key, inner in below.items() if inner is not None))

    assert maps(HOST, ()) == set(BODIES)
