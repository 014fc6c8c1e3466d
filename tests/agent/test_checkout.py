"""The verbs about a checkout, as real processes: validate, show, schema and init."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pyrage
import pytest

from agent.elsewhere import installed
from agent.validate import Finding, Level, validate
from reconcilers import installation
from schemas.errors import Mark, Mistake
from schemas.load import Blob, Facts, load
from schemas.options import LINES

ROOT = Path(__file__).parents[2]

COMMON = "prosody:\n  modules_enabled: [tls, mam]\n  virtual_hosts: {.default: {allow_registration: maybe}}\n"


@pytest.fixture
def checkout(home: Path) -> Path:
    """Two hosts: one with a mistake of its own and one of the file that it extends, one with a note."""
    place = home / "checkout"
    (place / "hosts").mkdir(parents=True)
    (place / "shared").mkdir()
    (place / "shared/common.yaml").write_text(COMMON)
    (place / "hosts/a.example.yaml").write_text(
        "profile: local\nextends: shared/common.yaml\nprosody: {virtual_hosts: [a.example]}\nfilez: {}\n"
    )
    (place / "hosts/b.example.yaml").write_text("profile: debian\njobs: {a: {schedule: daily, run: [/bin/true]}}\n")
    return place


def prosodist(*words: str | Path, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The command line as another process, without any settings of this machine's."""
    done = subprocess.run(
        [sys.executable, "-m", "agent", *map(str, words)], cwd=cwd, capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(cwd)},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


# --- validate ---


def test_mistakes_stand_on_stdout_and_notes_beside_them(checkout: Path) -> None:
    """A mistake of a shared file is told once; what is not built yet is a note, and notes alone are no failure."""
    done = prosodist("validate", cwd=checkout, code=1)
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == [
        "hosts/a.example.yaml:4:1", "shared/common.yaml:3:50",
    ]  # fmt: skip
    assert "note: hosts/b.example.yaml:2:1: jobs: not yet" in done.stderr
    alone = prosodist("validate", "--host", "b.example", cwd=checkout)
    assert (alone.stdout, "not yet" in alone.stderr) == ("", True)


def test_a_host_with_mistakes_tells_its_notes_too(checkout: Path) -> None:
    """All of it in one go; of a word that is doubtful by itself nothing is noted."""
    text = (
        "profile: debian\nfilez: {}\njobs: {a: {schedule: daily, run: [/bin/true]}}\n"
        "prosody: {use_libevent: true, use_ipv6: no}\nservices: {nginx: {running: yes}}\n"
    )
    (checkout / "hosts/c.example.yaml").write_text(text)
    done = prosodist("validate", "--host", "c.example", cwd=checkout, code=1)
    assert len(done.stdout.splitlines()) == 3
    notes = [line.split(": ")[1:4] for line in done.stderr.splitlines() if "c.example" in line]
    assert [place for place, *_ in notes] == [f"hosts/c.example.yaml:{place}" for place in ("3:1", "4:11")]


def test_programs_get_each_finding_in_parts(checkout: Path) -> None:
    """`-o json`: errors and notes by level, in the order of their places."""
    found = json.loads(prosodist("validate", "-o", "json", cwd=checkout, code=1).stdout)
    placed = [(one["file"], one["line"], one["column"], one["subject"], one["level"]) for one in found if one["file"]]
    assert placed == [
        ("hosts/a.example.yaml", 4, 1, "filez", "error"),
        ("hosts/b.example.yaml", 2, 1, "jobs", "note"),
        ("shared/common.yaml", 3, 50, "prosody.virtual_hosts..default.allow_registration", "error"),
    ]
    assert all(one["text"] and one["message"] for one in found)


def test_github_gets_annotations_where_it_checked_out(checkout: Path) -> None:
    """`-o github`: a workflow command a line, the file by its path from where CI stands."""
    done = prosodist("validate", "-o", "github", "checkout", cwd=checkout.parent, code=1)
    lines = done.stdout.splitlines()
    subject = "prosody.virtual_hosts..default.allow_registration"
    assert lines[-1].startswith(f"::error title={subject},file=checkout/shared/common.yaml,line=3,col=50::")
    assert "::notice title=jobs,file=checkout/hosts/b.example.yaml,line=2,col=1::not yet" in done.stdout


