"""`apt_sources`: files that apt reads as git says, each with its key inside."""

from __future__ import annotations

import base64
import subprocess
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from msgspec.structs import replace
from world import World, spec

from reconcilers import sources
from reconcilers.armor import armored
from schemas.errors import SpecError
from schemas.plan import Change, Holds, Kind, Verdict
from schemas.record import Owned

KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZQ==\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
SAID: dict[str, Any] = {"uris": ("https://packages.prosody.im/debian",), "signed_by": "files/p.asc"}
PATH = PurePosixPath("/etc/apt/sources.list.d/prosody-tests.sources")


def _judge(world: World, said: dict[str, Any], key: bytes = KEY.encode(), owned: tuple[Owned, ...] = ()) -> Verdict:
    wanted = spec(None, {"files/p.asc": key}, profile="debian", apt_sources=said)
    site = replace(world.site, profile="debian")
    ours = {one.id: one for one in owned}
    (verdict,) = sources.plan(wanted, sources.observe(world.host, wanted, ours, site), ours, site)
    return verdict


def _text(verdict: Verdict) -> str:
    assert isinstance(verdict, Change)
    (write,) = verdict.actions
    text: bytes = write.content  # type: ignore[union-attr, assignment]
    return text.decode()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A host with the system's Prosody; nothing is written there."""
    return World(tmp_path, Path("/usr/bin/prosody"))


def test_apt_reads_what_git_says(world: World, tmp_path: Path) -> None:
    """The suite is the host's own and the component main, unless git says otherwise; the key is this source's alone."""
    (tmp_path / "parts").mkdir()
    for number, said in enumerate((SAID, {**SAID, "suites": ("a", "b"), "components": ("main", "extra")})):
        text = _text(_judge(world, {"prosody-tests": said}))
        (tmp_path / "parts" / f"{number}.sources").write_text(text)
        assert "mDMEZQ==" in text and "\n .\n" in text, "an empty line of the key is a dot"
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": f"{tmp_path}/parts",
        "Dir::State": tmp_path,
    }
    argv = ["apt-get", *(f"-o{name}={value}" for name, value in settings.items()), "update", "--print-uris"]
    read = subprocess.run(argv, capture_output=True, text=True, check=True)
    own = sources.codename(Path("/etc/os-release").read_bytes())
    lists = (line.split("/dists/")[1].split("/") for line in read.stdout.splitlines() if "/binary-all/" in line)
    assert {(suite, part) for suite, part, *_ in lists} == {(own, "main"), *product("ab", ("main", "extra"))}
    assert not read.stderr


def test_a_flat_source_has_no_components(world: World) -> None:
    """apt refuses components beside a suite that is a path."""
    assert "Components" not in _text(_judge(world, {"prosody-tests": {**SAID, "suites": ("./",)}}))


def test_a_binary_key_is_written_as_text() -> None:
    """`gpg --export` without --armor will do, and comes out as the same key."""
    key = b"\x98\x33" + bytes(range(200))
    text = armored(key)
    assert text is not None
    _, body = text.split("\n\n")
    lines = body.splitlines()
    assert base64.b64decode("".join(lines[:-2])) == key
    assert armored(b"\xc6123456789") is not None and armored(b"") is None


@pytest.mark.parametrize("key", [b"", b"no key", b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n"])
def test_what_is_no_public_key_is_a_mistake(world: World, key: bytes) -> None:
    """A private key least of all: the file may be read by everybody."""
    with pytest.raises(SpecError, match="no OpenPGP key"):
        _judge(world, {"prosody-tests": SAID}, key)


def test_a_source_that_the_host_does_not_allow_is_refused(world: World) -> None:
    """Root installs what it offers, so the address has to be opened on the host."""
    world.site = replace(world.site, allows=lambda word, value: (word, value) != ("sources", SAID["uris"][0]))
    with pytest.raises(SpecError, match=r"allow: \{sources: \[https://packages.prosody.im/debian\]\}"):
        _judge(world, {"prosody-tests": SAID})


def test_gone_from_git_is_removed_and_gone_from_both_let_go_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three-way as everything else: a file of ours that git no longer names goes."""
    monkeypatch.setattr(sources, "PLACE", PurePosixPath(world.home))
    path = world.home / "prosody-tests.sources"
    path.write_text(_text(_judge(world, {"prosody-tests": SAID})))
    path.chmod(0o644)
    held = _judge(world, {"prosody-tests": SAID})
    assert isinstance(held, Holds)
    ours = Owned(id=held.id, reconciler="sources", wish=held.wanted, digest=held.live, revision="")
    gone = _judge(world, {}, owned=(ours,))
    assert isinstance(gone, Change) and (gone.kind, gone.live) == (Kind.REMOVED, ours.digest)
    path.unlink()
    left = _judge(world, {}, owned=(ours,))
    assert isinstance(left, Change) and left.kind is Kind.RELEASED
