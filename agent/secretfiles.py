"""`prosodist secret`: keys made, and age files of a checkout encrypted, opened and edited.

In the clear a secret is in the memory of this process and in the hands of whoever asked, and nowhere else.
"""

# ruff: noqa: T201 (printing is what these verbs are for)

from __future__ import annotations

import getpass
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent import editing, keys
from schemas.errors import AgentError
from schemas.recipients import FILE, parse_recipients, seal
from schemas.sealed import LARGEST, NoIdentity, NotOpened, fault, is_armored, unseal

if TYPE_CHECKING:
    from schemas.recipients import Recipient


class NotEncrypted(AgentError):
    """Nothing was encrypted or written."""

    reason = "NotEncrypted"


def keygen(age_key: Path, *, as_json: bool) -> int:
    """Make the host's key unless it is there, and print for whom to encrypt."""
    made = not age_key.exists()
    recipient = keys.ensure_age_key(age_key, at=time.time())
    if as_json:
        print(json.dumps({"recipient": recipient, "file": str(age_key), "made": made}, indent=2))
        return 0
    print(recipient)
    _say(f"{age_key}: {'made' if made else 'was there already'}; what it opens cannot be had without it, so back it up")
    return 0


def encrypt(place: Path) -> int:
    """stdin, encrypted for everybody in the checkout around `place`, to stdout: armored, so fit for any terminal."""
    _leave_no_core()
    recipients = _recipients(place)
    if sys.stdin is not None and sys.stdin.isatty():
        data = getpass.getpass("the secret, which is not shown: ").encode()
    else:
        data = _stdin()
    _print(_sealed("stdin", data, recipients, armored=True))
    return 0


def decrypt(file: Path | None, key: Path) -> int:
    """An age file, or stdin, opened with this key, to stdout."""
    _leave_no_core()
    sealed = _stdin() if file is None else _content(file)
    _print(_opened(str(file or "stdin"), sealed, key))
    return 0


def edit(file: Path, key: Path) -> int:
    """An age file opened in the person's editor, and encrypted again for everybody when it was changed.

    A file that is not there yet begins empty. What is not changed is not touched.
    """
    _leave_no_core()
    file = file.resolve()
    recipients = _recipients(file.parent)  # first of all: a mistake in there must not cost what was typed
    former = _content(file) if file.exists() else None
    text = b"" if former is None else _opened(str(file), former, key)
    fresh = editing.edited(str(file), text)
    if fresh == text:
        _say(f"{file}: not changed (an editor that returns at once needs its option to wait)")
        return 0
    sealed = _sealed(str(file), fresh, recipients, armored=former is None or is_armored(former))
    editing.put_back(file, sealed)
    _say(f"{file}: encrypted for all {len(recipients)} in {FILE}")
    return 0


def _stdin() -> bytes:
    """What is piped in: no more of it than can be used. Nothing where stdin is closed."""
    return b"" if sys.stdin is None else sys.stdin.buffer.read(LARGEST + 1)


def _content(file: Path) -> bytes:
    """What a file holds, as far as it can be used. A pipe that nobody writes to is empty, and not waited for."""
    with open(file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)) as content:
        os.set_blocking(content.fileno(), True)
        return content.read(LARGEST + 1)


def _recipients(place: Path) -> tuple[Recipient, ...]:
    """Everybody for whom the checkout around `place` encrypts. Raises SpecError, NotEncrypted."""
    place = place.resolve()
    root = next((above for above in (place, *place.parents) if (above / ".git").exists()), place)
    file = root / FILE
    try:
        return parse_recipients(str(file), _content(file))
    except FileNotFoundError:
        raise NotEncrypted(
            f"{file}: there is no such file, and so nobody to encrypt for; write one recipient a line into it, "
            "as `prosodist secret keygen` prints it on each host"
        ) from None


def _sealed(name: str, data: bytes, recipients: tuple[Recipient, ...], *, armored: bool) -> bytes:
    if not data.strip(b"\n"):
        raise NotEncrypted(f"{name}: there is nothing in it, and an empty secret is none; nothing was encrypted")
    sealed = seal(data, recipients, armored=armored)
    if what := fault(sealed):
        raise NotEncrypted(f"{name}: {what}; nothing was encrypted")
    return sealed


def _opened(name: str, sealed: bytes, key: Path) -> bytes:
    if not key.exists():
        raise keys.WrongKey(
            f"{key}: there is no key here; name one with --identity, or make this host's with `prosodist secret keygen`"
        )
    try:
        return unseal(keys.read_age_key(key), sealed)
    except NotOpened as error:
        raise keys.WrongKey(f"{name}: {error}") from None
    except NoIdentity as error:
        raise keys.WrongKey(f"{key}: {error}") from None


def _leave_no_core() -> None:
    """A core file of this process, or of the editor that it starts, would hold the secret."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def _print(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _say(text: str) -> None:
    print(f"prosodist: {text}", file=sys.stderr)