@pytest.mark.parametrize(
    ("subject", "text", "written"),
    [
        ("a:b,c", "x", "::error title=a%3Ab%2Cc,file=r/f.yaml,line=1,col=2::x"),
        ("", "one\r\ntwo: 100%, all", "::error file=r/f.yaml,line=1,col=2::one%0D%0Atwo: 100%25, all"),
        ("s", "::set-output name=x::y", "::error title=s,file=r/f.yaml,line=1,col=2::::set-output name=x::y"),
    ],
)
def test_what_a_commit_says_ends_no_annotation(subject: str, text: str, written: str) -> None:
    """Line ends, commas and colons cannot begin a command of their own."""
    mistake = Mistake(mark=Mark("f.yaml", 1, 2), subject=subject, text=text)
    assert Finding(mistake=mistake).to_github("r") == written


def test_a_note_about_no_place_is_told_as_it_is() -> None:
    """Such as what was not checked for want of a Prosody."""
    note = Finding(mistake=Mistake(mark=Mark(""), text="not checked"), level=Level.NOTE)
    assert (note.message, note.to_github(".")) == ("not checked", "::notice::not checked")


def test_without_a_prosody_it_says_what_was_not_checked(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop: everything but Lua is checked."""
    (checkout / "hosts/c.example.yaml").write_text("profile: local\nprosody: {lua: not Lua}\n")
    monkeypatch.setattr(installation, "CANDIDATES", ())
    told = validate(str(checkout), None)
    assert ["Lua was not checked" in one.message for one in told].count(True) == 1
    assert any(one.level is Level.ERROR for one in told)


def test_a_host_that_is_too_dear_hinders_no_other(checkout: Path) -> None:
    """A template without end is told of its host; those after it are read by another child."""
    (checkout / "templates").mkdir()
    (checkout / "templates/endless.j2").write_text("{% for a in range(99999) %}" * 3 + "x" + "{% endfor %}" * 3)
    (checkout / "hosts/aa.example.yaml").write_text(
        "profile: local\nfiles: {<home>/x: {template: templates/endless.j2}}\n"
    )
    told = [(one.mistake.mark.file, one.mistake.text) for one in validate(str(checkout), None)]
    assert any(file == "hosts/aa.example.yaml" and "took more than" in text for file, text in told)
    assert {"hosts/a.example.yaml", "hosts/b.example.yaml"} <= {file for file, _ in told}


def test_many_hosts_are_each_told_once_and_in_order(checkout: Path) -> None:
    """However many children read them."""
    for number in range(60):
        (checkout / f"hosts/h{number:02}.example.yaml").write_text(
            "profile: local\nextends: shared/common.yaml\nx: 1\n"
        )
    told = [one.mistake.mark.file for one in validate(str(checkout), None) if one.level is Level.ERROR]
    many = [f"hosts/h{number:02}.example.yaml" for number in range(60)]
    assert told == ["hosts/a.example.yaml", *many, "shared/common.yaml"]


def test_with_its_settings_a_host_is_judged_as_itself(checkout: Path, home: Path) -> None:
    """What is not built yet, another profile, and a path that a push may not write are mistakes there."""
    (checkout / "hosts/b.example.yaml").write_text(
        "profile: local\njobs: {a: {schedule: daily, run: [/bin/true]}}\nfiles: {/etc/motd: {content: x}}\n"
    )
    (home / "home").mkdir()
    (home / "agent.yaml").write_text(
        f"repository: {checkout}\nhost: b.example\nprofile: local\nhome: {home}/home\nstate_dir: {home}/state\n"
    )
    before = prosodist("validate", "--host", "b.example", cwd=checkout)
    assert (before.stdout, before.stderr.count("only what lies below <home>")) == ("", 1)
    words = ("validate", "--host", "b.example", "--config", home / "agent.yaml")
    (line,) = prosodist(*words, cwd=checkout, code=1).stdout.splitlines()
    assert "jobs: not yet" in line
    (checkout / "secrets").mkdir()
    somebody = pyrage.x25519.Identity.generate().to_public()
    (checkout / "secrets/a.age").write_bytes(pyrage.encrypt(b"x", [somebody]))
    (home / "age").write_text(str(pyrage.x25519.Identity.generate()))
    with (home / "agent.yaml").open("a") as settings:
        settings.write(f"age_key: {home}/age\n")
    (checkout / "hosts/b.example.yaml").write_text(
        "profile: local\nfiles: {/etc/motd: {content: x}, <home>/a: {content: {age: secrets/a.age}}}\n"
    )
    written, opened = prosodist(*words, cwd=checkout, code=1).stdout.splitlines()
    assert "a push may not write there" in written
    assert "secrets/a.age" in opened
    prosodist("validate", "--host", "b.example", cwd=checkout)


def test_options_are_held_against_the_prosody_of_this_host(checkout: Path, home: Path) -> None:
    """A laptop must write what is right for every version; the host has one."""
    version = installed()
    assert version is not None
    line = next(line for line in LINES if version.startswith(line))
    option = {"0.12": "invites_page_module: x", "13.0": "advertise_bosh: true"}[line]
    (checkout / "hosts/b.example.yaml").write_text(f"profile: local\nprosody: {{{option}}}\n")
    (home / "home").mkdir()
    (home / "agent.yaml").write_text(
        f"repository: {checkout}\nhost: b.example\nhome: {home}/home\nstate_dir: {home}/s\n"
    )
    done = prosodist("validate", "--host", "b.example", cwd=checkout, code=1)
    assert f"only Prosody {line} has this option" in done.stdout
    prosodist("validate", "--host", "b.example", "--config", home / "agent.yaml", cwd=checkout)


# --- show and schema ---


def test_show_prints_one_document_with_origins(checkout: Path) -> None:
    """And for programs the same data, with the way to each value."""
    (checkout / "shared/common.yaml").write_text(COMMON.replace("maybe", "true"))
    (checkout / "hosts/a.example.yaml").write_text(
        "profile: local\nextends: shared/common.yaml\nprosody: {virtual_hosts: [a.example]}\n"
    )
    text = prosodist("show", "a.example", cwd=checkout).stdout
    assert "  modules_enabled: [tls, mam]" in text and "# shared/common.yaml:2\n" in text
    alone = load({"hosts/a.example.yaml": Blob(text.encode())}, "a.example", Facts())
    answer: dict[str, Any] = json.loads(prosodist("show", "a.example", "-o", "json", cwd=checkout).stdout)
    assert answer["document"]["prosody"]["virtual_hosts"] == {"a.example": {"allow_registration": True}}
    assert answer["digest"] == alone.digest
    place = {"way": ["prosody", "modules_enabled", 1], "file": "shared/common.yaml", "line": 2, "column": 26}
    assert place in answer["origins"]


def test_show_tells_mistakes_and_the_nearest_name(checkout: Path) -> None:
    """What cannot be combined cannot be shown."""
    assert "filez" in prosodist("show", "a.example", cwd=checkout, code=1).stderr
    assert "write hosts/a.example.yaml" in prosodist("show", "a.exampel", cwd=checkout, code=1).stderr


def test_schema_prints_a_schema(home: Path) -> None:
    """Anywhere: it needs no checkout."""
    schema = json.loads(prosodist("schema", cwd=home).stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["properties"]["prosody"]["description"]


# --- init ---


def test_what_init_writes_is_right_and_runs(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Committed as it is, a pass makes a healthy Prosody of it, and a second one finds nothing to do."""
    said = prosodist("init", "first", "--host", "Chat.Example.test", cwd=home).stdout
    assert "first/hosts/chat.example.test.yaml" in said and "agent.yaml" in said
    done = prosodist("validate", "first", cwd=home)
    assert (done.stdout, done.stderr) == ("", "")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example", "-c", "init.defaultBranch=main", "-C", "first"]
    for words in (["init"], ["add", "."], ["commit", "-m", "Begin"]):
        subprocess.run([*git, *words], cwd=home, check=True, capture_output=True)
    (home / "home").mkdir()
    (home / "agent.yaml").write_text(
        f"repository: {home}/first\nhost: chat.example.test\nhome: {home}/home\nstate_dir: {home}/state\n"
        f"age_key: {home}/keys/age\n"
    )
    try:
        words = ("reconcile", "-o", "json", "--config", home / "agent.yaml")
        first, second = (json.loads(prosodist(*words, cwd=home).stdout) for _ in range(2))
        assert (first["result"], first["failures"]) == ("changed", [])
        assert second["result"] == "in_sync"
    finally:
        for pidfile in home.glob("home/prosody/run/*.pid"):
            os.kill(int(pidfile.read_text()), 15)


def test_init_touches_nothing_that_is_there(home: Path) -> None:
    """One file there already, and none is written."""
    (home / "README.md").write_text("mine")
    assert "README.md: is there already" in prosodist("init", "--host", "a.example", cwd=home, code=1).stderr
    assert [path.name for path in home.iterdir() if path.name != ".cache"] == ["README.md"]
    assert (home / "README.md").read_text() == "mine"
