"""Versions: words, beginnings and ranges against what is there."""

from __future__ import annotations

import pytest

from schemas.errors import SpecError
from schemas.load import Blob, Facts, load
from schemas.versions import is_wanted


@pytest.mark.parametrize(
    ("version", "wanted", "is_so"),
    [
        ("13.0.1", "present", True),
        ("13.0.1", "latest", False),
        ("13.0.1-1", "13.0", True),
        ("13.0.1", "13.0.1", True),
        ("13.01", "13.0", False),
        ("0.12.3", "0.1", False),
        ("0.12.3", "0.12", True),
        ("1.5.1-1", "1.5.1-1", True),
        ("1.5.1-11", "1.5.1-1", False),
        ("3.0.15", ">=3.0, <4", True),
        ("4.0", ">=3.0, <4", False),
        ("3.0", ">=3.0.1", False),
        ("13.0.1", "<=13.0", True),
        ("13.0.1", ">13.0", False),
        ("5.4.6", "=5.4", True),
        ("5.4.6", "!=5.4", False),
        ("1:2.3-1", "2.3", True),
        ("1:2.3-1", "1:2.3", True),
        ("2:2.3-1", "1:2.3", False),
        ("1:2.3-1", ">=2, <3", True),
    ],
)
def test_a_version_is_wanted_or_not(version: str, wanted: str, is_so: bool) -> None:
    """A beginning ends between two numbers, and a bound looks as far as it is written."""
    assert is_wanted(version, wanted) is is_so


def read(version: str) -> None:
    text = f'profile: local\nprosody: {{version: "{version}", virtual_hosts: [a.test]}}\n'
    load({"hosts/a.yaml": Blob(text.encode())}, "a", Facts(profile="local", prosody="0.12.3"))


def test_what_is_installed_must_be_what_is_wanted() -> None:
    """Under `local` nobody installs another."""
    for version in ("0.12", "present", ">=0.12, <13"):
        read(version)
    with pytest.raises(SpecError) as refused:
        read("13.0")
    assert str(refused.value) == (
        'hosts/a.yaml:2:20: prosody.version: expected 0.12.3, which is installed here, found "13.0"; '
        "install it, or write present"
    )
