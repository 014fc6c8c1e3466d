"""`python -m agent`, and what the console script `prosodist` calls."""

from __future__ import annotations

import contextlib
import os
import sys

from agent import cli

TYPE_CHECKING = False  # see agent/ask.py
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Do what the command line says, and end with its exit code.

    By then every file, socket and database is closed. The interpreter would only take apart what it has imported,
    object by object, which is a tenth of a `plan` that no agent answers; the kernel takes it as a whole.
    """
    code = cli.main()
    with contextlib.suppress(OSError, ValueError):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)
    sys.exit(code)  # the interpreter tells of what could not be written


if __name__ == "__main__":
    main()
