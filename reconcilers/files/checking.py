"""`check`: a program that must find a file good before it takes its place, and what it said of one that is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from reconcilers.contract import Reader, Site
from reconcilers.files.seen import Seen
from reconcilers.files.wanted import Wanted, revealed
from schemas.actions import CHECKS, Check
from schemas.plan import Change, PathChanges, Verdict, Wait

AGAIN_AFTER = 3600.0
"""Seconds until what was refused is tried again: what the program looks at besides may have changed."""


class Checking(Struct, frozen=True, kw_only=True):
    """The check of one path, and why it keeps that path from being written; empty when it does not."""

    check: Check
    program: PurePosixPath
    hindrance: str


def look(reader: Reader, path: PurePosixPath, wanted: Wanted, seen: Seen | None, site: Site) -> Checking | None:
    """Whether this program may be run, is there, and has not found these very bytes wrong before."""
    if not wanted.check:
        return None
    program = PurePosixPath(wanted.check[0])
    info = reader.stat(program)
    around = seen.content if seen is not None and wanted.kind == "block" else None
    what = (wanted.check, info and info.signature, wanted.mode, wanted.owner, wanted.group, around)
    wish = site.digest(repr(what).encode() + revealed(wanted.content))
    check = Check(argv=wanted.check, wish=wish)
    if not site.allows("run", str(program)):
        hindrance = f"its check is not open to a push on this host; write allow: {{run: [{program}]}} in agent.yaml"
    elif info is None:
        hindrance = f"its check is not there: {program}; install what brings it"
    else:
        hindrance = _refusal(reader, path, wish)
    return Checking(check=check, program=program, hindrance=hindrance)


def heeded(verdict: Verdict, path: PurePosixPath, checking: Checking | None) -> Verdict:
    """The verdict, or that it waits: nothing is written that the check has not seen, or has found wrong."""
    if checking is None or not checking.hindrance or not isinstance(verdict, Change):
        return verdict
    why = f"{path}: {checking.hindrance}"
    return Wait(id=verdict.id, why=why, until=PathChanges(checking.program), origin=verdict.origin)


def _refusal(reader: Reader, path: PurePosixPath, wish: str) -> str:
    record = reader.recall(CHECKS)
    said: Mapping[str, Any] | None = record.value.get(str(path)) if record is not None else None
    if said is None or said["wish"] != wish or reader.due(said["at"] + AGAIN_AFTER):
        return ""
    return str(said["words"])
