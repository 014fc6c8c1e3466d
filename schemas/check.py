"""What no single value can say of itself: rules between things, looked at in the combined nodes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from schemas.desired.forms import VERSION_WORDS
from schemas.errors import Mark
from schemas.findings import Findings, nearest
from schemas.kinds import kind_of
from schemas.nodes import Entry, Map, Node, Scalar, describe
from schemas.shape import HOST
from schemas.units import LONGEST, unit_name
from schemas.versions import is_wanted

PROFILES = ("local", "debian", "uberspace", "slackware")
"""The kinds of host in the language."""
_ROOT = ("root", "0")
"""Its name, and the number that stands for a user wherever a name may."""
_AGENT = "prosodist"
_SHELLS = {"tor": "tor@default", "postgresql": "postgresql@15-main, say"}
"""Services whose unit only starts others, which never see what it was given."""


def check_profile(root: Map, profile: str | None, findings: Findings) -> None:
    """Git's profile only agrees with the host's; `profile` is None on a machine that is not the host."""
    entry = root.entries.get("profile")
    if entry is None or not isinstance(entry.value, Scalar) or not isinstance(entry.value.value, str):
        return
    said, mark = entry.value.value, entry.value.mark
    if said not in PROFILES:
        close = nearest(said, PROFILES) or PROFILES[0]
        findings.add(
            mark, f"expected {', '.join(PROFILES[:-1])} or {PROFILES[-1]}, found {describe(entry.value)}; write {close}"
        )
    elif profile is not None and said != profile:
        findings.add(mark, f"expected {profile}, which this host says it is, found {said}; write {profile}")


def check_installed(root: Map, profile: str | None, installed: str | None, findings: Findings) -> None:
    """Under `local` nobody installs Prosody: what is there must be what is wanted."""
    prosody = root.entries.get("prosody")
    if profile != "local" or installed is None or prosody is None or not isinstance(prosody.value, Map):
        return
    said = prosody.value.entries.get("version")
    if said is None or not isinstance(said.value, Scalar) or not isinstance(said.value.value, str):
        return
    if said.value.value not in VERSION_WORDS and not is_wanted(installed, said.value.value):
        mark, found = said.value.mark, describe(said.value)
        findings.add(
            mark, f"expected {installed}, which is installed here, found {found}; install it, or write present"
        )


def check_domains(root: Map, findings: Findings) -> None:
    """A domain is one virtual host or one component."""
    seen: dict[str, tuple[str, Mark]] = {}
    for kind, name, mark in _domains(root):
        former = seen.setdefault(name, (kind, mark))
        if former[1] != mark:
            findings.add(mark, f"{name} is a {former[0]} already ({former[1]}); a domain is one or the other, and once")


def check_files(root: Map, tree_files: Callable[[str], Iterator[str]], findings: Findings) -> None:
    """Each file lies below nothing that is no directory."""
    shape = HOST.below("files").below("/")
    covered: dict[PurePosixPath, str] = {}  # no directory, so nothing may lie below it
    written = {str(key): entry for key, entry in _entries(root, "files")}
    files = {path: entry for path, entry in written.items() if str(PurePosixPath(path)) == path}  # else told elsewhere
    for path, entry in files.items():
        if isinstance(entry.value, Map):
            kind = kind_of(entry.value, shape)
            if kind == "tree":
                for file in tree_files(_word(entry.value, "tree")):
                    covered[PurePosixPath(path, file)] = f"a file of the tree {path}"
            elif kind not in ("", "directory"):
                covered[PurePosixPath(path)] = f"{path}, which is no directory"
    for path, entry in files.items():
        below = PurePosixPath(path)
        blocked = next((covered[parent] for parent in below.parents if parent in covered), None)
        if blocked is not None:
            findings.add(entry.mark, f"lies below {blocked}; take one of them out")
        elif covered.get(below, "").startswith("a file of"):
            findings.add(entry.mark, f"is {covered[below]} already; take one of them out")


def check_refresh(root: Map, findings: Findings) -> None:
    """A branch moves and wants `refresh`; a pinned revision never does."""
    for _, entry in _entries(root, "files"):
        if not isinstance(entry.value, Map) or "revision" not in entry.value.entries:
            continue
        if entry.value.entries.keys().isdisjoint(("git", "hg")):
            continue  # it does not belong here, and that is told
        is_pinned = re.fullmatch("[0-9a-f]{7,64}", _word(entry.value, "revision")) is not None
        if is_pinned and "refresh" in entry.value.entries:
            mark = entry.value.entries["refresh"].mark
            findings.add(mark, "the revision beside it is pinned and never moves; take it out")
        elif not is_pinned and "refresh" not in entry.value.entries:
            mark = entry.value.entries["revision"].value.mark
            findings.miss(mark, "is a branch, which moves; write refresh: 1d beside it, or a revision in full")


def check_jobs(root: Map, findings: Findings) -> None:
    """Who may push is not root: what root runs from time to time lies on the host."""
    for _, entry in _entries(root, "jobs"):
        if isinstance(entry.value, Map) and {"script", "user"} <= entry.value.entries.keys():
            mark = entry.value.entries["script"].mark
            if _word(entry.value, "user") in _ROOT:
                text = "root runs no script of the repository; write run: [PROGRAM] of the host, or another user"
                findings.add(mark, text)


def check_services(root: Map, findings: Findings) -> None:
    """Each is a unit of its own, which systemd can be asked of; and only a service is a program."""
    for key, entry in _entries(root, "services"):
        name = str(key)
        if why := _no_service(name):
            findings.add(entry.mark, why)
        unit = unit_name(name)
        kind = unit.rpartition(".")[2]
        for word in ("rlimits", "environment", "umask"):
            if not isinstance(entry.value, Map) or word not in entry.value.entries:
                continue
            mark = entry.value.entries[word].mark
            if kind != "service":
                findings.add(mark, f"belongs to a service, but {unit} is a {kind}; take it out")
            elif name in _SHELLS:
                findings.add(mark, f"{unit} is a shell around the one that works; write it for {_SHELLS[name]}")


def _no_service(name: str) -> str:
    """Why nothing is called so in `services`; empty where something may be."""
    unit = unit_name(name)
    stem, _, kind = unit.rpartition(".")
    if stem.endswith("@"):
        return f"{unit} is what units are made of; write the one that is meant: {stem}NAME.{kind}"
    if len(unit) > LONGEST:
        return f"no unit has a name of over {LONGEST} characters; write a shorter one"
    if stem == _AGENT:
        return "is the agent itself, which would wait for its own end; take it out"
    if name == unit and unit_name(stem) == unit:  # what is known of a service is known by one name
        return f"a service is written without its kind; write {stem}"
    return ""


def check_known_home(root: Map, home: str | None, findings: Findings) -> None:
    """`<<home>` writes the text `<home>`, which begins no path where the home is known."""
    if home is None:
        return
    for key, entry in _entries(root, "files"):
        if str(key).startswith("<home>"):
            findings.add(entry.mark, f"expected an absolute path, found {key}; write <home> for the home itself")


def _domains(root: Map) -> Iterator[tuple[str, str, Mark]]:
    prosody = root.entries.get("prosody")
    if prosody is None or not isinstance(prosody.value, Map):
        return
    for name, host in _entries(prosody.value, "virtual_hosts"):
        yield "virtual host", str(name), host.mark
    for name, component in _entries(prosody.value, "components"):
        yield "component", str(name), component.mark
    for _, host in _entries(prosody.value, "virtual_hosts"):
        if isinstance(host.value, Map):
            for name, component in _entries(host.value, "components"):
                yield "component", str(name), component.mark


def _entries(node: Map, key: str) -> list[tuple[str | int, Entry]]:
    below: Node | None = node.entries[key].value if key in node.entries else None
    return list(below.entries.items()) if isinstance(below, Map) else []


def _word(node: Map, key: str) -> str:
    value = node.entries[key].value
    return str(value.value) if isinstance(value, Scalar) else ""
