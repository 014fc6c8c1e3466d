"""The table "Drift" of docs/desired-state.md, cell by cell."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from reconcilers.drift import judge
from schemas.actions import Keep, RemoveFile
from schemas.plan import Change, DriftClass, Holds, Kind, Policy
from schemas.record import Owned

PAGE = Path(__file__).parent.parent.parent / "docs/desired-state.md"
OBJECT = "file:/etc/motd"
WISH, OTHER = "as git says", "as git said before"
WRITTEN, EDITED = "as we wrote it", "as somebody edited it"

SEEN = {
    "git changed": {"wanted": WISH, "live": WRITTEN, "wish": OTHER},
    "host changed": {"wanted": WISH, "live": EDITED, "wish": WISH},
    "both changed": {"wanted": WISH, "live": EDITED, "wish": OTHER},
    "gone from git": {"wanted": None, "live": WRITTEN, "wish": OTHER},
    "gone from git and edited": {"wanted": None, "live": EDITED, "wish": OTHER},
    "deleted on the host": {"wanted": WISH, "live": None, "wish": WISH},
}
TABLE = {
    ("git changed", Policy.CORRECT): (DriftClass.INTENDED, "applied"),
    ("git changed", Policy.DETECT): (DriftClass.INTENDED, "applied"),
    ("git changed", Policy.IGNORE): (DriftClass.INTENDED, "left"),
    ("host changed", Policy.CORRECT): (DriftClass.CORRECTIVE, "kept and applied"),
    ("host changed", Policy.DETECT): (DriftClass.CORRECTIVE, "reported"),
    ("host changed", Policy.IGNORE): (DriftClass.CORRECTIVE, "left"),
    ("both changed", Policy.CORRECT): (DriftClass.CONFLICT, "kept and applied"),
    ("both changed", Policy.DETECT): (DriftClass.CONFLICT, "kept and applied"),
    ("both changed", Policy.IGNORE): (DriftClass.CONFLICT, "left"),
    ("gone from git", Policy.CORRECT): (DriftClass.PRUNE, "applied"),
    ("gone from git", Policy.DETECT): (DriftClass.PRUNE, "reported"),
    ("gone from git", Policy.IGNORE): (DriftClass.PRUNE, "let go of"),
    ("gone from git and edited", Policy.CORRECT): (DriftClass.PRUNE, "kept and applied"),
    ("deleted on the host", Policy.CORRECT): (DriftClass.CORRECTIVE, "applied"),
    ("deleted on the host", Policy.DETECT): (DriftClass.CORRECTIVE, "reported"),
    ("deleted on the host", Policy.IGNORE): (DriftClass.CORRECTIVE, "left"),
}


def change(policy: Policy, wanted: str | None, live: str | None) -> Change:
    removal = RemoveFile(path=PurePosixPath("/etc/motd"), was=())  # type: ignore[arg-type]
    kind = Kind.CHANGED if wanted else Kind.REMOVED
    return Change(id=OBJECT, kind=kind, why="differs", actions=(removal,), wanted=wanted, live=live, policy=policy)


def owned(wish: str, *, made: bool = True) -> dict[str, Owned]:
    ours = Owned(id=OBJECT, reconciler="files", wish=wish, digest=WRITTEN, revision="", made=made)
    return {OBJECT: ours}


@pytest.mark.parametrize(("seen", "policy"), TABLE)
def test_each_cell(seen: str, policy: Policy) -> None:
    """What is done, how it is called, and whether what lies there is kept first."""
    drift, outcome = TABLE[seen, policy]
    case = SEEN[seen]
    judged = judge([change(policy, case["wanted"], case["live"])], owned(str(case["wish"])))
    done = [verdict for verdict in judged.verdicts if isinstance(verdict, Change)]
    assert len(done) == outcome.endswith("applied")
    assert len(judged.reported) == (outcome == "reported")
    assert [(gone.id, gone.actions) for gone in judged.released] == [(OBJECT, ())] * (outcome == "let go of")
    assert [type(verdict) for verdict in judged.verdicts if verdict not in done] == [Holds] * (outcome == "left")
    for verdict in (*done, *judged.reported):
        assert verdict.drift is drift
    for verdict in done:
        assert isinstance(verdict.actions[0], Keep) == outcome.startswith("kept")


def test_ignored_things_are_made_when_absent() -> None:
    """Once; and what lies there already is left."""
    (made,) = judge([change(Policy.IGNORE, WISH, None)], {}).verdicts
    assert isinstance(made, Change)
    (left,) = judge([change(Policy.IGNORE, WISH, EDITED)], {}).verdicts
    assert isinstance(left, Holds)


def test_what_we_did_not_make_is_let_go_of() -> None:
    """It was there before, and as git wanted it."""
    (gone,) = judge([change(Policy.CORRECT, None, WRITTEN)], owned(WISH, made=False)).released
    assert (gone.kind, gone.why.partition("; ")[2]) == (Kind.RELEASED, "it was here before prosodist, and stays")


def test_what_lay_there_before_is_kept() -> None:
    """The first time that git names the place."""
    (made,) = judge([change(Policy.CORRECT, WISH, EDITED)], {}).verdicts
    assert isinstance(made, Change) and isinstance(made.actions[0], Keep)


def test_the_page_has_these_rows() -> None:
    """And one for what was never in git, of which no reconciler tells yet."""
    table = PAGE.read_text().partition("| what is seen |")[2].partition("\n\n")[0]
    assert re.findall(r"\(\*(\w+)\*\)", table) == [word.value for word in DriftClass]
