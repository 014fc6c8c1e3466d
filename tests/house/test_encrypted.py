"""Secrets that git holds encrypted: opened on the host that they are meant for, told at their place where not."""

from __future__ import annotations

import subprocess

import pyrage
from places import CHECKOUT, DOCUMENT, HOST, Place

from schemas import sealed

TOLD = "twelve-secret-words-4711"


def recipient(place: Place) -> pyrage.x25519.Recipient:
    """This host's: the agent made its key when it first ran."""
    return pyrage.x25519.Recipient.from_str(sealed.recipient((place.root / "etc/age.key").read_bytes()))


def seal(secret: str, *recipients: pyrage.x25519.Recipient | pyrage.ssh.Recipient, armored: bool = False) -> bytes:
    return bytes(pyrage.encrypt(secret.encode(), recipients, armored=armored))


def everywhere(text: str) -> str:
    """A document with secrets of all three kinds in every place that takes one, the encrypted one also as a text."""
    indented = text.replace("\n", "\n    ")
    return (
        DOCUMENT.replace(
            "prosody:\n",
            "prosody:\n  admins: [{age: secrets/admin.age}, root@example.test]\n"
            "  external_service_secret: {age: secrets/turn.age}\n"
            f"  turn_external_secret:\n   age: |\n    {indented}\n",
        )
        + "  <home>/own: {content: {age: secrets/turn.age}}\n"
        + "  <home>/made: {template: templates/made.j2, vars: {them: [{age: secrets/turn.age}, {generated: g}]}}\n"
    )


def test_a_secret_is_opened_wherever_one_may_stand(living: Place) -> None:
    """Binary and armored, in a file and as a text, in options, lists, contents, templates; one newline is no part."""
    to = recipient(living)
    files: dict[str, str | bytes | None] = {
        "secrets/admin.age": seal("ana@example.test\n", to),
        "secrets/turn.age": seal(TOLD + "\n", to, armored=True),
        "templates/made.j2": "{{ them[0] }} {{ them[1] }}\n",
    }
    living.push(files, document=everywhere(seal("as it stands", to, armored=True).decode()))
    outcome = living.reconcile()
    assert outcome["failures"] == [] and outcome["mistakes"] == [] and not outcome["waits"]
    config = living.prosody_config.read_text()
    assert f'external_service_secret = "{TOLD}"' in config
    assert 'admins = { "ana@example.test", "root@example.test" }' in config
    assert 'turn_external_secret = "as it stands"' in config
    assert (living.home / "own").read_text() == TOLD
    assert (living.home / "own").stat().st_mode & 0o777 == 0o640
    drawn = (living.home / "prosody/secrets/g").read_text().strip()
    assert (living.home / "made").read_text() == f"{TOLD} {drawn}\n"
    assert living.reconcile()["result"] == "in_sync"

    # the same document with other bytes below secrets/ is another input
    living.push({"secrets/turn.age": seal("a new one", to)})
    assert living.reconcile()["result"] == "changed"
    assert 'external_service_secret = "a new one"' in living.prosody_config.read_text()
    assert (living.home / "own").read_text() == "a new one"


def test_a_secret_for_another_host_is_a_mistake(living: Place) -> None:
    """Told at each place, before anything of the commit is written, with the recipient to add; what was right stays."""
    ours, other = recipient(living), pyrage.x25519.Identity.generate().to_public()
    living.push()
    assert living.reconcile()["failures"] == []
    before = living.bytes()
    more = "  <home>/own: {content: {age: secrets/own.age}}\n  <home>/empty: {content: {age: secrets/empty.age}}\n"
    options = "prosody:\n  turn_external_secret: {age: secrets/own.age}\n"
    living.push(
        {"secrets/own.age": seal(TOLD, other), "secrets/empty.age": seal("\n", ours)},
        document=DOCUMENT.replace("prosody:\n", options) + more,
    )
    outcome = living.reconcile()
    assert outcome["result"] == "invalid"
    told = [(mistake["line"], mistake["subject"], mistake["text"]) for mistake in outcome["mistakes"]]
    what = f"secrets/own.age is not encrypted to this key; add {ours} to secrets/.recipients and encrypt it again"
    assert told == [
        (3, "prosody.turn_external_secret", what),
        (13, "files.<home>/own.content".replace("<home>", str(living.home)), what),
        (14, f"files.{living.home}/empty.content", "secrets/empty.age holds nothing; encrypt the secret again"),
    ]
    assert living.bytes() == before

    # encrypted again to both, by bytes alone, it is taken
    living.push({"secrets/own.age": seal(TOLD, other, ours), "secrets/empty.age": seal("e", ours)})
    assert living.reconcile()["result"] == "changed"
    assert (living.home / "own").read_text() == TOLD
    # and what was taken once is judged again when its bytes are others
    living.push({"secrets/own.age": "plain\n"})
    assert "secrets/own.age is no age file" in str(living.reconcile()["mistakes"])
    assert (living.home / "own").read_text() == TOLD


