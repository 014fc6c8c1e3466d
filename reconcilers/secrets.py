"""Secrets by reference: those that the host draws, and those that its admin has put into a file.

What is generated stays on the host when git forgets it, so that the same name means the same secret for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from reconcilers.contract import FileInfo, Reader, Site
from schemas.desired import Generated, HostFile, HostSpec
from schemas.desired.prosody import Scope
from schemas.errors import Temporary
from schemas.plan import Change, Holds, Kind, Make, NextRound, PathChanges, Verdict, Wait
from schemas.record import Owned
from schemas.secret import Secret

NAME = "secrets"
_MODE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Have:
    """What lies where each generated secret is to be."""

    seen: Mapping[str, FileInfo | None]


def resolve(reader: Reader, site: Site, reference: HostFile | Generated) -> Secret | Wait:
    """The secret itself, or what it waits for; the caller gives the Wait its id and origin."""
    found = _find(reader, site, reference)
    if isinstance(found, Secret):
        site.hide(found)
    return found


def _find(reader: Reader, site: Site, reference: HostFile | Generated) -> Secret | Wait:
    if isinstance(reference, Generated):
        path = _path(site, reference.generated)
        content = reader.read(path)
        if content is None:
            why = f"the secret {reference.generated} is not drawn yet"
            return Wait(id=f"secret:{reference.generated}", why=why, until=NextRound())
        return Secret(content.removesuffix(b"\n"))
    return _from_host(reader, site, PurePosixPath(reference.host_file))


def references(value: object) -> Iterator[HostFile | Generated]:
    """Every reference to a secret within an option's value."""
    match value:
        case HostFile() | Generated():
            yield value
        case Mapping():
            for item in value.values():
                yield from references(item)
        case tuple() | list():
            for item in value:
                yield from references(item)


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Look, without reading, at each generated secret that is wanted or ours."""
    names = _wanted(spec) | {id_.partition(":")[2] for id_ in owned}
    return Have(seen={name: reader.stat(_path(site, name)) for name in sorted(names)})


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """Draw what is missing; let go of what git no longer names, and leave it where it is."""
    wanted = _wanted(spec)
    for name, info in have.seen.items():
        id_ = f"secret:{name}"
        live = None if info is None else site.digest(f"{info.kind}\0{info.signature}".encode())
        if name not in wanted:
            yield Change(
                id=id_, kind=Kind.RELEASED, why="gone from git; it stays on the host", actions=(),
                wanted=None, live=live,
            )  # fmt: skip
        elif live is not None:
            yield Holds(id=id_, wanted=name, live=live)
        else:
            make = Make(path=_path(site, name), kind="secret", mode=_MODE)
            yield Change(id=id_, kind=Kind.CREATED, why="is not drawn yet", actions=(make,), wanted=name, live=None)


def _path(site: Site, name: str) -> PurePosixPath:
    return site.paths.secrets / name


def _wanted(spec: HostSpec) -> set[str]:
    """The names of all generated secrets in the document, wherever they stand."""
    return {ref.generated for _, ref in referenced(spec) if isinstance(ref, Generated)}


def referenced(spec: HostSpec) -> Iterator[tuple[tuple[str | int, ...], HostFile | Generated]]:
    """Every reference to a secret in the document, with the way to the option or the file that holds it."""
    prosody = spec.host.prosody
    if prosody is not None:
        scopes: list[tuple[tuple[str | int, ...], Scope]] = [(("prosody",), prosody)]
        scopes += [(("prosody", "components", name), body) for name, body in prosody.components.items()]
        for host, body in prosody.virtual_hosts.items():
            scopes.append((("prosody", "virtual_hosts", host), body))
            below = body.components.items()
            scopes += [(("prosody", "virtual_hosts", host, "components", name), component) for name, component in below]
        for way, scope in scopes:
            for name, value in scope.options.items():
                yield from (((*way, name), reference) for reference in references(value))
    for path, file in spec.host.files.items():
        for value in (file.content, file.vars):
            yield from ((("files", path), reference) for reference in references(value))


def _from_host(reader: Reader, site: Site, path: PurePosixPath) -> Secret | Wait:
    def wait(why: str) -> Wait:
        return Wait(id=f"secret:{path}", why=why, until=PathChanges(path))

    if refusal := site.may_read(path):
        return wait(refusal)
    try:
        content = reader.read(path)
    except Temporary as error:
        return wait(str(error))
    if content is None:
        return wait(f"{path} is not there; put the secret into it")
    value = content.removesuffix(b"\n")
    return Secret(value) if value else wait(f"{path} is empty; put the secret into it")
