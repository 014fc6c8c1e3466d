"""The candidate configuration, staged as a whole and checked before the first write.

Everything that evaluates it runs as the Prosody user: configuration is Lua code. What the plan would write and the
candidate names stands beside it in the stage, and the staged candidate names it there.
"""

from __future__ import annotations

import re
import secrets
from pathlib import PurePosixPath

from agent.host import LocalHost
from agent.log import LOG
from agent.overlay import Overlay, concerns
from reconcilers import judging
from reconcilers.candidate import render_candidate, render_trial
from reconcilers.contract import Completed, Prosody, Site
from reconcilers.mainfile import MainFile
from reconcilers.parsed import Refusal
from schemas.actions import RemoveFile
from schemas.desired import HostSpec
from schemas.errors import SpecError
from schemas.plan import Plan, Wait

_FATAL = 1
"""`prosodyctl check config`: 1 it does not parse, 2 it has something to say, 0 nothing to say."""


def check(host: LocalHost, spec: HostSpec, site: Site, plan: Plan) -> None:
    """Refuse a candidate that Prosody could not read. Raises SpecError with its places in git, and Temporary.

    It is checked when the plan writes it, and when the plan touches a file that it names: what it includes may be as
    wrong as itself.
    """
    _sweep(host, site)
    main = _candidate(host, spec, site)
    if main is not None and concerns(host, plan, spec, site, main.text):
        _stage(host, spec, site, plan, main)


def check_whole(host: LocalHost, spec: HostSpec, site: Site, plan: Plan) -> None:
    """The same, whatever the plan touches: for another Prosody than the one that is installed."""
    _sweep(host, site)
    main = _candidate(host, spec, site)
    if main is not None:
        _stage(host, spec, site, plan, main)


def _sweep(host: LocalHost, site: Site) -> None:
    for name in host.listdir(site.paths.stage) or ():
        _clear(host, site.paths.stage / name)  # an agent that was killed left it, with whatever secrets are in it


def _candidate(host: LocalHost, spec: HostSpec, site: Site) -> MainFile | None:
    main = render_candidate(host, spec, site)
    if isinstance(main, Wait):  # for a secret, say; the files that it includes need not wait
        main = render_trial(spec, site)
    return main if site.prosody is not None else None


def _stage(host: LocalHost, spec: HostSpec, site: Site, plan: Plan, main: MainFile) -> None:
    assert site.prosody is not None
    overlay = Overlay(host=host, spec=spec, site=site, root=site.paths.stage / secrets.token_hex(6), text=main.text)
    try:
        staged = overlay.lay_out(plan)
        _check(overlay, site.prosody, main, staged)
    finally:
        _clear(host, overlay.root)
        host.let_go(overlay.root)


def _check(overlay: Overlay, prosody: Prosody, main: MainFile, staged: PurePosixPath) -> None:
    """Prosody's own loader, luac, `check config`: each judged by what it says as well as by its status.

    The loader comes first, since it tells all that it finds.
    """
    host, spec, site = overlay.host, overlay.spec, overlay.site
    judging.check(host, spec, site, main, staged=overlay.text, rename=overlay.real)
    if prosody.luac is not None:
        compiled = host.query((str(prosody.luac), "-p", str(staged)), user=site.user, depends=())
        if compiled.code != 0:
            raise _refused(overlay, main, staged, compiled)
    argv = (str(prosody.prosodyctl), "--config", str(staged), "check", "config")
    checked = host.query(argv, user=site.user, depends=())
    if checked.code == _FATAL:
        raise _refused(overlay, main, staged, checked)
    if checked.code != 0:
        LOG.warning("config.checked", object=str(site.paths.config), reason=overlay.real(_words(checked)))


def _words(completed: Completed) -> str:
    text = (completed.stdout + b"\n" + completed.stderr).decode(errors="replace")
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _refused(overlay: Overlay, main: MainFile, staged: PurePosixPath, said: Completed) -> SpecError:
    """Told at the place in git that the candidate's line came from."""
    words = _words(said)
    line = re.search(rf"{re.escape(str(staged))}:(\d+):", words) or re.search(r"[Ll]ine (\d+)", words)
    words = overlay.real(words.replace(str(staged), str(overlay.site.paths.config)))
    refusal = Refusal(text=words, line=int(line[1]) if line else 0)
    return SpecError([judging.explain(main, refusal, overlay.spec)])


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
