"""A host says of each encrypted secret whether the key that it has now opens it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyrage import encrypt
from pyrage.x25519 import Identity

from agent.opening import Opener
from schemas.desired import HostSpec
from schemas.load import Blob, Facts, load

OURS = Identity.generate()


@pytest.fixture
def spec() -> HostSpec:
    """One secret, encrypted to OURS."""
    tree = {
        "hosts/a.test.yaml": Blob(data=b"profile: local\nfiles:\n  /a: {content: {age: secrets/a.age}}\n"),
        "secrets/a.age": Blob(data=encrypt(b"one", [OURS.to_public()])),
    }
    return load(tree, "a.test", Facts())


def test_what_was_opened_is_tried_again_with_another_key(spec: HostSpec, tmp_path: Path) -> None:
    """Also what was let pass because there was no key at all."""
    key = tmp_path / "age.key"
    opener = Opener(key)
    assert not list(opener.mistakes(spec)), "where there is no key nothing is said"
    key.write_text(str(Identity.generate()))
    (mistake,) = opener.mistakes(spec)
    assert "secrets/a.age is not encrypted to this key" in mistake.text
    key.write_text(str(OURS))
    assert not list(opener.mistakes(spec))
    key.write_text(str(Identity.generate()))
    assert len(list(opener.mistakes(spec))) == 1
