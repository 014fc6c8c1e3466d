"""What to say of a path that is git's as a whole."""

from __future__ import annotations

from pathlib import PurePosixPath

from reconcilers.contract import Site
from reconcilers.files.seen import Dress, Seen, digest, live
from reconcilers.files.wanted import ABSENT, Wanted, revealed
from reconcilers.linediff import diff_lines
from schemas.actions import Action, Check, Link, MakeDir, RemoveFile, WriteFile
from schemas.plan import Change, Holds, Kind
from schemas.secret import Secret


def verdict(
    path: PurePosixPath, wanted: Wanted, seen: Seen | None, site: Site, *, place: Dress, check: Check | None
) -> Holds | Change:
    """`place` is whose a new thing is where git does not say."""
    wish, now = _wish(wanted, site), live(seen, site)
    why = difference(wanted, seen)
    if not why:
        return Holds(id=f"file:{path}", wanted=wish, live=now or ABSENT)
    return Change(
        id=f"file:{path}",
        kind=Kind.REMOVED if wanted.kind == ABSENT else Kind.CREATED if seen is None else Kind.CHANGED,
        why=why,
        actions=_actions(path, wanted, seen, site, place=place, check=check),
        wanted=wish,
        live=now if seen is not None else (ABSENT if wanted.kind == ABSENT else None),
        origin=wanted.origin,
        policy=wanted.policy,
        touches=wanted.touches,
        diff=_diff(path, wanted, seen),
    )


def _wish(wanted: Wanted, site: Site) -> str:
    if wanted.kind == ABSENT:
        return ABSENT
    body = wanted.target.encode() if wanted.kind == "link" else revealed(wanted.content)
    return digest(site, wanted.kind, wanted.mode, wanted.owner or "", wanted.group or "", body)


def is_absent(wanted: Wanted) -> bool:
    """Whether git wants nothing to be there."""
    return wanted.kind == ABSENT


def difference(wanted: Wanted, seen: Seen | None) -> str:
    """Why it is not as wanted, as a clause; empty when it is."""
    if seen is None:
        return "" if wanted.kind == ABSENT else "is not there"
    if wanted.kind == ABSENT:
        return "is there, git says absent"
    info = seen.info
    if info.kind != wanted.kind:
        return f"is a {info.kind}, a {wanted.kind} is wanted"
    if wanted.kind == "link":
        return "" if info.target == wanted.target else f"links to {info.target}, {wanted.target} is wanted"
    reasons = ["content differs"] if wanted.kind == "file" and seen.content != revealed(wanted.content) else []
    return "; ".join([*reasons, *astray(wanted, seen)])


def astray(wanted: Wanted, seen: Seen) -> list[str]:
    """In what of mode and owner it is not as git says, as clauses."""
    info, reasons = seen.info, []
    if wanted.has_mode and info.mode != wanted.mode:
        reasons.append(f"mode {info.mode:04o}, {wanted.mode:04o} is wanted")
    for what, has, wish in (("owner", info.owner, wanted.owner), ("group", info.group, wanted.group)):
        if wish is not None and has != wish:
            reasons.append(f"{what} {has}, {wish} is wanted")
    return reasons


def _actions(
    path: PurePosixPath, wanted: Wanted, seen: Seen | None, site: Site, *, place: Dress, check: Check | None
) -> tuple[Action, ...]:
    was = seen.info.signature if seen else None
    clear: tuple[Action, ...] = ()
    if seen is not None and seen.info.kind != wanted.kind and "directory" in (seen.info.kind, wanted.kind):
        # an empty directory gives way; one with something in it is a person's, and the hands say so
        clear, was = (RemoveFile(path=path, was=seen.info.signature),), None
    if seen is not None and site.user:  # only root can leave a thing to whom it belongs
        place = Dress(owner=seen.info.owner, group=seen.info.group)
    owner, group = wanted.owner or place.owner, wanted.group or place.group
    match wanted.kind:
        case "directory":
            stays = seen is not None and seen.info.kind == "directory"
            owner, group = (wanted.owner, wanted.group) if stays else (owner, group)
            return (*clear, MakeDir(path=path, mode=wanted.mode, owner=owner, group=group))
        case "link":
            return (*clear, Link(path=path, target=wanted.target, was=was))
        case "absent":
            assert seen is not None
            return (RemoveFile(path=path, was=seen.info.signature),)
        case _:
            write = WriteFile(
                path=path,
                content=wanted.content,
                mode=wanted.mode,
                owner=owner,
                group=group,
                was=was,
                check=check,
            )
            return (*clear, write)


def _diff(path: PurePosixPath, wanted: Wanted, seen: Seen | None) -> tuple[str, ...]:
    """What would change, safe to print: no line of a secret, nor of a file that others may not read."""
    if seen is None or seen.content in (None, revealed(wanted.content)) or wanted.kind != "file":
        return ()
    if isinstance(wanted.content, Secret) or not (seen.info.mode & wanted.mode & 0o004):
        return ("(content not shown: not everybody may read it)",)
    return diff_lines(path, seen.content, wanted.content)
