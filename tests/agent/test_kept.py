"""What people wrote is kept: encrypted, durable, findable, and given back as it was."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from msgspec.structs import replace

from agent import durable, keys
from agent.atomic import Copy
from agent.kept import Kept, KeptDamaged, UnknownKept
from agent.keys import WrongKey
from schemas.errors import ActionFailed, AgentError, SettingsError

NOW = 1_795_266_900.0  # 2026-11-21 13:15:00 UTC
MOTD = Copy(path=PurePosixPath("/etc/motd"), content=b"by hand\n\n\x00\xff", mode=0o640, owner="root", group="adm")
LINK = Copy(
    path=PurePosixPath("/etc/localtime"),
    content=b"",
    mode=0o777,
    owner="root",
    group="root",
    target="../zone\udcff",
)


@pytest.fixture
def age_key(tmp_path):
    return tmp_path / "etc" / "age.key"


@pytest.fixture
def kept(tmp_path, age_key):
    durable.make_private_dir(tmp_path / "state")
    return Kept(tmp_path / "state", age_key)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def identities(age_key: Path) -> list[str]:
    return [line for line in age_key.read_text().splitlines() if line.startswith("AGE-SECRET-KEY-1")]


# --- the age key -------------------------------------------------------------------------------------------


def test_the_age_key_is_made_once_and_for_the_agent_alone(age_key):
    """0600 in a directory of 0700, in the form of age-keygen; a second call finds the same one."""
    recipient = keys.ensure_age_key(age_key, at=NOW)
    created, public, secret = age_key.read_text().splitlines()
    assert (mode(age_key), mode(age_key.parent)) == (0o600, 0o700)
    assert created == "# created: 2026-11-21T13:15:00Z"
    assert public == f"# public key: {recipient}"
    assert recipient.startswith("age1")
    assert secret.startswith("AGE-SECRET-KEY-1")
    assert keys.ensure_age_key(age_key) == recipient
    assert [file.name for file in age_key.parent.iterdir()] == ["age.key"]


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o620])
def test_an_age_key_that_others_may_use_is_refused(age_key, loose):
    """Whoever reads it could read what was kept; the refusal says what to run and shows no key."""
    keys.ensure_age_key(age_key)
    age_key.chmod(loose)
    with pytest.raises(SettingsError, match="run `chmod 0600") as refused:
        keys.ensure_age_key(age_key)
    assert "AGE-SECRET" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "# nothing\n", "AGE-SECRET-KEY-1NONSENSE\n"])
def test_a_file_without_an_identity_is_refused_and_not_repeated(age_key, content):
    """A mistyped key may still be most of a key: no word of it is printed."""
    durable.make_private_dir(age_key.parent)
    durable.create(age_key, content.encode(), mode=0o600)
    with pytest.raises(SettingsError, match="holds no age identity") as refused:
        keys.ensure_age_key(age_key)
    assert "NONSENSE" not in repr(refused.value)


def test_a_key_that_was_added_behind_the_old_one_opens_what_is_older(age_key, tmp_path):
    """Rotation: the new identity goes to the top of the file, the old one stays below it."""
    keys.ensure_age_key(age_key)
    sealed = keys.encrypt(age_key, b"old")
    keys.ensure_age_key(tmp_path / "new" / "age.key")
    with pytest.raises(WrongKey, match="does not open it"):
        keys.decrypt(tmp_path / "new" / "age.key", sealed)
    both = (tmp_path / "new" / "age.key").read_bytes() + age_key.read_bytes()
    durable.replace(age_key, both, mode=0o600)
    assert keys.decrypt(age_key, sealed) == b"old"
    assert keys.ensure_age_key(age_key) == keys.ensure_age_key(tmp_path / "new" / "age.key")


# --- keeping -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", [MOTD, LINK], ids=["file", "link"])
def test_what_is_kept_comes_back_as_it_was(kept, copy):
    """Every byte, the mode, the owner; a link's target, also one that is no UTF-8."""
    id_ = kept.keep(copy, "somebody changed it", at=NOW)
    assert kept.item(id_) == copy
    assert kept.show(id_) == (copy.content if copy.target is None else os.fsencode(copy.target))


