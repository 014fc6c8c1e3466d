"""What can go wrong, as types.

AgentError
├── SettingsError     the host's own settings are wrong: say so and end (exit 78)
├── SourceRefused     git offers something that may not be taken (exit 77)
│   └── HistoryRewritten
├── SpecError         this commit cannot be right; wait for another
├── Temporary         network, lock, rate limit: try again after `retry_after`
│   ├── Stale         the host is no longer as the plan saw it: look again
│   └── Excessive     a program took or said more than it may
├── ActionFailed      one action did not do what it says
├── NotConverging     the same change was wanted again right after it was made
├── Contested         somebody else writes the same object
├── Unhealthy         the service is not well after an activation
└── Stalled           a person must act
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Mark(Struct, frozen=True, order=True, gc=False):
    """A place in the repository. `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


class Mistake(Struct, frozen=True, kw_only=True, order=True):
    """One mistake of a commit: where, about what, and what to write instead.

    `subject` is the dotted way to the value (`files./etc/motd.mode`), empty for a mistake of the notation.
    `text` says what is wrong and what to do; it never holds a secret.
    """

    mark: Mark
    subject: str = ""
    text: str

    def __str__(self) -> str:
        subject = f"{self.subject}: " if self.subject else ""
        return f"{self.mark}: {subject}{self.text}"


class AgentError(Exception):
    """The root of everything that this program raises on purpose."""

    reason = "Error"
    """CamelCase, stable: what conditions, logs and `-o json` call it."""


class SettingsError(AgentError):
    """The settings on the host are wrong."""

    reason = "BadSettings"


class SourceRefused(AgentError):
    """The repository offers a commit that may not be taken. `remedy` names the command that helps."""

    reason = "SourceRefused"

    def __init__(self, text: str, *, revision: str | None = None, remedy: str = "") -> None:
        super().__init__(f"{text}; {remedy}" if remedy else text)
        self.revision = revision
        self.remedy = remedy


class HistoryRewritten(SourceRefused):
    """The branch does not descend from the newest accepted revision."""

    reason = "HistoryRewritten"


class SpecError(AgentError):
    """This commit cannot be right: all its mistakes, in the order of their places, and what else was noted."""

    reason = "ValidationFailed"

    def __init__(self, mistakes: Iterable[Mistake], notes: Iterable[Mistake] = ()) -> None:
        self.mistakes: tuple[Mistake, ...] = tuple(sorted(set(mistakes)))
        self.notes: tuple[Mistake, ...] = tuple(sorted(set(notes)))
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))

    def __reduce__(self) -> tuple[type[SpecError], tuple[tuple[Mistake, ...], tuple[Mistake, ...]]]:
        return SpecError, (self.mistakes, self.notes)


class Temporary(AgentError):
    """Worth trying again. `retry_after` is in seconds; None leaves it to the next interval."""

    reason = "Temporary"

    def __init__(self, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Stale(Temporary):
    """An object moved between the look and the deed. Nothing was done to it; the next round sees it as it is."""

    reason = "Stale"

    def __init__(self, text: str) -> None:
        super().__init__(text, retry_after=0.0)


class Excessive(Temporary):
    """A program took more time or said more than it may, and was killed. Whose fault that is, who asked for it knows.

    `words` tell what it did, as a clause without its subject.
    """

    reason = "Excessive"

    def __init__(self, program: str, words: str) -> None:
        super().__init__(f"{program}: it {words} and was killed; run it by hand")
        self.words = words


class ActionFailed(AgentError):
    """One action did not do what it says; the text begins with its object and tells what to do."""

    reason = "ApplyFailed"


class CheckRefused(ActionFailed):
    """A program that git names found a file wrong; nothing was done, and the same bytes are not tried at once again."""

    reason = "CheckRefused"


class NotConverging(AgentError):
    """The same change, with the same actions, was wanted again although what was written still lies there."""

    reason = "NotConverging"


class Contested(AgentError):
    """Somebody else writes the same object."""

    reason = "Contested"


class Unhealthy(AgentError):
    """A rung of the health ladder failed after an activation."""

    reason = "HealthCheckFailed"

    def __init__(self, rung: str, words: str) -> None:
        super().__init__(f"{rung}: {words}")
        self.rung = rung
        self.words = words


class Stalled(AgentError):
    """Neither forward nor back works: hands off until a person acts."""

    reason = "Stalled"
