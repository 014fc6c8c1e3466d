"""The tables of Prosody's options are what the sources say, and the script that makes them misses nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import releases

from schemas.options import LINES, known, known_to_modules

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "deploy/prosody_options"
TABLES = sorted(f"{line}{kind}.json" for line in LINES for kind in ("", "-modules"))

CALL = re.compile(r"""get_option(?:_[a-z]+)*\(\s*["'](\w+)["']""")
"""An option that is read by its plain name: what anybody would look for."""


def usr(line: str) -> Path:
    """The `usr` of that line's Debian package."""
    debian = next(debian for debian, release in releases.RELEASES.items() if release.line == line)
    return releases.prosody(debian).parent.parent


def modules(line: str) -> Path:
    """The `usr` of prosody-modules of the same release."""
    debian = next(debian for debian, release in releases.RELEASES.items() if release.line == line)
    return releases.prosody_modules(debian)


def make(out: Path, sources: dict[str, Path]) -> subprocess.CompletedProcess[str]:
    """Run the script on these sources of Prosody."""
    arguments = [text for line in LINES for text in (line, str(sources[line]), str(modules(line)))]
    return subprocess.run([sys.executable, SCRIPT, out, *arguments], capture_output=True, text=True)


@pytest.fixture(scope="module")
def hand() -> Any:
    """The list of what no scan can see."""
    sys.path.insert(0, str(SCRIPT))
    import byhand

    sys.path.remove(str(SCRIPT))
    return byhand


def test_the_tables_are_what_the_script_makes(tmp_path: Path) -> None:
    """Made again from the sources of both versions, all four are the committed ones, byte for byte."""
    done = make(tmp_path, {line: usr(line) for line in LINES})
    assert done.returncode == 0, done.stderr
    for table in TABLES:
        assert (tmp_path / table).read_text() == (ROOT / "schemas/options" / table).read_text(), (
            f"{table}: the sources say otherwise; make it anew as docs/prosody-options.md tells"
        )


def test_an_option_of_an_unknown_name_is_not_passed_over(tmp_path: Path) -> None:
    """A source that computes a name nobody has explained is told by its line, and no table is written."""
    for line in LINES:
        library = tmp_path / line / "lib/prosody"
        (library / "util/prosodyctl").mkdir(parents=True)
        check = "util/prosodyctl/check.lua"
        (library / check).write_text((usr(line) / "lib/prosody" / check).read_text())
    new = tmp_path / "13.0/lib/prosody/modules/mod_new.lua"
    new.parent.mkdir()
    new.write_text("-- a module\nlocal x = module:get_option_string(prefix .. '_x');\n")
    done = make(tmp_path, {line: tmp_path / line for line in LINES})
    assert done.returncode == 1
    assert "modules/mod_new.lua:2: an option is read by the name prefix .. '_x'; explain it in byhand.py" in done.stderr
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("line", LINES)
def test_no_plain_name_is_missed(line: str) -> None:
    """Whatever option a plain search finds in the sources is in the table, Prosody's own and the modules'."""
    for root, table in ((usr(line), known(line)), (modules(line), known_to_modules(line))):
        text = "\n".join(path.read_text(errors="replace") for path in (root / "lib/prosody").rglob("*.lua"))
        found = set(CALL.findall(text))
        assert len(found) > 100
        assert found <= table.options


@pytest.mark.parametrize("line", LINES)
def test_what_is_known_by_hand_is_where_it_says(line: str, hand: Any) -> None:
    """Each place in the hand-made list names its option in that line of the sources."""
    newest = LINES[-1]
    for entry in hand.OPTIONS:
        if (entry.only or newest) != line:
            continue
        file, _, number = entry.source.partition(":")
        path = usr(line) / (file if file.startswith("bin/") else f"lib/prosody/{file}")
        found = path.read_text().splitlines()[int(number) - 1]
        assert re.search(rf"\b{entry.option}\b", found), f"{entry.source} does not read {entry.option}: {found}"


def test_the_hand_made_list_holds_nothing_that_is_gone(hand: Any) -> None:
    """What it says of an option is in a table, and so is what it says took an option's place."""
    options = frozenset.union(*(known(line).options for line in LINES))
    assert {entry.option for entry in hand.OPTIONS} <= options
    assert all(known(line).option(name) for line in LINES for name in hand.INSTEAD if name in known(line).options)


@pytest.mark.parametrize(
    ("line", "name", "types", "scope", "readers"),
    [
        ("0.12", "c2s_ports", ("list",), "global", "c2s"),
        ("13.0", "https_certificate", ("string", "table"), "global", "http"),
        ("13.0", "storage", ("string", "table"), "any", "core.storagemanager"),
        ("13.0", "http_file_share_size_limit", ("integer",), "any", "http_file_share"),
        ("13.0", "archive_expires_after", ("period",), "any", "mam"),
        ("13.0", "mam_remove_expired_messages_period", ("period",), "any", "mam"),
        ("0.12", "muc_room_locking", ("boolean",), "component", "muc"),
        ("13.0", "component_secret", ("string",), "component", "component"),
        ("13.0", "log", ("string", "table"), "global", "core.loggingmanager"),
    ],
)
def test_a_row_tells_type_scope_and_reader(
    line: str, name: str, types: tuple[str, ...], scope: str, readers: str
) -> None:
    """Also of options whose name or type no scan can see."""
    option = known(line).option(name)
    assert option is not None
    assert (option.types, option.scope) == (types, scope)
    assert readers in option.readers


def test_a_row_tells_since_when_until_when_and_what_came_after() -> None:
    """Of an option of one version only, of one that is deprecated, of one of long ago, and of one with choices."""
    new, old = known("13.0").option("s2s_send_queue_size"), known("0.12").option("allow_user_invites_by_roles")
    assert new is not None and (new.since, new.default, new.least) == ("13.0", "1024*32", 1)
    assert old is not None and (old.until, old.instead) == ("0.12", "add_permissions")
    aged, gone = known("13.0").option("legacy_ssl_ports"), known("13.0").option("setgid")
    assert aged is not None and aged.deprecated and aged.instead == "c2s_direct_tls_ports"
    assert gone is not None and gone.gone and not gone.readers
    chosen = known("13.0").option("restrict_room_creation")
    assert chosen is not None and chosen.choices == (False, True, "local")