def test_nothing_of_the_content_rests_in_the_clear(kept, tmp_path):
    """Content may be a secret. What can be listed without the key are id, path, time and reason."""
    secret = b"turn_external_secret = 'hunter2'"
    id_ = kept.keep(Copy(path=MOTD.path, content=secret, mode=0o600, owner="root", group="root"), "why", at=NOW)
    for file in (tmp_path / "state").rglob("*"):
        if file.is_file():
            assert b"hunter2" not in file.read_bytes()
            assert mode(file) == 0o600
    assert mode(tmp_path / "state" / "kept") == 0o700
    (tmp_path / "etc" / "age.key").unlink()
    (item,) = kept.list()
    assert item.to_json() == {"id": id_, "object": "/etc/motd", "time": "2026-11-21T13:15:00Z", "why": "why"}


def test_ids_are_short_and_sort_by_time(kept):
    """Newest first in the list; an id can be typed."""
    first = kept.keep(MOTD, "why", at=NOW)
    second = kept.keep(LINK, "why", at=NOW + 1)
    assert [item.id for item in kept.list()] == [second, first]
    assert first.startswith("20261121T131500-")
    assert len(first) == 20
    assert sorted([second, first]) == [first, second]


def test_the_same_is_not_kept_twice_in_a_row(kept):
    """A fight over a file fills no disk; what differs in any respect, or lay there before, is kept."""
    other = Copy(path=MOTD.path, content=b"other", mode=0o640, owner="root", group="adm")
    opened = Copy(path=MOTD.path, content=MOTD.content, mode=0o666, owner="root", group="adm")
    first = kept.keep(MOTD, "why", at=NOW)
    assert kept.keep(MOTD, "again", at=NOW + 1) == first
    kept.keep(LINK, "elsewhere", at=NOW + 2)
    assert kept.keep(MOTD, "again", at=NOW + 3) == first
    assert len({first, kept.keep(other, "w", at=NOW + 4), kept.keep(MOTD, "w", at=NOW + 5)}) == 3
    kept.keep(opened, "w", at=NOW + 6)
    assert len(kept.list()) == 5


def test_an_unknown_id_is_told_with_the_nearest(kept, tmp_path):
    """A mistyped id, and one that would lead out of the directory."""
    with pytest.raises(UnknownKept, match="nothing is kept yet"):
        kept.show("20261121T131500-0000")
    id_ = kept.keep(MOTD, "why", at=NOW)
    with pytest.raises(UnknownKept, match=f"nearest is {id_}; `prosodist kept list`"):
        kept.show(id_[:-1])
    shutil.copy(tmp_path / "state" / "kept" / f"{id_}.age", tmp_path / "state" / "outside.age")
    with pytest.raises(UnknownKept, match="no such copy"):
        kept.show("../outside")


def test_copies_outlive_everything_around_them(kept, tmp_path):
    """Without database, digest key and metadata a copy is listed and opened; only the age key is needed."""
    id_ = kept.keep(MOTD, "why", at=NOW)
    (tmp_path / "state" / "digest.key").unlink()
    (tmp_path / "state" / "kept" / f"{id_}.json").unlink()
    (item,) = kept.list()
    assert (item.id, item.path, item.at, item.why) == (id_, MOTD.path, NOW, "why")
    assert kept.item(id_) == MOTD


