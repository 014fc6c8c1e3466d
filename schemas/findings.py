"""The mistakes of one commit as they are found: marks and words; the way to each is looked up at the end."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from schemas.errors import Mark

MOST = 1000
"""Mistakes that are told at once: more than a person mends in one go, and few enough to cost nothing."""
_LONGEST_WORD = 100


class Enough(Exception):
    """More mistakes than are told at once were found; there is no use in looking for others."""


class Findings(Struct):
    """Collects, up to MOST; beyond it every method that adds a mistake raises Enough.

    Each (mark, text) counts once, however many hosts extend the body in which it stands.
    """

    _found: dict[tuple[Mark, str], bool] = field(default_factory=dict)
    _refused: set[Mark] = field(default_factory=set)
    _notation: set[tuple[Mark, str]] = field(default_factory=set)
    _of_maps: set[tuple[Mark, str]] = field(default_factory=set)
    _notes: dict[tuple[Mark, str], None] = field(default_factory=dict)
    _whole: bool = True

    def note(self, mark: Mark, text: str) -> None:
        """Worth telling and no mistake: the commit stands."""
        self._notes[mark, text] = None

    def add(self, mark: Mark, text: str) -> None:
        """A mistake that stands whatever else the commit says."""
        self._found[mark, text] = True
        self._stop_when_many()

    def miss(self, mark: Mark, text: str) -> None:
        """Something is not there. Told only when every file could be read whole: it may stand in the rest."""
        self._found.setdefault((mark, text), False)
        self._stop_when_many()

    def refuse(self, mark: Mark, text: str) -> None:
        """A mistake of the notation. The value there is doubtful, so nothing else is said about it."""
        self._found[mark, text] = True
        self._notation.add((mark, text))
        self.doubt(mark)
        self._stop_when_many()

    def doubt(self, mark: Mark) -> None:
        """What stands here may not be what was meant, so only the notation is told of it."""
        self._refused.add(mark)

    def break_off(self, mark: Mark, text: str) -> None:
        """The file cannot be read beyond this place."""
        self.lose_the_rest()
        self.refuse(mark, text)

    def lose_the_rest(self) -> None:
        """A file was not read to its end: what seems to be missing may stand there."""
        self._whole = False

    def add_to_map(self, mark: Mark, text: str) -> None:
        """A mistake of a map as a whole, whose mark in block style is also that of its first key."""
        self._of_maps.add((mark, text))
        self.add(mark, text)

    def miss_in_map(self, mark: Mark, text: str) -> None:
        """Something is not in a map."""
        self._of_maps.add((mark, text))
        self.miss(mark, text)

    def include(self, other: Findings) -> None:
        """All that another has found."""
        self._found |= other._found
        self._notes |= other._notes
        self._refused |= other._refused
        self._notation |= other._notation
        self._of_maps |= other._of_maps
        self._whole &= other._whole
        self._stop_when_many()

    def _stop_when_many(self) -> None:
        if len(self._found) > MOST:
            while len(self._found) > MOST:
                self._found.popitem()
            mark = next(reversed(self._found))[0]
            text = f"there are over {MOST} mistakes, and this is the last one told; mend these first"
            self._found[mark, text] = True
            self._notation.add((mark, text))
            raise Enough

    def adopt(self, other: Findings) -> None:
        """Take over what another found and stands whatever is said elsewhere."""
        certain = {found for found, is_certain in other._found.items() if is_certain}
        self._found |= dict.fromkeys(certain, True)
        self._refused |= other._refused
        self._notation |= other._notation & certain
        self._of_maps |= other._of_maps & certain

    def is_of_map(self, mark: Mark, text: str) -> bool:
        """Whether this was said of a map and not of its first key."""
        return (mark, text) in self._of_maps

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def is_whole(self) -> bool:
        """Whether every file could be read to its end."""
        return self._whole

    def certain(self) -> Iterable[tuple[Mark, str]]:
        """What stands whatever else is said elsewhere."""
        return [found for found, certain in self._found.items() if certain]

    def notes(self) -> Iterable[tuple[Mark, str]]:
        """What is no mistake, and stands whatever was meant where the notation is wrong."""
        return [(mark, text) for mark, text in self._notes if mark not in self._refused]

    def told(self) -> Iterable[tuple[Mark, str]]:
        """What is worth telling."""
        for (mark, text), certain in self._found.items():
            if not certain and not self._whole:
                continue
            if mark not in self._refused or (mark, text) in self._notation:
                yield mark, text


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The known name most like this one; empty when none is."""
    if len(word) > _LONGEST_WORD:
        return ""
    likely = [name for name in known if name and _may_be_like(word, name, cutoff)]
    if not likely:  # each option of a host is compared with our words, and nearly none is like any of them
        return ""
    import difflib

    close = difflib.get_close_matches(word, likely, n=1, cutoff=cutoff)
    return close[0] if close else ""


def _may_be_like(one: str, other: str, cutoff: float) -> bool:
    """Whether difflib's ratio can reach the cutoff at all: twice the letters that match over all letters of both.

    No more can match than the shorter has, and none that the other lacks.
    """
    least = cutoff * (len(one) + len(other)) / 2
    if len(one) < least or len(other) < least:
        return False
    here, there = set(one), set(other)
    return len(one) - len(here - there) >= least and len(other) - len(there - here) >= least
