"""What else is wrong with a commit whose document cannot be loaded: told with it, not one push later."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from schemas.documents import Tree
from schemas.errors import Mistake
from schemas.glimpse import Glimpse


def lint_templates(seen: Glimpse, tree: Tree) -> Iterator[Mistake]:
    """The templates that the document names. What cannot be read of it may give them any name that stands there."""
    from reconcilers.lint import lint

    unread = seen.unread or ""
    words = frozenset(re.findall(r"\w+", unread))
    for path, names in seen.templates.items():
        yield from lint(path, tree[path].data, None if seen.unread is None else names | words)
    for path in tree:
        if path.endswith(".j2") and path in unread and path not in seen.templates:
            yield from lint(path, tree[path].data, None)


def beyond_the_fence(seen: Glimpse, home: str | None, may_write: Callable[[PurePosixPath], str]) -> Iterator[Mistake]:
    """Paths that a push may not write; one with a name in it that only the whole document knows is passed over."""
    for path, mark in seen.paths:
        plain = path.replace("<home>", home) if home else path
        if plain.startswith("/") and "<" not in plain and ".." not in plain.split("/"):
            why = may_write(PurePosixPath(plain))
            if why:
                yield Mistake(mark=mark, subject=f"files.{plain}", text=f"a push may not write there: {why}")
