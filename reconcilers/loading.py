"""What a Prosody would load: read by its own loader, told at the place in git, compared with what runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from encodings.idna import nameprep

from reconcilers.candidate import included, render_candidate, scopes
from reconcilers.contract import Prosody, Reader, Site
from reconcilers.mainfile import MainFile
from reconcilers.parsed import Answer, Parsed, Refusal, parse
from schemas.desired import HostSpec, Lua
from schemas.errors import Mark, Mistake, SpecError, Temporary
from schemas.fragments import Fragment
from schemas.record import Loaded


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
    wanted = render_candidate(reader, spec, site)
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
    answer = parse(reader, site, site.prosody, text, fragments=main.fragments, depends=included(spec))
    (said,) = answer.texts
    mistakes = list(judge_fragments(main.fragments, answer, _file(spec)))
    if mistakes:
        raise SpecError(mistakes)
    if isinstance(said, Refusal):
        raise SpecError([explain(main, said, spec)])
    if spec.host.prosody is not None and not spec.host.prosody.template:
        _refuse_early_end(main, said, spec)
    return said


def judge_fragments(fragments: tuple[Fragment, ...], answer: Answer, otherwise: Mark) -> Iterator[Mistake]:
    """What Lua says of each fragment by itself, at its own line; `otherwise` where no place is known."""
    for fragment, said in zip(fragments, answer.fragments, strict=True):
        if said is not None:
            text = f"{said.text}; Lua must be whole by itself, so correct it here"
            yield Mistake(mark=fragment.place(said.line) or otherwise, subject="lua", text=text)


def _foreign(reader: Reader, spec: HostSpec, site: Site, prosody: Prosody, text: bytes) -> Parsed:
    """What lies on the disk by somebody else's hand, as read by Prosody. Raises Temporary when it cannot be."""
    (said,) = parse(reader, site, prosody, text, depends=included(spec)).texts
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
    prosody = spec.host.prosody
    assert prosody is not None
    wanted = {*prosody.virtual_hosts, *prosody.components}
    wanted.update(*(host.components for host in prosody.virtual_hosts.values()))
    if set(map(_prepared, wanted)) <= set(said.scopes):
        return
    blocks = [fragment for fragment in main.fragments if not fragment.is_expression]
    mark = next((block.origin for block in blocks if block.origin), None) or _file(spec)
    text = "the configuration ends before its last virtual host; take `return` out of the Lua text"
    raise SpecError([Mistake(mark=mark, subject="lua", text=text)])


def _prepared(name: str) -> str:
    """The name as Prosody keeps it; itself when it has no such form."""
    try:
        return nameprep(name)
    except UnicodeError:
        return name


def _file(spec: HostSpec) -> Mark:
    return spec.origin("prosody") or Mark(f"hosts/{spec.name}.yaml")


def _is_plain(spec: HostSpec) -> bool:
    """Whether the text alone decides what is loaded: no Lua of git's own, no file beside it."""
    prosody = spec.host.prosody
    if prosody is None or prosody.include or prosody.template is not None:
        return False
    hosts = prosody.virtual_hosts.values()
    below = [*prosody.components.values(), *(c for host in hosts for c in host.components.values())]
    if any(scope.lua for scope in (prosody, *hosts, *below)):
        return False
    return not any(_holds_lua(value) for _, options in scopes(spec) for value in options.values())


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
