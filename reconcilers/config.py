"""Prosody's configuration: one file, the profile's, rendered from git; told and compared option by option."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from reconcilers import secrets
from reconcilers.contract import FileInfo, Prosody, Reader, Site
from reconcilers.luatext import quote
from reconcilers.mainfile import HEADER, MainFile, Revealed, render_main, render_template
from reconcilers.parsed import Parsed, Refusal, parse
from reconcilers.ports import chosen_ports, known_ports
from reconcilers.profiles import supplied_options
from reconcilers.render import variables
from schemas.desired import Generated, HostFile, HostSpec, Lua
from schemas.errors import Mark, Mistake, SpecError, Temporary
from schemas.plan import Change, Holds, Kind, PathChanges, RemoveFile, Verdict, Wait, WriteFile
from schemas.record import Loaded, Owned
from schemas.secret import Secret

NAME = "config"
BY_HAND = "overwrites a Prosody configuration that was made by hand"
_MODE = 0o640
"""Secrets stand in the file itself, on 13.0 too (it could take them by FileLine): others may not read it."""
_TOLD = 160
"""Characters of a value that a diff tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Have:
    """What lies there, what is to lie there, and both as read by Prosody.

    `candidate` None: nothing is wanted; a Wait: what is wanted cannot be known yet.
    """

    candidate: MainFile | Wait | None
    info: FileInfo | None
    live: bytes | None
    parsed: tuple[Parsed | Refusal, Parsed | Refusal] | None = None
    """(live, candidate); None where they are equal byte for byte."""


# --- the candidate ---


def candidate(reader: Reader, spec: HostSpec, site: Site) -> MainFile | Wait | None:
    """The wanted main file; None: none is; a Wait while a secret or a port is missing. Raises SpecError."""
    prosody = spec.host.prosody
    if prosody is None:
        return None
    id_ = object_id(site)
    if site.prosody is None:
        why = "Prosody is not installed; install it"
        return Wait(id=id_, why=why, until=PathChanges(PurePosixPath("/usr/bin/prosody")))
    if prosody.template is not None:
        ports = known_ports(reader, spec, site)
        if isinstance(ports, Wait):
            return replace(ports, id=id_)
        return render_template(spec, site.render, variables(spec, fqdn=site.fqdn, ports=ports))
    chosen = chosen_ports(reader, spec, site)
    if isinstance(chosen, Wait):
        return replace(chosen, id=id_)
    revealed = _reveal(reader, spec, site)
    if isinstance(revealed, Wait):
        return replace(revealed, id=id_)
    return render_main(spec, supplied_options(site, prosody, chosen), revealed)


def _reveal(reader: Reader, spec: HostSpec, site: Site) -> Revealed | Wait:
    """Every secret of the configuration; the first that is missing holds back the whole."""
    revealed: dict[HostFile | Generated, Secret] = {}
    for way, options in _scopes(spec):
        for name, value in options.items():
            for reference in secrets.references(value):
                secret = secrets.resolve(reader, site, reference)
                if isinstance(secret, Wait):
                    return replace(secret, origin=spec.origin(*way, name))
                revealed[reference] = secret
    return revealed


def _scopes(spec: HostSpec) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, object]]]:
    """Each scope's place in the document, and its options."""
    prosody = spec.host.prosody
    assert prosody is not None
    yield ("prosody",), prosody.options
    for name, component in prosody.components.items():
        yield ("prosody", "components", name), component.options
    for host, body in prosody.virtual_hosts.items():
        way = ("prosody", "virtual_hosts", host)
        yield way, body.options
        for name, component in body.components.items():
            yield (*way, "components", name), component.options


# --- the reconciler ---


