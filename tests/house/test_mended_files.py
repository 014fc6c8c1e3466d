"""Files and templates: kinds that change, secrets that are not drawn yet, nested, or in the way of a mistake."""

from __future__ import annotations

import os

from places import DOCUMENT, Place

SECRET = "correct-horse-battery-staple-0816"


def given(place: Place) -> str:
    """A secret of the host's admin."""
    path = place.home / "given"
    path.write_text(SECRET + "\n")
    path.chmod(0o644 if os.geteuid() == 0 else 0o600)
    return str(path)


def test_a_template_waits_for_a_secret_that_is_drawn_in_the_same_pass(living: Place) -> None:
    """And is written in it."""
    entry = "  <home>/made: {template: templates/made.j2, vars: {it: {generated: fresh}}}\n"
    living.push({"templates/made.j2": "it is {{ it }}\n"}, document=DOCUMENT + entry)
    outcome = living.reconcile()
    assert outcome["result"] == "changed", outcome
    drawn = (living.home / "prosody/secrets/fresh").read_text().strip()
    assert (living.home / "made").read_text() == f"it is {drawn}\n"


def test_secrets_deep_in_a_templates_variables_are_filled_in(living: Place) -> None:
    """In lists and maps, and the file is not for everybody then."""
    entry = (
        "  <home>/made: {template: templates/made.j2, vars: "
        f"{{all: [{{host_file: {given(living)}}}], by: {{name: {{host_file: {given(living)}}}}}}}}}\n"
    )
    living.push({"templates/made.j2": "{{ all[0] }} {{ by.name }}\n"}, document=DOCUMENT + entry)
    assert living.reconcile()["result"] == "changed"
    assert (living.home / "made").read_text() == f"{SECRET} {SECRET}\n"
    assert (living.home / "made").stat().st_mode & 0o007 == 0


def test_no_secret_is_read_beyond_the_fence_however_deep_it_is_named(living: Place) -> None:
    """In a template's variables and in Prosody's options: refused where it is said."""
    age = living.root / "etc/age.key"
    nested = f"  <home>/made: {{template: templates/made.j2, vars: {{all: [{{host_file: {age}}}]}}}}\n"
    option = DOCUMENT.replace("prosody:\n", f"prosody:\n  admins: [{{host_file: {age}}}]\n")
    for document, way in ((DOCUMENT + nested, "files."), (option, "prosody.admins")):
        living.push({"templates/made.j2": "{{ all[0] }}\n"}, document=document)
        assert living.reconcile()["result"] == "invalid"
        told = repr(living.told("commit.refused")[-1])
        assert way in told and "may not read" in told


def test_what_a_template_provokes_tells_no_secret(living: Place) -> None:
    """Python names the key that was not found; we name the template's line."""
    entry = f"  <home>/made: {{template: templates/made.j2, vars: {{it: {{host_file: {given(living)}}}}}}}\n"
    for wrong in ("{{ {}[it] }}", "{{ {}[it|upper] }}", "{{ it|int(base=it) }}"):
        guarded = f"{{% if it != 'SECRET' %}}{wrong}{{% endif %}}"  # else the trial with placeholders finds it
        living.push({"templates/made.j2": f"first\n{guarded}\n"}, document=DOCUMENT + entry)
        outcome = living.reconcile()
        said = repr((outcome, living.log)) + living.command("plan", code=None).stderr.decode()
        assert SECRET not in said and SECRET.upper() not in said
        assert "templates/made.j2:2" in said


def test_a_directory_becomes_a_file_in_one_pass(living: Place) -> None:
    """What was ours in it goes first, and back again."""
    site = "  <home>/site/index.html: {source: files/index.html}\n"
    tree = "  <home>/site: {tree: files}\n"
    for entry, is_file in ((tree, False), ("  <home>/site: {content: flat}\n", True), (tree, False)):
        living.push(document=DOCUMENT.replace(site, entry))
        outcome = living.reconcile()
        assert not outcome["failures"], outcome
        assert (living.home / "site").is_file() == is_file
        assert living.reconcile()["result"] == "in_sync"


def test_a_mode_that_shuts_the_agent_out_is_refused_unless_it_is_root(living: Place) -> None:
    """What cannot be read back would be waited for without end; root's agent writes it, and a second pass is idle."""
    entries = '  <home>/shut: {content: a, mode: "0240"}\n  <home>/in: {directory: true, mode: "0311"}\n'
    living.push(document=DOCUMENT + entries)
    outcome = living.reconcile()
    if os.geteuid() == 0:
        assert (outcome["result"], living.reconcile()["result"]) == ("changed", "in_sync")
        assert (living.home / "shut").stat().st_mode & 0o7777 == 0o240
        return
    assert outcome["result"] == "invalid"
    assert not (living.home / "shut").exists()
    told = repr(living.told("commit.refused"))
    assert f"{living.home}/shut.mode: the agent, not being root, could not look at it again" in told
    assert "includes 0400" in told and "includes 0500" in told