def test_a_copy_opens_with_plain_age(kept, age_key, tmp_path):
    """Two lines, then the bytes: without this program too. Where age is missing, by the library alone."""
    id_ = kept.keep(MOTD, "why", at=NOW)
    file = tmp_path / "state" / "kept" / f"{id_}.age"
    if age := shutil.which("age"):
        plain = subprocess.run([age, "-d", "-i", age_key, file], check=True, capture_output=True).stdout
    else:
        import pyrage

        plain = pyrage.decrypt(file.read_bytes(), [pyrage.x25519.Identity.from_str(identities(age_key)[0])])
    assert plain.split(b"\n", 2)[2] == MOTD.content


def test_a_damaged_copy_or_another_key_is_told(kept, age_key, tmp_path):
    """Neither passes for an empty file."""
    id_ = kept.keep(MOTD, "why", at=NOW)
    file = tmp_path / "state" / "kept" / f"{id_}.age"
    age_key.unlink()
    keys.ensure_age_key(age_key)
    with pytest.raises(WrongKey):
        kept.show(id_)
    durable.replace(file, keys.encrypt(age_key, b"no header"), mode=0o600)
    with pytest.raises(KeptDamaged, match="cannot be read"):
        kept.show(id_)
    durable.replace(file, b"age-encryption.org/v1\ntorn", mode=0o600)
    with pytest.raises(AgentError):
        kept.show(id_)


def test_what_cannot_be_kept_is_not_to_be_changed(kept, tmp_path):
    """The kernel lets no file grow: the keeping fails in words, and leaves nothing."""
    kept.keep(MOTD, "why", at=NOW)
    large = Copy(path=MOTD.path, content=os.urandom(100_000), mode=0o640, owner="root", group="adm")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(ActionFailed, match=r"^/etc/motd: no copy .* so it is not changed"):
            kept.keep(large, "why", at=NOW + 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [item.at for item in kept.list()] == [NOW]
    assert len(list((tmp_path / "state" / "kept").iterdir())) == 2
    assert kept.item(kept.keep(large, "why", at=NOW + 2)) == large


def test_what_is_kept_is_synced_before_it_is_said(tmp_path, age_key):
    """As the system calls tell it: the copy and its directory are synced after the last byte is written."""
    code = (
        "import sys; from pathlib import Path, PurePosixPath\n"
        "from agent.kept import Kept; from agent.atomic import Copy\n"
        "copy = Copy(path=PurePosixPath('/x'), content=b'x', mode=0o600, owner='o', group='g')\n"
        "print(Kept(Path(sys.argv[1]), Path(sys.argv[2])).keep(copy, 'why', at=0.0))"
    )
    if (strace := shutil.which("strace")) is None:
        pytest.skip("strace is not installed")
    command = [
        strace,
        "-y",
        "-e",
        "trace=fsync,link,unlink,write",
        sys.executable,
        "-c",
        code,
        tmp_path,
        age_key,
    ]
    ran = subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)
    calls = [line for line in ran.stderr.splitlines() if str(tmp_path / "kept") in line]
    last = [call.split("(")[0] for call in calls][-5:]
    assert last == ["write", "fsync", "link", "unlink", "fsync"]


# --- how many ----------------------------------------------------------------------------------------------


def test_old_copies_go_beyond_the_newest_of_their_object(kept, tmp_path, monkeypatch):
    """Of each object the newest stay however old, and the recent however many; others' copies are let be."""
    monkeypatch.setattr("agent.kept.NEWEST", 3)
    kept.keep(LINK, "drift", at=NOW)
    for day in range(8):
        kept.keep(replace(MOTD, content=b"%d" % day), "drift", at=NOW + day * 86400)
    assert len(kept.list()) == 9, "all are recent"
    for day in (40, 41):
        kept.keep(replace(MOTD, content=b"%d" % day), "drift", at=NOW + day * 86400)
    left = [item for item in kept.list() if item.path == MOTD.path]
    assert [kept.show(item.id) for item in left] == [b"41", b"40", b"7"]
    assert [item.path for item in kept.list()][-1] == LINK.path
    assert len(list((tmp_path / "state/kept").iterdir())) == 2 * 4, "nothing of them is left behind"
