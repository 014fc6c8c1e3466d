"""A part of somebody else's file is written: the file is exchanged as a whole, and nobody's edit of it is lost."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from agent import atomic
from agent.atomic import Copy, Dress, Keeper
from agent.checks import Inspect
from agent.fence import Place
from reconcilers import blocktext
from schemas.actions import Signature, WriteBlock
from schemas.errors import ActionFailed, Stale
from schemas.secret import Secret

_TIMES = 3
"""How often an edit that came between is taken over before it is left to the next round."""
WITHOUT_SET_ID = 0o1777
"""The bits of a mode that stay with a file into which we write: what it holds by then may run as nobody else. The
agent's unit may set no others."""

Change = Callable[[bytes | None], bytes | None]
"""The text of the file → what it is to be; None: there is no file. Raises ActionFailed."""


def splice(
    place: Place, change: Change, dress: Dress, was: Signature | None, keep: Keeper, inspect: Inspect | None
) -> None:
    """Change the text of a file. Where `dress` says -1, it stays as it is; a file that is made gets 0644.

    Who writes it between our look and the exchange finds the change made to what they wrote; that is kept besides.
    Raises Stale when what is there is not `was`, ActionFailed for what is no file or too large, OSError.
    """
    text = _text(place)
    for _ in range(_TIMES):
        edits: list[Copy] = []

        def noting(copy: Copy, why: str, edits: list[Copy] = edits) -> None:
            keep(copy, why)
            edits.append(copy)

        wanted = change(text)
        if wanted is None:
            if was is not None:
                atomic.remove(place, was, noting)
        else:
            atomic.write(place, wanted, _dress(place, dress), was, noting, inspect)
        if not edits:
            return
        found = place.lstat()
        was = None if found is None else atomic.signature(found)
        if edits[-1].target is not None:  # somebody put a link there, which is nothing to write into
            atomic.link(place, edits[-1].target, was, keep)
            break
        text = edits[-1].content
    raise Stale(f"{place.path}: somebody else writes it at this moment; it is looked at again")


def with_block(action: WriteBlock, text: bytes | None) -> bytes | None:
    """The text of the file with its block as the action wants it; None: no file. Raises ActionFailed."""
    try:
        if action.content is None:
            return None if text is None else blocktext.cut(text)
        body = action.content.reveal() if isinstance(action.content, Secret) else action.content
        return blocktext.put(text, blocktext.Block(comment=action.comment, name=action.name, body=body))
    except blocktext.Tangled as error:
        raise ActionFailed(f"{action.path}: {error}") from error


def _text(place: Place) -> bytes | None:
    found = place.lstat()
    if found is None:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise ActionFailed(f"{place.path}: this is no file, so it can hold no block; move it away")
    text = atomic.read(place)
    if text is None:
        raise ActionFailed(f"{place.path}: over {atomic.LARGEST >> 20} MiB are not read; make the file smaller")
    return text


def _dress(place: Place, said: Dress) -> Dress:
    """What is not said is as the file has it; only root can leave it to whom it belongs."""
    found = place.lstat()
    if found is None:
        return Dress(mode=0o644 if said.mode == -1 else said.mode, uid=said.uid, gid=said.gid)
    is_root = os.geteuid() == 0
    return Dress(
        mode=found.st_mode & WITHOUT_SET_ID if said.mode == -1 else said.mode,
        uid=found.st_uid if said.uid == -1 and is_root else said.uid,
        gid=found.st_gid if said.gid == -1 and is_root else said.gid,
    )
