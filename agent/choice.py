"""Which commit is enforced.

The branch's tip when it descends from the newest accepted revision, loads without a mistake and was not rejected;
else the newest accepted one; else the last good one. Loss of git, a bad commit and a rewritten history all end in
the same place: what was right before is kept and enforced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from agent.source import Source, Tree
from agent.state import Anchor, State
from agent.telling import Telling
from schemas.desired import HostSpec
from schemas.errors import AgentError, SourceRefused, SpecError, Temporary


class Target(Struct, frozen=True, kw_only=True):
    """What a pass enforces."""

    spec: HostSpec
    revision: str


class Read(Protocol):
    """Reads a revision's tree; `accepted`: it was accepted before."""

    def __call__(self, tree: Tree, *, accepted: bool) -> HostSpec:
        """Raises SpecError."""


class Choice:
    """Asks the source, loads what it offers, and remembers what was accepted."""

    def __init__(
        self,
        state: State,
        source: Source,
        anchor: Anchor,
        read: Read,
        telling: Telling,
    ) -> None:
        self._state, self._source, self._anchor, self._read, self._telling = state, source, anchor, read, telling
        self._specs: dict[str, HostSpec] = {}
        self._mistaken: tuple[str, SpecError] | None = None
        self.refusal: AgentError | None = None
        """Why the branch's tip is not what is enforced."""

    def choose(self, *, anew: bool = False) -> Target | None:
        """The target of a pass; None when nothing can be enforced. What is new is told and remembered.

        `anew`: a commit that was refused is read again, for the host may have what it lacked then.
        """
        if anew:
            self._mistaken = None
        return self._choose(self._accept)

    def retry(self) -> Target | None:
        """The same at a person's word: what the tip was rejected for may have been cured outside of git."""
        self._mistaken = None
        return self._choose(self._accept_again)

    def look(self) -> Target | None:
        """The same, and nothing is told, accepted or written."""
        self.refusal = None
        try:
            return self._offered(self._source.fetch())
        except AgentError as error:
            self.refusal = error
        return self._former()

    def good(self) -> Target | None:
        """The last good state; None when there is none, or none that can still be read."""
        good = self._state.marks().good
        try:
            return None if good is None else Target(spec=self._spec(good), revision=good)
        except AgentError:
            return None

    def _choose(self, accept: Callable[[str], Target]) -> Target | None:
        self.refusal = None
        try:
            tip = self._source.fetch()
        except (Temporary, SourceRefused) as error:
            self._telling.unreachable(error)
            self.refusal = error
        else:
            self._telling.reachable()
            try:
                return accept(tip)
            except AgentError as error:
                self.refusal = error
                self._telling.refused(tip, error)
        return self._former()

    def _accept(self, tip: str) -> Target:
        self._take(tip)
        return self._offered(tip)

    def _accept_again(self, tip: str) -> Target:
        self._state.unreject(self._take(tip).digest)
        return self._offered(tip)

    def _take(self, tip: str) -> HostSpec:
        """Make the tip the newest accepted one. Killed on the way, it is taken anew: the state comes last."""
        try:
            tip = self._source.choose(tip, self._accepted())
            spec = self._spec(tip)
        except AgentError:
            self._state.mark(attempted=tip)
            raise
        if self._state.marks().accepted != tip:
            self._source.keep("accepted", tip)
            self._telling.unanchored(self._anchor.write(tip))
            self._state.mark(attempted=tip, accepted=tip)
            self._telling.accepted(tip, self._source.describe(tip))
        return spec

    def _offered(self, tip: str) -> Target:
        """The tip, when it may be enforced."""
        tip = self._source.choose(tip, self._accepted())
        spec = self._spec(tip)
        reason = self._state.rejected(spec.digest)
        if reason is not None:
            raise self._rejection(tip, reason)
        return Target(spec=spec, revision=tip)

    def _rejection(self, tip: str, reason: str) -> AgentError:
        """In the words of the pass that rejected it, when it was this very commit."""
        mistakes = self._telling.mistakes(tip)
        if mistakes:
            return SpecError(mistakes)
        return SourceRefused(
            f"commit {tip[:12]}: rejected before ({reason})",
            revision=tip,
            remedy="correct it, or `prosodist reconcile` tries it again",
        )

    def _accepted(self) -> str | None:
        """The newest accepted revision: the state's word, or the second copy's when the state is new."""
        return self._state.marks().accepted or self._anchor.read()

    def _former(self) -> Target | None:
        for revision in (self._accepted(), self._state.marks().good):
            if revision is None:
                continue
            try:
                spec = self._spec(revision)
            except AgentError:
                continue  # a mistake that only this version of the agent knows, or a mirror that lost it
            if self._state.rejected(spec.digest) is None:
                return Target(spec=spec, revision=revision)
        return None

    def _spec(self, revision: str) -> HostSpec:
        """Loaded once; only what may still be enforced stays in memory. Raises SpecError."""
        if self._mistaken is not None and self._mistaken[0] == revision:
            raise self._mistaken[1]  # a commit that takes ten seconds to be refused costs them once
        spec = self._specs.get(revision)
        if spec is None:
            marks = self._state.marks()
            try:
                spec = self._read(self._source.tree(revision), accepted=revision in (marks.accepted, marks.good))
            except SpecError as error:
                self._mistaken = revision, error
                raise
            kept = {revision, marks.good, marks.accepted}
            self._specs = {r: s for r, s in self._specs.items() if r in kept} | {revision: spec}
        return spec
