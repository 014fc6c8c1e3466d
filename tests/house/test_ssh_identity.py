"""A host whose SSH key is also its age identity."""

from __future__ import annotations

import subprocess

import pyrage
from places import DOCUMENT, Place


def test_an_ssh_key_opens_secrets_and_kept_copies(place: Place) -> None:
    """`age_key` names an ed25519 key as sshd has one: nothing else need be made or spread."""
    key = place.root / "etc/ssh_host_ed25519_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30)
    place.settings.write_text(place.settings.read_text().replace("age.key", key.name))
    to = pyrage.ssh.Recipient.from_str(key.with_suffix(".pub").read_text().strip())
    document = DOCUMENT + "  <home>/own: {content: {age: secrets/own.age}}\n"
    place.push({"secrets/own.age": pyrage.encrypt(b"opened by ssh", [to])}, document=document)
    assert place.reconcile()["failures"] == []
    assert (place.home / "own").read_text() == "opened by ssh"
    (place.home / "own").write_text("by hand")
    assert place.reconcile()["failures"] == []
    (copy,) = (place.state / "kept").glob("*.age")
    assert pyrage.decrypt(copy.read_bytes(), [pyrage.ssh.Identity.from_buffer(key.read_bytes())]).endswith(b"by hand")
    assert not (place.root / "etc/age.key").exists()
