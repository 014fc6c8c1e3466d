"""One bad commit, one report: whatever finds a mistake, it is told with all the others."""

from __future__ import annotations

import pytest
from places import DOCUMENT, HOST, Place

NAME = f"hosts/{HOST}.yaml"
LUA = """\
profile: local
extends: [shared/common.yaml]
prosody:
  modules_enabled: [saslauth, tls, disco, ping, admin_shell]
  c2s_timeout: {lua: "1 +"}
  lua: |
    local a = 1
    this is not Lua
  virtual_hosts:
    example.test:
      lua: "end do"
"""
FILES = """\
files:
  <home>/a: {template: templates/a.j2}
  <home>/b: {template: templates/b.j2, vars: {given: x}}
"""
TEMPLATES = {
    "templates/a.j2": "{{ fqdn }}\n{{ one }} {{ two }}\n{% if fqdn %}\n{{ three }}\n{% endif %}\n{{ prosody.four }}\n",
    "templates/b.j2": "{{ given }}\n{{ five }}\n{% if %}\n{{ six }}\n",
}
IN_TEMPLATES = {
    "templates/a.j2:2:4: 'one' is undefined",
    "templates/a.j2:2:14: 'two' is undefined",
    "templates/a.j2:4:4: 'three' is undefined",
    "templates/b.j2:2:4: 'five' is undefined",
    "templates/b.j2:3:1: Expected an expression",
    "templates/b.j2:4:4: 'six' is undefined",
}
IN_LUA = {
    f"{NAME}:5:22: lua: unexpected symbol",
    f"{NAME}:8:5: lua: syntax error near 'is'",
    f"{NAME}:11:12: lua: ",
}


def refused(place: Place, files: dict[str, str | bytes | None]) -> list[str]:
    """What this commit is refused for. `validate` says the same."""
    mistakes = place.refused(files)
    said = place.command("validate", str(place.repository.work), code=1)
    for line in said.stdout.decode().splitlines():
        print(line)
    assert said.stdout.decode().splitlines() == mistakes, said.stderr
    return mistakes


def begin(mistakes: list[str], expected: set[str]) -> bool:
    """Whether each mistake begins with one of these, and each of these begins one."""
    found = {start: [line for line in mistakes if line.startswith(start)] for start in expected}
    lone = [line for line in mistakes if not any(line.startswith(start) for start in expected)]
    assert not lone and all(len(lines) == 1 for lines in found.values()), (lone, found)
    return True


def test_mistakes_of_documents_lua_and_templates_are_told_together(living: Place) -> None:
    """Each once, at its own line, in the order of the places."""
    mistakes = refused(
        living,
        {
            NAME: LUA + "flies: {}\n" + FILES,
            "shared/common.yaml": "drift: maybe\nprosody:\n  modules_enabeld: []\n",
            **TEMPLATES,
        },
    )
    wrong = {f"{NAME}:12:1: flies: unknown key", "shared/common.yaml:1:8: drift", "shared/common.yaml:3:3: prosody"}
    assert begin(mistakes, {*wrong, *IN_LUA, *IN_TEMPLATES})
    assert mistakes == sorted(mistakes, key=lambda line: (line.split(":")[0], *map(int, line.split(":")[1:3])))


def test_a_file_that_breaks_off_hides_nothing_of_the_others(living: Place) -> None:
    """What it may have given to a template is not missed: a name that stands in it is none to tell."""
    torn = 'vars: {five: "5", six: "6"\n'
    mistakes = refused(living, {NAME: LUA + FILES, "shared/common.yaml": torn, **TEMPLATES})
    hidden = {start for start in IN_TEMPLATES if "'five'" in start or "'six'" in start}
    assert begin(mistakes, {"shared/common.yaml:", *IN_LUA, *(IN_TEMPLATES - hidden)})


def test_mistakes_of_a_sound_document_are_told_together(living: Place) -> None:
    """Its templates are tried, and its configuration is loaded: Lua that fails in one place is told with the others."""
    more = (
        LUA.replace("this is not Lua", 'error("no")')
        .replace("end do", "nothing.at_all = 1")
        .replace("1 +", "1 + nil")
        .replace("extends: [shared/common.yaml]\n", "drift: correct\n")
    )
    mistakes = refused(living, {NAME: more + FILES, **TEMPLATES})
    ran = {f"{NAME}:5:22: prosody: ", f"{NAME}:8:5: prosody: ", f"{NAME}:11:12: prosody: "}
    missing = "templates/a.j2:6:1: 'dict object' has no attribute 'four'"
    assert begin(mistakes, {*ran, *IN_TEMPLATES, missing})


@pytest.mark.parametrize(("line", "number"), [("= = 1", 3), ("if then", 3)])
def test_bad_lua_of_a_template_is_told_at_the_templates_line(living: Place, line: str, number: int) -> None:
    """Of the main file itself, in the commit that has no other mistake."""
    text = f'{{% for name in virtual_hosts %}}\nVirtualHost "{{{{ name }}}}"\n{line}\n{{% endfor %}}\n'
    document = DOCUMENT.replace("prosody:\n", "prosody:\n  template: templates/main.j2\n")
    mistakes = refused(living, {NAME: document, "templates/main.j2": text})
    assert begin(mistakes, {f"templates/main.j2:{number}:1: prosody: "})


def test_a_document_that_cannot_be_loaded_is_fenced_too(living: Place) -> None:
    """A path that a push may not write is told with the mistakes of notation."""
    before = living.bytes()
    living.push({NAME: DOCUMENT + "  /etc/motd: {content: a}\n  <home>/ok: {content: a, mode: 0644}\n"})
    living.reconcile()
    (told,) = living.told("commit.refused")
    assert [line.split(" ")[1] for line in told["mistakes"]] == ["files./etc/motd:", "files.<home>/ok.mode:"]
    assert living.bytes() == before
