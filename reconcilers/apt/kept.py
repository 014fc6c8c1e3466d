"""Packages that the agent keeps as files: what it has replaced can be had again, whatever the sources offer."""

from __future__ import annotations

from pathlib import PurePosixPath

from reconcilers.apt.choose import Candidate
from reconcilers.contract import Reader

PLACE = PurePosixPath("/var/cache/prosodist/packages")
SUITE = "kept"
"""What is said of such a version in the place of a suite."""
_PRIORITY = 1
"""Of a version that every source's is better than (apt_preferences(5))."""


def kept(reader: Reader, name: str) -> tuple[Candidate, ...]:
    """The versions of this package that are there as files, named as apt names them."""
    files = (file for file in reader.listdir(PLACE) or () if file.startswith(f"{name}_") and file.endswith(".deb"))
    versions = (file.split("_")[1].replace("%3a", ":") for file in files)
    return tuple(Candidate(version=version, priority=_PRIORITY, suites=(SUITE,)) for version in versions)