def observe(reader: Reader, spec: HostSpec, owned: Mapping[str, Owned], site: Site) -> Have:
    """Render the candidate, read the live file, and have both read by Prosody's loader when they differ."""
    info = reader.stat(site.paths.config)
    live = reader.read(site.paths.config) if info is not None and info.kind == "file" else None
    wanted = candidate(reader, spec, site)
    have = Have(candidate=wanted, info=info, live=live)
    if not isinstance(wanted, MainFile) or live == wanted.text or site.prosody is None:
        return have
    answer = parse(reader, site, site.prosody, live or b"", wanted.text, depends=_included(spec))
    return replace(have, parsed=(answer.texts[0], answer.texts[1]))


def plan(spec: HostSpec, have: Have, owned: Mapping[str, Owned], site: Site) -> Iterator[Verdict]:
    """One verdict on the one file."""
    ours = owned.get(object_id(site))
    if isinstance(have.candidate, Wait):
        yield have.candidate
    elif have.candidate is not None:
        yield _verdict(spec, have, have.candidate, ours, site)
    elif ours is not None:
        yield _gone(spec, have, site)


def object_id(site: Site) -> str:
    """The id of the one object that this reconciler judges."""
    return f"config:{site.paths.config}"


def _group(site: Site) -> str | None:
    """Root writes for Prosody's group; any other agent is Prosody's user itself."""
    return site.group if site.user is not None else None


def _digest(site: Site, mode: int, group: str, text: bytes) -> str:
    return site.digest(f"{mode:o}\0{group}\0".encode() + text)


def _live_digest(have: Have, site: Site) -> str | None:
    if have.info is None:
        return None
    return _digest(site, have.info.mode, have.info.group, have.live or have.info.kind.encode())


def _verdict(spec: HostSpec, have: Have, wanted: MainFile, ours: Owned | None, site: Site) -> Verdict:
    prosody = spec.host.prosody
    assert prosody is not None
    wish, live = _digest(site, _MODE, _group(site) or "", wanted.text), _live_digest(have, site)
    why = _difference(have, wanted, site)
    if not why and live is not None:
        return Holds(id=object_id(site), wanted=wish, live=live)
    write = WriteFile(
        path=site.paths.config,
        content=Secret(wanted.text),
        mode=_MODE,
        group=_group(site),
        was=have.info.signature if have.info else None,
    )
    by_hand = have.live is not None and ours is None and not have.live.startswith(HEADER)
    return Change(
        id=object_id(site),
        kind=Kind.CREATED if have.info is None else Kind.CHANGED,
        why=why,
        actions=(write,),
        wanted=wish,
        live=live,
        origin=spec.origin("prosody"),
        policy=prosody.drift or spec.host.drift,
        touches=frozenset({"prosody"}),
        diff=_diff(have, wanted),
        needs_word=BY_HAND if by_hand else "",
    )


def _difference(have: Have, wanted: MainFile, site: Site) -> str:
    """Why it is not as wanted, as a clause; empty when it is."""
    if have.info is None:
        return "is not there"
    if have.info.kind != "file":
        return f"is a {have.info.kind}, a file is wanted"
    reasons = []
    if have.live != wanted.text:
        reasons.append("differs from git")
    if have.info.mode != _MODE:
        reasons.append(f"mode {have.info.mode:04o}, {_MODE:04o} is wanted")
    group = _group(site)
    if group is not None and have.info.group != group:
        reasons.append(f"group {have.info.group}, {group} is wanted")
    return "; ".join(reasons)


def _gone(spec: HostSpec, have: Have, site: Site) -> Change:
    """Ours, and git says nothing of Prosody any more."""
    info = have.info
    return Change(
        id=object_id(site),
        kind=Kind.RELEASED if info is None else Kind.REMOVED,
        why="Prosody is gone from git",
        actions=() if info is None else (RemoveFile(path=site.paths.config, was=info.signature),),
        wanted=None,
        live=_live_digest(have, site),
        policy=spec.host.drift,
        touches=frozenset({"prosody"}),
    )


# --- the difference, option by option ---


