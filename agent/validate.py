"""`prosodist validate`: all mistakes of a directory of desired state, as a commit of it would be judged."""

from __future__ import annotations

from pathlib import Path

from agent.reading import Reader
from agent.source.tree import directory_tree
from schemas.errors import Mark, Mistake, SpecError
from schemas.load import Facts, host_names


def validate(directory: str, host: str | None) -> tuple[Mistake, ...]:
    """The mistakes of one host or of all, each once, in the order of their places. Raises SourceRefused.

    What only the host can judge (its own profile, the fence, Prosody's checks) is not judged here.
    """
    tree = directory_tree(Path(directory))
    names = host_names(tree) if host is None else (host,)
    if not names:
        return (Mistake(mark=Mark("hosts"), text="there is no host; write one as hosts/NAME.yaml"),)
    mistakes: set[Mistake] = set()
    for name in names:
        try:
            Reader(name=name, facts=Facts()).read(tree)
        except SpecError as error:
            mistakes.update(error.mistakes)
    return tuple(sorted(mistakes))
