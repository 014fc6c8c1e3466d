"""What a Prosody would load: read by its own loader, compared with what runs."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from reconcilers.apt.wanted import own_name
from reconcilers.candidate import included, render_candidate, scopes
from reconcilers.contract import Prosody, Reader, Site
from reconcilers.judging import check
from reconcilers.mainfile import MainFile
from reconcilers.parsed import Parsed, Refusal, parse
from reconcilers.profiles import has_package
from reconcilers.sourced import PLUGIN, listing, named_packages, pieces
from schemas.actions import RemoveFile, WriteFile
from schemas.desired import HostSpec, Lua
from schemas.errors import Temporary
from schemas.plan import Change, Plan, Policy
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
    modules = _modules(reader, spec, site)
    same = running is not None and running.files.get(str(site.paths.config)) == digest
    if running is not None and same and running.version == prosody.version and is_plain(spec):
        return replace(running, files=files, modules=modules)
    wanted = render_candidate(reader, spec, site)
    if isinstance(wanted, MainFile) and wanted.text == text:
        scopes = check(reader, spec, site, wanted).scopes
    else:
        scopes = _foreign(reader, spec, site, prosody, text).scopes
    options = {
        scope: {name: site.digest(value.encode()) for name, value in names.items()} for scope, names in scopes.items()
    }
    return Loaded(version=prosody.version, options=options, files=files, modules=modules)


def keeping_options(reader: Reader, site: Site, running: Loaded) -> Loaded:
    """What `running` would have if it read its certificates again and nothing else."""
    former = {str(site.paths.config): running.files.get(str(site.paths.config), "")}
    return replace(running, files={**former, **_certificates(reader, site)})


def _foreign(reader: Reader, spec: HostSpec, site: Site, prosody: Prosody, text: bytes) -> Parsed:
    """What lies on the disk by somebody else's hand, as read by Prosody. Raises Temporary when it cannot be."""
    (said,) = parse(reader, site, prosody, text, depends=included(spec)).texts
    if isinstance(said, Refusal):
        where = f"{site.paths.config}:{said.line}" if said.line else str(site.paths.config)
        raise Temporary(f"{where}: Prosody cannot load what lies there; put it right")
    return said


def is_plain(spec: HostSpec) -> bool:
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


def modules_after(plan: Plan, candidate: Loaded, running: Loaded | None, site: Site) -> dict[str, str]:
    """The candidate's modules once this plan is carried out. What is held or only told is not made live."""
    modules = dict(candidate.modules)
    for change in plan.changes:
        for action in change.actions if _is_of_module(change) else ():
            if isinstance(action, WriteFile):
                content = action.content if isinstance(action.content, bytes) else action.content.reveal()
                modules[str(action.path)] = site.digest(content)
            elif isinstance(action, RemoveFile):
                modules.pop(str(action.path), None)
    for change in filter(_is_of_module, (*plan.held, *plan.reported)):
        if running is not None and change.object in running.modules:
            modules[change.object] = running.modules[change.object]
        else:
            modules.pop(change.object, None)
    return modules


def _is_of_module(change: Change) -> bool:
    return change.id.startswith(f"{PLUGIN}:")


def _modules(reader: Reader, spec: HostSpec, site: Site) -> dict[str, str]:
    """Code of git's own and of packages, Prosody's among them: a fix of the distribution's has no version of its own.

    By path. What git says to ignore is nobody's concern here either.
    """
    found = {}
    for path, piece in pieces(reader, spec, site).items():
        if not piece.is_directory and piece.policy is not Policy.IGNORE:
            found[path] = reader.read(path)
    named = (*named_packages(spec), *((own_name(spec),) if has_package(site) else ()))
    found |= {path: reader.read(path) for path in (listing(reader, name) for name in named)}
    return {str(path): site.digest(content) for path, content in found.items() if content is not None}


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
