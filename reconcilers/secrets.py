"""Secrets by reference: those that the host draws, that its admin has put into a file, that git has encrypted.

What is generated stays on the host when git forgets it, so that the same name means the same secret for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from reconcilers.contract import FileInfo, Reader, Site
from schemas.actions import Make
from schemas.desired import Age, Generated, HostFile, HostSpec, SecretRef
from schemas.errors import Temporary
from schemas.plan import Change, Holds, Kind, NextRound, PathChanges, Verdict, Wait
from schemas.record import Owned
from schemas.sealed import NoIdentity, NotOpened, is_armored, open_secret
from schemas.secret import Secret

NAME = "secrets"
_MODE = 0o600


class Have(Struct, frozen=True, kw_only=True):
    """What lies where each generated secret is to be."""

    seen: Mapping[str, FileInfo | None]


def resolve(reader: Reader, spec: HostSpec, site: Site, reference: SecretRef) -> Secret | Wait:
    """The secret itself, or what it waits for; the caller gives the Wait its id and origin."""
    match reference:
        case Generated():
            found = _drawn(reader, site, reference.generated)
        case HostFile():
            found = _from_host(reader, site, PurePosixPath(reference.host_file))
        case Age():
            found = _opened(reader, spec, site, reference)
    if isinstance(found, Secret):
        site.hide(found)
    return found


def sealed(spec: HostSpec, reference: Age) -> tuple[str, bytes]:
    """What to call an encrypted secret, and its bytes."""
    if is_armored(reference.age.encode()):
        return "the encrypted text", reference.age.encode()
    return reference.age, spec.sources[reference.age].data


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
    return {ref.generated for _, ref in spec.secrets if isinstance(ref, Generated)}


def _drawn(reader: Reader, site: Site, name: str) -> Secret | Wait:
    content = reader.read(_path(site, name))
    if content is None:
        return Wait(id=f"secret:{name}", why=f"the secret {name} is not drawn yet", until=NextRound())
    return Secret(content.removesuffix(b"\n"))


def _opened(reader: Reader, spec: HostSpec, site: Site, reference: Age) -> Secret | Wait:
    """Opened anew at each look: in the clear it rests nowhere but where it is wanted."""
    name, data = sealed(spec, reference)

    def wait(why: str) -> Wait:
        return Wait(id=f"secret:{name}", why=why, until=PathChanges(site.age_key))

    try:
        key = reader.read(site.age_key)
        if key is None:
            return wait(f"{site.age_key}, which opens {name}, is not there; put the host's age key back")
        return Secret(site.apart(open_secret, key, data))
    except NotOpened as error:
        return wait(f"{name} {error}")
    except NoIdentity as error:
        return wait(f"{site.age_key} {error}")
    except Temporary as error:
        return wait(str(error))


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
