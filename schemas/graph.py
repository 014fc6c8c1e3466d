"""What extends what, in the order in which it is laid down. Serves files, bodies and names alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator


def linearize(
    starts: Iterable[str], parents: Callable[[str], Iterable[str]], on_cycle: Callable[[str, str], None]
) -> list[str]:
    """Every name that can be reached, each once and after what it extends; the starts in their order.

    Iterative, for a commit decides how long a chain is. `on_cycle(name, parent)` hears of what closes one.
    """
    done: dict[str, None] = {}
    for start in starts:
        if start in done:
            continue
        way: dict[str, Iterator[str]] = {start: iter(parents(start))}
        while way:
            name = next(reversed(way))
            parent = next(way[name], None)
            if parent is None:
                done[name] = None
                del way[name]
            elif parent in way:
                on_cycle(name, parent)
            elif parent not in done:
                way[parent] = iter(parents(parent))
    return list(done)
