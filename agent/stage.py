"""The candidate configuration, staged as a whole and checked before the first write.

Everything that evaluates it runs as the Prosody user: configuration is Lua code. What the plan would write and the
candidate names stands beside it in the stage, and the staged candidate names it there.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import PurePosixPath

from agent.events import LOG
from agent.host import LocalHost
from reconcilers import judging
from reconcilers.candidate import render_candidate
from reconcilers.contract import Completed, Prosody, Site
from reconcilers.luatext import quote
from reconcilers.mainfile import MainFile
from reconcilers.parsed import Refusal
from schemas.desired import HostSpec
from schemas.errors import SpecError
from schemas.plan import Change, MakeDir, Plan, RemoveFile, WriteFile
from schemas.secret import Secret

_FATAL = 1
"""`prosodyctl check config`: 1 it does not parse, 2 it has something to say, 0 nothing to say."""


def check(host: LocalHost, spec: HostSpec, site: Site, plan: Plan) -> None:
    """Refuse a candidate that Prosody could not read. Raises SpecError at the place in git, and Temporary."""
    for name in host.listdir(site.paths.stage) or ():
        _clear(host, site.paths.stage / name)  # an agent that was killed left it, with whatever secrets are in it
    write = next((w for w in _writes(plan.changes) if w.path == site.paths.config), None)
    main = render_candidate(host, spec, site)
    if write is None or site.prosody is None or not isinstance(main, MainFile):
        return
    root = site.paths.stage / secrets.token_hex(6)
    try:
        staged = _lay_out(host, site, root, main.text, plan)
        _check(host, spec, site, site.prosody, main, staged)
    finally:
        _clear(host, root)
        host.let_go(root)


def _writes(changes: tuple[Change, ...]) -> Iterator[WriteFile]:
    for change in changes:
        for action in change.actions:
            if isinstance(action, WriteFile):
                yield action


def _lay_out(host: LocalHost, site: Site, root: PurePosixPath, text: bytes, plan: Plan) -> PurePosixPath:
    """Write the overlay, and name it in the candidate wherever the candidate names what it overlays."""
    host.perform(MakeDir(path=root, mode=0o750, group=_group(site)))
    for number, write in enumerate(_writes(plan.changes)):
        named = quote(str(write.path).encode()).encode()
        if write.path != site.paths.config and named in text:
            staged = root / f"{number}{write.path.suffix}"  # two may have one name
            text = text.replace(named, quote(str(staged).encode()).encode())
            _put(host, site, staged, write.content)
    path = root / site.paths.config.name
    _put(host, site, path, text)
    return path


def _group(site: Site) -> str | None:
    """Root stages for Prosody's group; any other agent is Prosody's user itself."""
    return site.group if site.user else None


def _put(host: LocalHost, site: Site, path: PurePosixPath, content: bytes | Secret) -> None:
    hidden = content if isinstance(content, Secret) else Secret(content)
    host.perform(WriteFile(path=path, content=hidden, mode=0o640, group=_group(site)))


def _check(
    host: LocalHost, spec: HostSpec, site: Site, prosody: Prosody, main: MainFile, staged: PurePosixPath
) -> None:
    """luac, Prosody's own loader, `check config`: each judged by what it says as well as by its status."""
    if prosody.luac is not None:
        compiled = host.query((str(prosody.luac), "-p", str(staged)), user=site.user, depends=())
        if compiled.code != 0:
            raise _refused(spec, site, main, staged, compiled)
    judging.check(host, spec, site, main, staged=host.read(staged) or b"")
    argv = (str(prosody.prosodyctl), "--config", str(staged), "check", "config")
    checked = host.query(argv, user=site.user, depends=())
    if checked.code == _FATAL:
        raise _refused(spec, site, main, staged, checked)
    if checked.code != 0:
        LOG.warning("config.checked", object=str(site.paths.config), reason=_words(checked))


def _words(completed: Completed) -> str:
    text = (completed.stdout + b"\n" + completed.stderr).decode(errors="replace")
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _refused(spec: HostSpec, site: Site, main: MainFile, staged: PurePosixPath, said: Completed) -> SpecError:
    """Told at the place in git that the candidate's line came from."""
    words = _words(said)
    line = re.search(rf"{re.escape(str(staged))}:(\d+):", words) or re.search(r"[Ll]ine (\d+)", words)
    words = words.replace(str(staged), str(site.paths.config))
    refusal = Refusal(text=words, line=int(line[1]) if line else 0)
    return SpecError([judging.explain(main, refusal, spec)])


def _clear(host: LocalHost, root: PurePosixPath) -> None:
    """Take the stage away again, deepest first."""
    for name in host.listdir(root) or ():
        info = host.stat(root / name)
        if info is not None and info.kind == "directory":
            _clear(host, root / name)
        elif info is not None:
            host.perform(RemoveFile(path=root / name, was=info.signature))
    if (info := host.stat(root)) is not None:
        host.perform(RemoveFile(path=root, was=info.signature))