def test_a_key_that_goes_away_takes_nothing_with_it(living: Place) -> None:
    """What needs it waits and says for what; all else goes on, and the key's return ends the wait."""
    to = recipient(living)
    more = "  <home>/own: {content: {age: secrets/own.age}}\n"
    living.push({"secrets/own.age": seal(TOLD, to)}, document=DOCUMENT + more)
    key = living.root / "etc/age.key"
    with living.engine() as engine:
        assert engine.answer("reconcile", {}, print)["failures"] == []
        identity = key.read_bytes()
        key.unlink()
        (living.home / "motd").unlink()
        waiting = engine.answer("reconcile", {}, print)
        assert f"{key}, which opens secrets/own.age, is not there" in str(waiting["waits"])
        assert (living.home / "motd").read_text() == "Kept by prosodist\n"
        assert (living.home / "own").read_text() == TOLD
        key.write_bytes(identity)
        assert engine.answer("reconcile", {}, print)["waits"] == []


def test_a_lost_key_ends_no_enforcement(living: Place) -> None:
    """A new key opens nothing of what was accepted: that waits, the rest is enforced, and Prosody goes on."""
    more = "  <home>/own: {content: {age: secrets/own.age}}\n"
    options = "prosody:\n  turn_external_secret: {age: secrets/own.age}\n"
    document = DOCUMENT.replace("prosody:\n", options) + more
    accepted = living.push({"secrets/own.age": seal(TOLD, recipient(living))}, document=document)
    assert living.reconcile()["failures"] == []
    prosody = living.prosody()
    (living.root / "etc/age.key").unlink()
    (living.home / "motd").unlink()
    outcome = living.reconcile()
    assert (outcome["revision"], outcome["mistakes"], outcome["failures"]) == (accepted, [], [])
    assert "secrets/own.age is not encrypted to this key" in str(outcome["waits"])
    assert (living.home / "motd").exists()
    assert (living.home / "own").read_text() == TOLD
    assert living.prosody() == prosody
    assert TOLD in living.prosody_config.read_text()

    living.push(
        {"secrets/other.age": seal(TOLD, recipient(living))}, document=document + "  <home>/new: {content: x}\n"
    )
    assert living.reconcile()["result"] == "invalid"
    living.push({"secrets/own.age": seal("another", recipient(living))})
    assert living.reconcile()["result"] == "changed"
    assert (living.home / "own").read_text() == "another"


def test_a_laptop_without_the_key_checks_what_it_can(living: Place) -> None:
    """`validate` takes what is encrypted to others, and tells a file that is missing or no age file."""
    checkout = living.repository.work
    document = DOCUMENT + "  <home>/own: {content: {age: secrets/own.age}}\n"
    other = pyrage.x25519.Identity.generate().to_public()
    living.push({"secrets/own.age": seal(TOLD, other)}, document=document)
    assert b"is not encrypted to this key" in living.command("validate", str(checkout), code=1).stdout, "it has one"
    argv = [*living.program, "validate", str(checkout)]
    laptop = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, timeout=60)
    assert (laptop.returncode, laptop.stdout) == (0, b"")
    (checkout / "secrets/own.age").rename(checkout / "secrets/owm.age")
    said = living.command("validate", str(checkout), code=1).stdout.decode()
    assert said.startswith(f"hosts/{HOST}.yaml:12:31: files.<home>/own.content.age: there is no file secrets/own.age")
    assert "write secrets/owm.age" in said


def test_a_commit_is_judged_again_when_everything_is_looked_at(living: Place) -> None:
    """It was refused for what is wrong on the host, and that was put right: no push and no word is needed."""
    living.push()
    assert living.reconcile()["failures"] == []
    key, ours = living.root / "etc/age.key", (living.root / "etc/age.key").read_bytes()
    sealed_to_us = seal(TOLD, recipient(living))
    key.write_text(str(pyrage.x25519.Identity.generate()))
    tip = living.push(
        {"secrets/own.age": sealed_to_us}, document=DOCUMENT + "  <home>/own: {content: {age: secrets/own.age}}\n"
    )
    with living.engine() as engine:
        assert engine.passes.run().result.value == "invalid"
        key.write_bytes(ours)
        assert engine.passes.run().result.value == "invalid", "polls read nothing again"
        assert (outcome := engine.passes.run(full=True)).revision == tip, outcome
    assert (living.home / "own").read_text() == TOLD
