"""A candidate judged by Prosody's own loader: every refusal, each at its place in git."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from reconcilers.candidate import included
from reconcilers.contract import Reader, Site
from reconcilers.included import culprit, in_plain_text, not_loaded
from reconcilers.mainfile import MainFile
from reconcilers.parsed import Answer, Parsed, Refusal, parse
from schemas.desired import HostSpec
from schemas.errors import Mark, Mistake, SpecError
from schemas.fragments import Fragment

_MOST = 100
"""Mistakes of one candidate: each costs another reading of the rest."""

Rename = Callable[[str], str]
"""Words about staged files → the same words about the real ones."""


def check(
    reader: Reader, spec: HostSpec, site: Site, main: MainFile, *, staged: bytes | None = None, rename: Rename = str
) -> Parsed:
    """Have Prosody's loader read the candidate, or its staged text. Raises SpecError with every mistake."""
    assert site.prosody is not None
    prosody, depends = site.prosody, included(spec)
    text = main.text if staged is None else staged
    answer = parse(reader, site, prosody, text, fragments=main.fragments, depends=depends)
    (said,) = answer.texts
    mistakes = list(judge_fragments(main.fragments, answer, _file(spec)))
    if mistakes:
        text = _without_broken(main, spec, answer, text)
        (said,) = parse(reader, site, prosody, text, depends=depends).texts
    while isinstance(said, Refusal) and len(mistakes) < _MOST:
        refusal = replace(said, text=rename(said.text))
        mistakes.append(explain(main, refusal, spec))
        rest = main.without(text, _line(main, refusal, spec))
        if rest == text or not said.is_answer:
            break
        text = rest
        (said,) = parse(reader, site, prosody, text, depends=depends).texts
    if mistakes:
        raise SpecError(mistakes)
    assert isinstance(said, Parsed), "what is refused is a mistake"
    if main.template is None:
        _refuse_early_end(main, said, spec)
    return said


def judge_trial(reader: Reader, spec: HostSpec, site: Site, trial: MainFile) -> None:
    """Check the configuration by itself: files that it includes may not be there yet. Raises SpecError, Temporary."""
    prosody = spec.host.prosody
    text = trial.text
    for place, _ in enumerate(prosody.include if prosody else ()):
        text = trial.without(text, trial.line_of(spec.origin("prosody", "include", place)))
    check(reader, spec, site, trial, staged=text)


def compile_alone(reader: Reader, site: Site, fragments: tuple[Fragment, ...]) -> Iterator[Mistake]:
    """What is no Lua, where there is no candidate to judge. Raises Temporary."""
    assert site.prosody is not None
    answer = parse(reader, site, site.prosody, fragments=fragments)
    return judge_fragments(fragments, answer, Mark("hosts"))


def judge_fragments(fragments: tuple[Fragment, ...], answer: Answer, otherwise: Mark) -> Iterator[Mistake]:
    """What Lua says of each fragment by itself, at its own line; `otherwise` where no place is known."""
    for fragment, said in zip(fragments, answer.fragments, strict=True):
        if said is not None:
            text = f"{said.text}; Lua must be whole by itself, so correct it here"
            yield Mistake(mark=fragment.place(said.line) or otherwise, subject="lua", text=text)


def explain(main: MainFile, refusal: Refusal, spec: HostSpec) -> Mistake:
    """Lua's word about a line of the candidate, at the place that said it, its secrets masked."""
    found = culprit(spec, refusal.text)
    mark, text = (found[0].place(found[1]), found[2]) if found else (main.origin(refusal.line), refusal.text)
    placeless = not refusal.is_answer or text == "not enough memory"
    mark = mark or not_loaded(spec, refusal.text) or (_only_lua(main) if placeless else None)
    if found and found[0].is_secret:
        text = f"line {found[1]} of {found[0].path} (what Lua says of it is not told, for it may quote the secret)"
    for secret in main.secrets:
        text = text.replace(secret.reveal().decode(errors="replace"), "***")
    return Mistake(mark=mark or _file(spec), subject="prosody", text=f"Prosody would not load this: {text}; correct it")


def _only_lua(main: MainFile) -> Mark | None:
    """The one place that can be to blame for a reading that gives no answer; None where there are several, or none."""
    places = {fragment.origin for fragment in main.fragments}
    return places.pop() if len(places) == 1 else None


def _line(main: MainFile, refusal: Refusal, spec: HostSpec) -> int:
    """The candidate's line that is refused; of an included file the line that includes it."""
    found = culprit(spec, refusal.text)
    return main.line_of(found[0].include if found else not_loaded(spec, refusal.text)) or refusal.line


def _without_broken(main: MainFile, spec: HostSpec, answer: Answer, text: bytes) -> bytes:
    """What is left when whatever does not compile is taken out: fragments, and lines that include files."""
    lines = (*main.starts, *(main.line_of(file.include) for file in in_plain_text(spec)))
    for line, said in zip(lines, answer.fragments, strict=main.template is None):
        if said is not None:
            text = main.without(text, line)
    return text


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
    if name.isascii():
        return name.lower()
    from encodings.idna import nameprep  # brings tables that few hosts need

    try:
        return nameprep(name)
    except UnicodeError:
        return name


def _file(spec: HostSpec) -> Mark:
    return spec.origin("prosody") or Mark(f"hosts/{spec.name}.yaml")
