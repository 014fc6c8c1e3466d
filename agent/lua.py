"""The Lua of a commit that is refused anyway, judged with the rest: by Prosody's loader, where there is one.

Of a commit that has no other mistake it is judged in the pass, on the real configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from reconcilers.candidate import render_trial
from reconcilers.contract import Reader, Site
from reconcilers.judging import compile_alone, judge_trial
from reconcilers.plugins import compile_modules
from reconcilers.sourced import pieces
from schemas.desired import HostSpec
from schemas.errors import Mistake, SpecError, Temporary
from schemas.fragments import Fragment


class LuaJudge:
    """Judges before the host is looked at. Where no Prosody is installed, or Lua cannot be run, it says nothing."""

    def __init__(self, reader: Reader, site: Callable[[Reader], Site]) -> None:
        self._reader, self._site = reader, site

    def fragments(self, fragments: tuple[Fragment, ...]) -> tuple[Mistake, ...]:
        """What of a document that cannot be loaded does not compile."""
        site = self._site(self._reader)
        if site.prosody is None or not fragments:
            return ()
        try:
            return tuple(compile_alone(self._reader, site, fragments))
        except Temporary:
            return ()

    def modules(self, spec: HostSpec) -> tuple[Mistake, ...]:
        """What of the modules that this repository brings does not compile."""
        site = self._site(self._reader)
        try:
            return tuple(compile_modules(self._reader, site, pieces(self._reader, spec, site).values()))
        except Temporary:
            return ()

    def document(self, spec: HostSpec, *, mistaken: Collection[str] = ()) -> tuple[Mistake, ...]:
        """What Prosody would not load of this document; `mistaken` templates are told already."""
        prosody = spec.host.prosody
        if prosody is None or prosody.template in mistaken:
            return ()
        site = self._site(self._reader)
        try:
            trial = render_trial(spec, site)
            if trial is not None:
                judge_trial(self._reader, spec, site, trial)
        except SpecError as error:
            return error.mistakes
        except Temporary:
            pass
        return ()