def _diff(have: Have, wanted: MainFile) -> tuple[str, ...]:
    """What would change, safe to print."""
    if have.parsed is None:
        return ()
    live, new = have.parsed
    if isinstance(new, Refusal):
        return (f"the wanted configuration is not one that Prosody loads (line {new.line})",)
    if isinstance(live, Refusal):
        return (f"the live configuration is not one that Prosody loads (line {live.line})",)
    lines = tuple(_option_lines(live, new, wanted))
    return lines or ("no option differs: comments, order or layout do",)


def _option_lines(live: Parsed, new: Parsed, wanted: MainFile) -> Iterator[str]:
    for scope in sorted({*live.scopes, *new.scopes}, key=lambda scope: (scope != "*", scope)):
        before, after = live.scopes.get(scope, {}), new.scopes.get(scope, {})
        prefix = "" if scope == "*" else f"{scope}: "
        if scope != "*" and not (before and after):
            yield f"{prefix}{'removed' if before else 'added'}"
        for option in sorted({*before, *after} - {"defined"}):
            if before.get(option) == after.get(option):
                continue
            if (scope, option) in wanted.hidden:
                yield f"{prefix}{option}: {'changed' if option in before else 'added'} (a secret)"
                continue
            old, now = (_told(parsed, scope, option, wanted) for parsed in (live, new))
            yield (
                f"{prefix}{option} changed (in a part not told)" if old == now else f"{prefix}{option} {old} → {now}"
            )


def _told(parsed: Parsed, scope: str, option: str, wanted: MainFile) -> str:
    value = parsed.scopes.get(scope, {}).get(option)
    if value is None:
        return "(not set)"
    text = parsed.shown.get(scope, {}).get(option, value)
    for secret in wanted.secrets:
        for form in (_as_told(secret), quote(secret.reveal())):
            text = text.replace(form, "***")
    return text if len(text) <= _TOLD else text[:_TOLD] + " …"


def _as_told(secret: Secret) -> str:
    """As lua/parse.lua writes a text."""
    body = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:03d}" for byte in secret.reveal()
    )
    return f'"{body}"'


# --- for the activation ---


def loaded(reader: Reader, spec: HostSpec, site: Site, text: bytes, *, running: Loaded | None = None) -> Loaded:
    """What a Prosody that is started or reloaded now would load from this text.

    A text that `running` was loaded from needs no second reading, when nothing but it decides. Raises
    SpecError, at the place in the repository, when git's configuration is none that Prosody loads; Temporary
    when that is so of a file that somebody else changed.
    """
    prosody = site.prosody
    assert prosody is not None, "without Prosody nothing is loaded"
    digest = site.digest(text)
    files = {str(site.paths.config): digest, **_certificates(reader, site)}
    same = running is not None and running.files.get(str(site.paths.config)) == digest
    if running is not None and same and running.version == prosody.version and _is_plain(spec):
        return replace(running, files=files)
    wanted = candidate(reader, spec, site)
    if isinstance(wanted, MainFile) and wanted.text == text:
        scopes = check(reader, spec, site, wanted).scopes
    else:
        scopes = _foreign(reader, spec, site, prosody, text).scopes
    options = {
        scope: {name: site.digest(value.encode()) for name, value in names.items()} for scope, names in scopes.items()
    }
    return Loaded(version=prosody.version, options=options, files=files)


def keeping_options(reader: Reader, site: Site, running: Loaded) -> Loaded:
    """What `running` would have if it read its certificates again and nothing else."""
    former = {str(site.paths.config): running.files.get(str(site.paths.config), "")}
    return replace(running, files={**former, **_certificates(reader, site)})


