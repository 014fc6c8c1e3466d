"""What to say of a block in somebody else's file: wanted, last applied and live are the block's alone."""

from __future__ import annotations

from pathlib import PurePosixPath

from reconcilers import blocktext
from reconcilers.blocktext import Block, Tangled
from reconcilers.contract import Site
from reconcilers.files.seen import Dress, Seen
from reconcilers.files.wanted import BLOCK, Wanted, revealed
from reconcilers.files.whole import astray
from reconcilers.linediff import diff_lines
from schemas.actions import Check, WriteBlock
from schemas.plan import Change, Holds, Kind, PathChanges, Policy, Verdict, Wait
from schemas.secret import Secret


def verdict(
    path: PurePosixPath, wanted: Wanted, seen: Seen | None, site: Site, *, place: Dress, check: Check | None
) -> Verdict:
    """A file that is none, or in which nobody can tell our block, waits for a person."""
    id_ = f"{BLOCK}:{path}"
    if why := _hindrance(wanted, seen):
        return Wait(id=id_, why=f"{path}: {why}", until=PathChanges(path), origin=wanted.origin)
    wish, now = _wish(wanted, site), live(seen, wanted, site)
    reasons = _reasons(wanted, seen)
    if not reasons and now is not None:
        return Holds(id=id_, wanted=wish, live=now)
    return Change(
        id=id_,
        kind=Kind.CREATED if now is None else Kind.CHANGED,
        why="; ".join(reasons),
        actions=(_write(path, wanted, seen, place, check),),
        wanted=wish,
        live=now,
        origin=wanted.origin,
        policy=wanted.policy,
        touches=wanted.touches,
        diff=_diff(path, wanted, seen),
    )


def gone(path: PurePosixPath, seen: Seen | None, policy: Policy, site: Site) -> Change | Wait:
    """Ours, and no longer in git: the block goes, and the file only when it came with it and holds nothing else."""
    id_ = f"{BLOCK}:{path}"
    try:
        text = _text(seen)
        span = blocktext.find(text) if text is not None else None
    except Tangled as error:
        return Wait(id=id_, why=f"{path}: {error}", until=PathChanges(path))
    if seen is None or span is None or text is None:
        why = "gone from git, and from the host"
        return Change(id=id_, kind=Kind.RELEASED, why=why, actions=(), wanted=None, live=None, policy=policy)
    return Change(
        id=id_,
        kind=Kind.REMOVED,
        why="gone from git",
        actions=(WriteBlock(path=path, was=seen.info.signature),),
        wanted=None,
        live=site.digest(text[span.start : span.end]),
        policy=policy,
    )


def live(seen: Seen | None, wanted: Wanted, site: Site) -> str | None:
    """The digest of our block as it stands, with what git says of its file; None where there is no block."""
    text = _text(seen)
    span = blocktext.find(text) if text is not None else None
    if seen is None or text is None or span is None:
        return None
    info = seen.info
    said = f"{info.mode:o}" if wanted.has_mode else "", wanted.owner and info.owner, wanted.group and info.group
    return site.digest(repr(said).encode() + text[span.start : span.end])


def _wish(wanted: Wanted, site: Site) -> str:
    said = f"{wanted.mode:o}" if wanted.has_mode else "", wanted.owner, wanted.group
    return site.digest(repr(said).encode() + blocktext.put(None, _block(wanted)))


def _block(wanted: Wanted) -> Block:
    return Block(comment=wanted.comment, name=wanted.name, body=revealed(wanted.content))


def _text(seen: Seen | None) -> bytes | None:
    return seen.content if seen is not None else None


def _hindrance(wanted: Wanted, seen: Seen | None) -> str:
    """Why nothing may be written, as a clause; empty when it may."""
    if seen is None:
        return ""
    if seen.content is None:
        return f"is a {seen.info.kind}, and a block stands in a file; name the file itself, or move this away"
    try:
        blocktext.find(seen.content)
    except Tangled as error:
        return str(error)
    if isinstance(wanted.content, Secret) and not wanted.has_mode and seen.info.mode & 0o004:
        return "everybody may read it, and the block holds a secret; say its mode in git, or chmod o-r it"
    return ""


def _reasons(wanted: Wanted, seen: Seen | None) -> list[str]:
    if seen is None or seen.content is None:
        return ["is not there"]
    if blocktext.find(seen.content) is None:
        return ["has no block yet", *astray(wanted, seen)]
    differs = blocktext.put(seen.content, _block(wanted)) != seen.content
    return [*(["the block differs"] if differs else []), *astray(wanted, seen)]


def _write(path: PurePosixPath, wanted: Wanted, seen: Seen | None, place: Dress, check: Check | None) -> WriteBlock:
    is_new = seen is None
    return WriteBlock(
        path=path,
        content=wanted.content,
        comment=wanted.comment,
        name=wanted.name,
        mode=wanted.mode if wanted.has_mode or is_new else None,
        owner=wanted.owner or (place.owner if is_new else None),
        group=wanted.group or (place.group if is_new else None),
        was=None if seen is None else seen.info.signature,
        check=check,
    )


def _diff(path: PurePosixPath, wanted: Wanted, seen: Seen | None) -> tuple[str, ...]:
    """Of the block alone: the rest is not ours to print."""
    if seen is None or seen.content is None:
        return ()
    if isinstance(wanted.content, Secret) or not seen.info.mode & 0o004:
        return ("(content not shown: not everybody may read it)",)
    span = blocktext.find(seen.content)
    text = seen.content[span.start : span.end] if span else b""
    wish = blocktext.put(text or b"", _block(wanted))
    return diff_lines(path, text, wish) if text != wish else ()
