"""A bad commit costs one report and the host nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from places import DOCUMENT, HOST, Place

from agent.bounded import SECONDS

NAME = f"hosts/{HOST}.yaml"
_HEAD = "profile: local\n"
_PROSODY = DOCUMENT.partition("files:")[0]
_DEEP = "{{a: " * 0 + "a: " + "[" * 200 + "]" * 200 + "\n"

Broken = dict[str, str | bytes | None]
LOADED: dict[str, tuple[str, Broken]] = {
    "notation": ("hosts", {NAME: "profile: local\nprosody: [\n"}),
    "tab": ("hosts", {NAME: "profile: local\nprosody:\n\tadmins: []\n"}),
    "not UTF-8": ("hosts", {NAME: b"profile: local\n# \xff\xfe\n"}),
    "key twice": ("hosts", {NAME: _HEAD + _HEAD}),
    "unknown key": ("hosts", {NAME: DOCUMENT + "flies: {}\n"}),
    "wrong type": ("hosts", {NAME: DOCUMENT.replace("profile: local", "profile: local\nvars: 3")}),
    "wrong word": ("hosts", {NAME: DOCUMENT.replace("drift: detect", "drift: maybe")}),
    "boolean that is none": ("hosts", {NAME: DOCUMENT.replace("drift: detect", "directory: yes")}),
    "mode without quotes": ("hosts", {NAME: DOCUMENT + "  <home>/mode: {content: a, mode: 0644}\n"}),
    "two kinds": ("hosts", {NAME: DOCUMENT + "  <home>/two: {content: a, source: files/index.html}\n"}),
    "missing template": ("hosts", {NAME: DOCUMENT + "  <home>/t: {template: templates/none.j2}\n"}),
    "missing source": ("hosts", {NAME: DOCUMENT + "  <home>/t: {source: files/none}\n"}),
    "missing extends": ("hosts", {NAME: "extends: [shared/none.yaml]\n" + DOCUMENT}),
    "undefined name": (
        "templates/t.j2",
        {NAME: DOCUMENT + "  <home>/t: {template: templates/t.j2}\n", "templates/t.j2": "a\n{{ nobody }}\n"},
    ),
    "template syntax": (
        "templates/t.j2",
        {NAME: DOCUMENT + "  <home>/t: {template: templates/t.j2}\n", "templates/t.j2": "a\n{% if %}\n"},
    ),
    "template out of its sandbox": (
        "templates/t.j2",
        {
            NAME: DOCUMENT + "  <home>/t: {template: templates/t.j2}\n",
            "templates/t.j2": "{{ ''.__class__.__mro__[1].__subclasses__() }}\n",
        },
    ),
    "a module that is nowhere": ("hosts", {NAME: DOCUMENT.replace("[saslauth", "[no_such_thing, saslauth")}),
    "dots in a path": ("hosts", {NAME: DOCUMENT + "  <home>/../up: {content: a}\n"}),
    "dots in a source": ("hosts", {NAME: DOCUMENT + "  <home>/t: {source: files/../../etc/passwd}\n"}),
    "outside of the home": ("hosts", {NAME: DOCUMENT + "  /etc/motd: {content: a}\n"}),
    "a key of ssh": ("hosts", {NAME: DOCUMENT + "  <home>/.ssh/authorized_keys: {content: a}\n"}),
    "Prosody's main file": ("hosts", {NAME: DOCUMENT + "  <home>/prosody/etc/prosody.cfg.lua: {content: a}\n"}),
    "a secret out of place": (
        "hosts",
        {NAME: DOCUMENT + "  <home>/t: {content: {host_file: <home>/prosody/secrets/other}}\n"},
    ),
    "anchors": ("hosts", {NAME: "a: &a [1]\nb: *a\n" + DOCUMENT}),
    "billion laughs": (
        "hosts",
        {NAME: "a0: &a0 x\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9))},
    ),
    "too deep": ("hosts", {NAME: DOCUMENT + "vars: {a: " + "[" * 200 + "]" * 200 + "}\n"}),
    "a host twice": (
        "hosts",
        {NAME: DOCUMENT.replace("    example.test: {}", "    example.test: {}\n    example.test: {}")},
    ),
    "a component that is a host": (
        "hosts",
        {NAME: DOCUMENT.replace("  virtual_hosts:", "  components: {example.test: muc}\n  virtual_hosts:")},
    ),
    "a host that is none": ("hosts", {NAME: DOCUMENT.replace("example.test: {}", '"ex ample/": {}')}),
    "a misspelled option": ("hosts", {NAME: DOCUMENT.replace("  c2s_require_encryption", "  modules_enabeld")}),
    "another profile": ("hosts", {NAME: DOCUMENT.replace("profile: local", "profile: debian")}),
    "no document": ("hosts", {NAME: None}),
}
STAGED: dict[str, str] = {
    "Lua that is none": '  lua: "this is not Lua"\n',
    "Lua that fails": '  lua: "error(1)"\n',
    "Lua that ends the file": '  lua: "return"\n',
    "Lua that ends its block": '  lua: "end do"\n',
    "Lua value that is none": "  c2s_timeout: {lua: '1 +'}\n",
}
DEAR: dict[str, tuple[str, Broken]] = {
    "a template that loops": (
        "templates/t.j2",
        {
            NAME: DOCUMENT + "  <home>/t: {template: templates/t.j2}\n",
            "templates/t.j2": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        },
    ),
    "a template that eats memory": (
        "templates/t.j2",
        {
            NAME: DOCUMENT + "  <home>/t: {template: templates/t.j2}\n",
            "templates/t.j2": "{{ 'x' * 999999999 }}",
        },
    ),
    "Lua that never ends": (
        f"{NAME}:3:8: prosody: ",
        {NAME: DOCUMENT.replace("prosody:\n", 'prosody:\n  lua: "while true do end"\n')},
    ),
    "Lua that waits for ever": (
        f"{NAME}:3:8: prosody: ",
        {NAME: DOCUMENT.replace("prosody:\n", "prosody:\n  lua: 'require \"socket\".sleep(1e6)'\n")},
    ),
    "Lua that prints without end": (
        f"{NAME}:3:8: prosody: ",
        {NAME: DOCUMENT.replace("prosody:\n", "prosody:\n  lua: 'while true do print((\"x\"):rep(1e5)) end'\n")},
    ),
    "Lua that eats memory": (
        f"{NAME}:3:8: prosody: ",
        {NAME: DOCUMENT.replace("prosody:\n", "prosody:\n  lua: 'local t = {} while true do t[#t + 1] = {} end'\n")},
    ),
}


READ_ANEW = {"not UTF-8", "missing source", "template syntax", "Lua that fails", "no document"}
"""Of each kind of refusal one, that an agent started anew is offered too."""


@pytest.mark.timeout(300)  # some forty commits
def test_bad_commits_change_no_byte_and_are_told_once(living: Place) -> None:
    """Each mistake is told once, at error, with its place; later polls are silent and the host stays as it was."""
    kinds = {**LOADED, **{name: ("hosts", _with_lua(line)) for name, line in STAGED.items()}}
    assert len(kinds) >= 20 and kinds.keys() > READ_ANEW
    before, alive = living.bytes(), living.prosody()
    for name, (place_of_mistake, files) in kinds.items():
        _refuse(living, name, place_of_mistake, files)
        assert (living.bytes(), living.prosody()) == (before, alive), name
    _link(living)
    assert (living.bytes(), living.prosody()) == (before, alive), "a link in the repository"
    revision = living.push(document=DOCUMENT.replace("Kept by", "Mended by"))
    assert living.reconcile()["revision"] == revision
    assert (living.home / "motd").read_text() == "Mended by prosodist\n"


def test_a_plan_tells_that_the_newest_commit_is_refused(living: Place) -> None:
    """What it shows instead is the plan of what was right before."""
    with living.engine() as engine:
        before = engine.answer("plan", {}, print)
        living.push(document=DOCUMENT + "flies: {}\n")
        answer = engine.answer("plan", {}, print)
    assert answer["revision"] == before["revision"] and not before["mistakes"]
    assert ["flies" in mistake["message"] for mistake in answer["mistakes"]] == [True]


@pytest.mark.parametrize("name", DEAR)
def test_a_commit_that_costs_too_much_is_a_mistake_of_that_commit(living: Place, name: str) -> None:
    """Ten seconds, 256 MB: what takes more is refused, costs later polls nothing, and the agent goes on."""
    before, alive = living.bytes(), living.prosody()
    _refuse(living, name, *DEAR[name])
    assert (living.bytes(), living.prosody()) == (before, alive)
    revision = living.push(document=DOCUMENT.replace("Kept by", "Mended by"))
    assert living.reconcile()["revision"] == revision, "the agent goes on"


def _refuse(place: Place, name: str, where: str, files: Broken) -> None:
    former = {path: (place.repository.work / path) for path in files}
    kept = {path: file.read_bytes() if file.exists() else None for path, file in former.items()}
    revision = place.push(files)
    place.log.clear()
    with place.engine() as engine:
        outcomes = [engine.answer("reconcile", {}, print), engine.passes.run().to_json()]
    if name in READ_ANEW:
        outcomes.append(place.reconcile())  # an agent started anew keeps silent too
    assert [outcome["result"] for outcome in outcomes] == ["invalid"] * len(outcomes), (name, outcomes)
    assert outcomes[0]["seconds"] < SECONDS + 8, "evaluated twice, or for too long"
    assert outcomes[1]["seconds"] < SECONDS / 2, "evaluated again for a poll"
    (told,) = place.told("commit.refused")
    assert (told["log_level"], told["revision"]) == ("error", revision), name
    assert told["mistakes"] and all(line.startswith(where) for line in told["mistakes"]), (name, told["mistakes"])
    if kept.get(NAME) is not None and name not in ("not UTF-8", "no document", "another profile"):
        assert all(line.split(":")[1].isdigit() for line in told["mistakes"]), (name, told["mistakes"])
    print(name, "→", *told["mistakes"], sep="\n    ")
    place.push(kept)


def _with_lua(line: str) -> Broken:
    return {NAME: DOCUMENT.replace("prosody:\n", "prosody:\n" + line)}


def _link(place: Place) -> None:
    """A link of the repository is read nowhere."""
    link = Path(place.repository.work, "files/link")
    os.symlink("/etc/passwd", link)
    place.log.clear()
    place.push(document=DOCUMENT + "  <home>/t: {source: files/link}\n")
    assert place.reconcile()["result"] == "invalid"
    (told,) = place.told("commit.refused")
    assert "link" in str(told["mistakes"])
    link.unlink()
