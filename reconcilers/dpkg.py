"""What dpkg remembers, read where it writes it: installed versions, and which conffiles are still the package's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

STATUS = PurePosixPath("/var/lib/dpkg/status")


def installed(status: bytes) -> Mapping[str, str]:
    """Package → version of everything that is wholly installed (dpkg(1), "Package states")."""
    found = {}
    for paragraph in status.split(b"\n\n"):
        if b"\nStatus: install ok installed\n" in paragraph or b"\nStatus: hold ok installed\n" in paragraph:
            name = re.match(rb"Package: (\S+)", paragraph.lstrip())
            version = re.search(rb"^Version: (\S+)", paragraph, re.MULTILINE)
            if name and version:
                found[name[1].decode()] = version[1].decode()
    return found


def is_untouched(status: bytes, path: PurePosixPath, content: bytes) -> bool:
    """Whether a conffile is as its package brought it."""
    line = re.search(rf"^ {re.escape(str(path))} ([0-9a-f]{{32}})".encode(), status, re.MULTILINE)
    return line is not None and line[1].decode() == hashlib.md5(content, usedforsecurity=False).hexdigest()