def check(reader: Reader, spec: HostSpec, site: Site, main: MainFile, *, staged: bytes | None = None) -> Parsed:
    """Have Prosody's loader read the candidate, or its staged text. Raises SpecError at the place in git."""
    assert site.prosody is not None
    text = main.text if staged is None else staged
    answer = parse(reader, site, site.prosody, text, fragments=main.fragments, depends=_included(spec))
    (said,) = answer.texts
    mistakes = [
        Mistake(mark=fragment.origin or _file(spec), subject="lua", text=f"{complaint}; it must be whole by itself")
        for fragment, complaint in zip(main.fragments, answer.fragments, strict=True)
        if complaint
    ]
    if mistakes:
        raise SpecError(mistakes)
    if isinstance(said, Refusal):
        raise SpecError([explain(main, said, spec)])
    if spec.host.prosody is not None and not spec.host.prosody.template:
        _refuse_early_end(main, said, spec)
    return said


def _foreign(reader: Reader, spec: HostSpec, site: Site, prosody: Prosody, text: bytes) -> Parsed:
    """What lies on the disk by somebody else's hand, as read by Prosody. Raises Temporary when it cannot be."""
    (said,) = parse(reader, site, prosody, text, depends=_included(spec)).texts
    if isinstance(said, Refusal):
        where = f"{site.paths.config}:{said.line}" if said.line else str(site.paths.config)
        raise Temporary(f"{where}: Prosody cannot load what lies there; put it right")
    return said


def explain(main: MainFile, refusal: Refusal, spec: HostSpec) -> Mistake:
    """Lua's word about a line of the candidate, at the place that said it, its secrets masked."""
    text = refusal.text
    for secret in main.secrets:
        text = text.replace(secret.reveal().decode(errors="replace"), "***")
    mark = main.origin(refusal.line) or _file(spec)
    return Mistake(mark=mark, subject="prosody", text=f"Prosody would not load this: {text}; correct it")


def _refuse_early_end(main: MainFile, said: Parsed, spec: HostSpec) -> None:
    """`return` in a Lua block ends the whole file, and Prosody says nothing."""
    written = sum(line.startswith((b"VirtualHost ", b"Component ")) for line in main.text.splitlines())
    if len(said.scopes) - ("*" in said.scopes) >= written:
        return
    blocks = [fragment for fragment in main.fragments if not fragment.is_expression]
    mark = next((block.origin for block in blocks if block.origin), None) or _file(spec)
    text = "the configuration ends before its last virtual host; take `return` out of the Lua text"
    raise SpecError([Mistake(mark=mark, subject="lua", text=text)])


def _file(spec: HostSpec) -> Mark:
    return spec.origin("prosody") or Mark(f"hosts/{spec.name}.yaml")


def _included(spec: HostSpec) -> tuple[PurePosixPath, ...]:
    """What Include lines read: the file, or for a pattern the directory."""
    prosody = spec.host.prosody
    paths = map(PurePosixPath, prosody.include if prosody else ())
    return tuple(path.parent if "*" in path.name or "?" in path.name else path for path in paths)


def _is_plain(spec: HostSpec) -> bool:
    """Whether the text alone decides what is loaded: no Lua of git's own, no file beside it."""
    prosody = spec.host.prosody
    if prosody is None or prosody.include or prosody.template is not None:
        return False
    hosts = prosody.virtual_hosts.values()
    below = [*prosody.components.values(), *(c for host in hosts for c in host.components.values())]
    if any(scope.lua for scope in (prosody, *hosts, *below)):
        return False
    return not any(_holds_lua(value) for _, options in _scopes(spec) for value in options.values())


def _holds_lua(value: object) -> bool:
    match value:
        case Lua():
            return True
        case Mapping():
            return any(map(_holds_lua, value.values()))
        case tuple() | list():
            return any(map(_holds_lua, value))
        case _:
            return False


def _certificates(reader: Reader, site: Site) -> dict[str, str]:
    """Certificates and keys that Prosody finds by itself, by path."""
    directory = site.paths.certificates
    files = {}
    for name in reader.listdir(directory) or ():
        info = reader.stat(directory / name)
        content = reader.read(directory / name) if info is not None and info.kind == "file" else None
        if content is not None:
            files[str(directory / name)] = site.digest(content)
    return files
