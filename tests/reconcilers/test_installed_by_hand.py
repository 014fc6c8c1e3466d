"""Packages and files of a Debian server that never were in git, by what dpkg and apt have written."""

from __future__ import annotations

from reconcilers.unmanaged import _AUTOMATIC, _INSTALLED

STATUS = b"""\
Package: lua-zlib
Status: install ok installed
Version: 1.2

Package: lua-event
Status: hold ok installed

Package: lua-gone
Status: deinstall ok config-files

Package: prosody-modules
Status: install ok installed

Package: lua5.4
Status: install ok installed

Package: nginx
Status: install ok installed
"""
MARKS = b"""\
Package: lua-zlib
Architecture: amd64
Auto-Installed: 1

Package: lua-event
Architecture: amd64
Auto-Installed: 0

Package: nginx
Auto-Installed: 1
"""


def test_only_what_is_installed_and_of_prosodys_kind_counts() -> None:
    """`prosody*` and `lua-*`: no interpreter, nothing that was removed."""
    assert _INSTALLED.findall(STATUS) == [b"lua-zlib", b"lua-event", b"prosody-modules"]


def test_what_apt_marks_as_automatic_was_not_installed_by_hand() -> None:
    """A mark of 0 says that it was; one mark never reaches into the next paragraph."""
    assert _AUTOMATIC.findall(MARKS) == [b"lua-zlib", b"nginx"]
