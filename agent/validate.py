"""`prosodist validate`: all mistakes of a directory of desired state, as a commit of it would be judged."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent.elsewhere import lua_judge
from agent.reading import Reader, Renderer
from agent.source.tree import directory_tree
from schemas.errors import Mark, Mistake, SpecError
from schemas.load import Facts, host_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What is wrong, and what is worth knowing besides: what could not be checked on this machine, say."""

    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...] = ()


def validate(directory: str, host: str | None) -> Validation:
    """The mistakes of one host or of all, each once, in the order of their places. Raises SourceRefused.

    What only the host can judge (its own profile, the fence, files that it includes) is not judged here.
    """
    tree = directory_tree(Path(directory))
    names = host_names(tree) if host is None else (host,)
    if not names:
        return Validation(
            mistakes=(Mistake(mark=Mark("hosts"), text="there is no host; write one as hosts/NAME.yaml"),)
        )
    mistakes: set[Mistake] = set()
    notes: dict[str, None] = {}
    for name in names:
        with closing(Renderer()) as renderer:
            judge, why_not = lua_judge(name, renderer)
            try:
                spec = Reader(name=name, facts=Facts(), lua=judge).read(tree)
            except SpecError as error:
                mistakes.update(error.mistakes)
            else:
                notes |= dict.fromkeys(map(str, spec.notes))
                mistakes.update(judge.document(spec) if judge else ())
        if why_not:
            notes[why_not] = None
    return Validation(mistakes=tuple(sorted(mistakes)), notes=tuple(notes))
