"""What a Prosody would load: read by its own loader, compared with what runs."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from reconcilers.candidate import included, render_candidate, scopes
from reconcilers.contract import Prosody, Reader, Site
from reconcilers.judging import check
from reconcilers.mainfile import MainFile
from reconcilers.parsed import Parsed, Refusal, parse
from schemas.desired import HostSpec, Lua
from schemas.errors import Temporary
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
    if running is not None and same and running.version == prosody.version and is_plain(spec):
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
