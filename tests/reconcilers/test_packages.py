"""Packages of apt: what is to be done about each, by what dpkg remembers and what apt has on offer."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from world import World, spec

from agent import apt, look, processes
from agent.look import Memory
from reconcilers import dpkg, drift, packages
from reconcilers.apt import offers
from reconcilers.apt.choose import Candidate
from reconcilers.apt.have import Have
from reconcilers.apt.offers import Asking, Offers
from reconcilers.apt.together import together
from reconcilers.apt.wanted import wanted
from reconcilers.contract import Completed, Site
from schemas.actions import AskApt, Control, Hold, Install, Pick, Remove
from schemas.desired import HostSpec
from schemas.errors import Temporary
from schemas.plan import Change, Holds, Instant, Kind, Verdict, Wait
from schemas.record import Owned

OFFER = tuple(Candidate(version=f"{number}.0-1", priority=500, suites=("stable",)) for number in (3, 2, 1))
ASKED = Offers(updated=1000.0, said="x", lists=7, candidates=dict.fromkeys(("a", "b", "c", "prosody"), OFFER))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A Debian host that allows a push nothing."""
    world = World(tmp_path, Path("/usr/bin/prosody"))
    return replace(world.site, profile="debian", allows=lambda word, value: False)


def _wish(prosody: Mapping[str, Any] | None = None, **apt: Any) -> HostSpec:
    said = {name: {"version": wish} if isinstance(wish, str) else wish for name, wish in apt.items()}
    return spec(prosody, profile="debian", packages={"apt": said})


def _owned(**wishes: str) -> dict[str, Owned]:
    """Packages that we installed."""
    return {
        f"package:{name}": Owned(id=f"package:{name}", reconciler="packages", wish=wish, digest="", revision="")
        for name, wish in wishes.items()
    }


def _plan(wish: HostSpec, site: Site, owned: Mapping[str, Owned] | None = None, **seen: Any) -> dict[str, Verdict]:
    have = Have(**{"wanted": wanted(wish, site), "offers": ASKED, **seen})
    return {verdict.id: verdict for verdict in packages.plan(wish, have, owned or {}, site)}


def _change(verdict: Verdict) -> Change:
    assert isinstance(verdict, Change), verdict
    return verdict


def _why(verdict: Verdict) -> str:
    assert isinstance(verdict, Wait), verdict
    return verdict.why


def test_one_run_brings_what_a_round_installs(site: Site) -> None:
    """The first change takes the others along; an upgrade of Prosody, which is judged before, goes by itself."""
    said = _wish({"version": "3"}, a="1", b="latest", c="present")
    fresh = [_change(verdict) for verdict in together(_plan(said, site).values())]
    assert [change.id for change in fresh] == ["package:prosody", "package:a", "package:b", "package:c"]
    along = (Pick(name="a", version="1.0-1"), Pick(name="b", version="3.0-1"), Pick(name="c", version="3.0-1"))
    assert fresh[0].actions[-1] == Install(packages=(Pick(name="prosody", version="3.0-1"),), along=along)
    assert fresh[1].actions == (Install(packages=along[:1]),)
    upgrade = {v.id: v for v in together(_plan(said, site, installed={"prosody": "2.0-1"}).values())}
    assert _change(upgrade["package:prosody"]).actions == (Install(packages=(Pick(name="prosody", version="3.0-1"),)),)
    assert _change(upgrade["package:a"]).actions == (Install(packages=along[:1], along=along[1:]),)


def test_what_is_only_told_is_brought_along_by_nobody(site: Site) -> None:
    """`drift: detect`: it was there, somebody removed it, and nothing may be done about it."""
    said = _wish(a="1", b={"version": "1", "drift": "detect"})
    ours = {"package:b": replace(_owned(b="1")["package:b"], digest="1.0-1")}
    judged = drift.judge(_plan(said, site, ours).values(), ours)
    assert [change.id for change in judged.reported] == ["package:b"]
    (change,) = map(_change, together(judged.verdicts))
    assert change.actions == (Install(packages=(Pick(name="a", version="1.0-1"),)),)


def test_apt_is_asked_before_anything_is_chosen(site: Site) -> None:
    """Once for all; what is wanted `latest`, and was so when it was asked last, holds until then."""
    said = _wish(a="1", b="latest", c="present")
    asking = Asking(why="are older than an hour", update=True)
    verdicts = _plan(said, site, installed={"b": "2.0-1", "c": "0.5"}, asking=asking, said="y")
    assert _change(verdicts["lists:apt"]).actions == (AskApt(packages=("a", "b"), update=True, said="y"),)
    assert "asked first" in _why(verdicts["package:a"])
    assert isinstance(verdicts["package:b"], Holds) and isinstance(verdicts["package:c"], Holds)


def test_what_was_here_before_is_neither_removed_nor_downgraded(site: Site) -> None:
    """Unless the host allows it for that package; what we brought, a push may take back."""
    older, gone = _wish(a="1"), _wish(a="absent")
    installed = {"a": "2.0-1"}
    words = "write allow: {packages: [a]} in agent.yaml on the host"
    for said in (older, gone):
        assert words in _why(_plan(said, site, installed=installed)["package:a"])
        open_ = replace(site, allows=lambda word, value: (word, value) == ("packages", "a"))
        assert isinstance(_plan(said, open_, installed=installed)["package:a"], Change)
        ours = _plan(said, site, _owned(a="2"), installed=installed)
        assert isinstance(ours["package:a"], Change)
    assert isinstance(_plan(gone, site)["package:a"], Holds)


def test_what_another_needs_stays(site: Site) -> None:
    """Gone from git it is let go of; said to be absent, it is told who needs it. Else it is removed, and comes last."""
    installed = {"a": "1.0-1", "b": "1.0-1"}
    verdicts = _plan(_wish(), site, _owned(a="1", b="1"), installed=installed, needed={"a": "nginx"})
    kept, removed = _change(verdicts["package:a"]), _change(verdicts["package:b"])
    assert kept.kind is Kind.RELEASED and "it stays, since nginx needs it" in kept.why
    assert removed.kind is Kind.REMOVED and removed.is_removal and removed.loses_data
    assert removed.actions == (Remove(package="b"),)
    said = _plan(_wish(a="absent"), site, _owned(a="1"), installed=installed, needed={"a": "nginx"})
    assert "cannot be removed while nginx needs it" in _why(said["package:a"])
    before = replace(_owned(b="1")["package:b"], made=False)
    assert _change(_plan(_wish(), site, {before.id: before}, installed=installed)[before.id]).kind is Kind.RELEASED


def test_only_what_git_says_is_absent_makes_room(site: Site) -> None:
    """What is gone from git is removed after all else, and by no other package's wish."""
    said = _wish(a="1", b="absent")
    verdicts = _plan(said, site, _owned(b="1", c="1"), installed={"b": "1.0-1", "c": "1.0-1"})
    (install,) = next(v for v in map(_change, together(verdicts.values())) if v.id == "package:a").actions
    assert isinstance(install, Install) and install.without == ("b",)
    assert _change(verdicts["package:b"]).actions == (Remove(package="b"),)
    assert not _change(verdicts["package:b"]).is_removal, "git says so itself: it is not counted"


def test_what_waits_for_a_word_goes_along_with_nobody(site: Site) -> None:
    """One that git says is absent is removed; those gone from git are held, and are not removed with it."""
    said = spec(None, profile="debian", packages={"apt": {"a": {"version": "absent"}}}, prune={"confirm_above": 1})
    owned = _owned(a="1", b="1", c="1")
    verdicts = _plan(said, site, owned, installed=dict.fromkeys("abc", "1.0-1"))

    def allowed(confirmed: str | None = None) -> dict[str, tuple[Any, ...]]:
        memory = Memory(owned={packages.NAME: owned}, fights={}, confirmed=confirmed)
        agreed, _ = look.hold(list(verdicts.values()), said, memory, "revision")
        return {change.id: change.actions for change in map(_change, agreed)}

    assert allowed() == {"package:a": (Remove(package="a"),)}
    _, held = look.hold(list(verdicts.values()), said, Memory(owned={}, fights={}), "revision")
    assert allowed(look.name_held(held, "revision"))["package:a"] == (Remove(package="a", along=("b", "c")),)


def test_a_prosody_that_is_there_needs_no_mirror(site: Site) -> None:
    """Only before there is one does all of a commit fail with the lists."""
    said, asking = _wish({"version": "3"}, a="latest"), Asking(why="", update=True)
    assert _change(_plan(said, site, asking=asking)["lists:apt"]).touches == {"prosody"}
    there = {"prosody": "2.0-1", "a": "1.0-1"}
    assert not _change(_plan(said, site, asking=asking, installed=there)["lists:apt"]).touches


def test_a_mirror_that_is_away_is_left_alone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as what is waited for, and asked again after some minutes; one that git names now, at once."""
    world = World(tmp_path, Path("/usr/bin/prosody"))
    monkeypatch.setattr(apt, "_check_free", lambda *_: None)
    monkeypatch.setattr(processes, "run", lambda *_, **__: Completed(code=100, stdout=b"", stderr=b"E: no route"))
    with pytest.raises(Temporary):
        world.host.perform(AskApt(packages=("a",), update=True, said="y"))
    asking = Asking(why="were never read", update=True)
    spared = offers.spare(world.host, asking, "y")
    verdict = _plan(_wish(a="1"), replace(world.site, profile="debian"), asking=spared)["lists:apt"]
    assert (
        isinstance(verdict, Wait)
        and "E: no route" in verdict.why
        and verdict.until == Instant(world.now + offers.PAUSE)
    )
    assert offers.spare(world.host, asking, "other") == asking
    world.now += offers.PAUSE
    assert offers.spare(world.host, asking, "y") == asking


def test_a_hold_is_gits_or_somebody_elses(site: Site) -> None:
    """Ours is put right, lifted for an upgrade, and taken away when git no longer says it; another's stays."""
    held, free = _wish(a={"version": "1", "hold": True}), _wish(a="1")
    there: Any = {"installed": {"a": "1.0-1"}}
    assert _change(_plan(held, site, **there)["package:a"]).actions == (Hold(package="a", held=True),)
    assert isinstance(_plan(held, site, **there, held=frozenset("a"))["package:a"], Holds)
    assert isinstance(_plan(free, site, **there, held=frozenset("a"))["package:a"], Holds)
    ours = _owned(a="1, held")
    assert _change(_plan(free, site, ours, **there, held=frozenset("a"))["package:a"]).actions == (
        Hold(package="a", held=False),
    )
    upgrade = _change(
        _plan(_wish(a={"version": "2", "hold": True}), site, ours, **there, held=frozenset("a"))["package:a"]
    )
    assert [type(action) for action in upgrade.actions] == [Hold, Install, Hold]
    theirs = _plan(_wish(a="2"), site, **there, held=frozenset("a"))
    assert "somebody holds it at 1.0-1; run apt-mark unhold a" in _why(theirs["package:a"])


STATUS = b"""Package: liba
Status: install ok installed
Version: 1.0

Package: app
Status: hold ok installed
Depends: liba (>= 1.0), mta | sendmail
Version: 2.0

Package: sendmail
Status: install ok installed
Provides: mta
Version: 3.0

Package: broken
Status: install ok half-configured
Depends: liba
Version: 1.0

Package: old
Status: deinstall ok config-files
Version: 1.0
"""


def test_dpkgs_memory_is_read() -> None:
    """Versions, holds, who needs whom, and what was left in the middle."""
    assert dpkg.installed(STATUS) == {"liba": "1.0", "app": "2.0", "sendmail": "3.0"}
    assert dpkg.held(STATUS) == {"app"}
    assert dpkg.needed_by(STATUS, {"liba", "sendmail"}) == {"liba": "app", "sendmail": "app"}
    assert dpkg.needed_by(STATUS, {"liba", "app", "sendmail"}) == {}
    assert dpkg.half_done(STATUS) == {"broken"}
    assert dpkg.is_half_done(STATUS) and not dpkg.is_half_done(STATUS.replace(b"half-configured", b"installed"))


def test_a_package_of_two_architectures_has_the_version_of_the_hosts_own() -> None:
    """Whichever stands first."""
    dpkgs = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1"
    both = [
        f"Package: libc6\nStatus: install ok installed\nArchitecture: {which}\nVersion: {version}"
        for which, version in (("amd64", "2"), ("i386", "3"))
    ]
    for order in (both, both[::-1]):
        assert dpkg.installed("\n\n".join((dpkgs, *order)).encode())["libc6"] == "2"


def test_only_a_prosody_that_is_not_there_is_held_back(site: Site) -> None:
    """One that was left half done may run, and a mask would keep it from ever being started again."""
    systemd, said = replace(site, profile="debian"), _wish({"version": "3"})
    fresh, half = (_change(_plan(said, systemd, half_done=names)["package:prosody"]) for names in ((), ("prosody",)))
    assert [type(action) for action in fresh.actions] == [Control, Install]
    assert [type(action) for action in half.actions] == [Install]


def test_apts_answer_is_read() -> None:
    """As this machine's apt gives it: what is installed is among its versions, of what is unknown nothing is told."""
    said = subprocess.run(
        ["apt-cache", "policy", "dpkg", "libc6", "no-such-package"], capture_output=True, text=True, check=True
    )
    found = offers.parse_policy(said.stdout)
    assert found.keys() == {"dpkg", "libc6"}
    here = dpkg.installed(Path("/var/lib/dpkg/status").read_bytes())
    for name, candidates in found.items():
        assert here[name] in {candidate.version for candidate in candidates}
    made = Offers(updated=1.0, said="x", lists=2, candidates=found)
    assert Offers.from_json(made.to_json()) == made


POLICY = """\
coturn:
  Installed: 4.5.2-3
  Candidate: 4.6.1-1
  Version table:
     4.6.3-1~bpo12+1 100
        100 http://deb.example/debian bookworm-backports/main amd64 Packages
     4.6.1-1 500
        500 http://deb.example/debian bookworm/main amd64 Packages
        500 http://security.example bookworm-security/main amd64 Packages
 *** 4.5.2-3 -1
        100 /var/lib/dpkg/status
none:
  Installed: (none)
  Candidate: (none)
  Version table:
"""


def test_each_version_has_its_priority_and_its_suites() -> None:
    """What is installed and offered by no source has none."""
    assert offers.parse_policy(POLICY) == {
        "coturn": (
            Candidate(version="4.6.3-1~bpo12+1", priority=100, suites=("bookworm-backports",)),
            Candidate(version="4.6.1-1", priority=500, suites=("bookworm", "bookworm-security")),
            Candidate(version="4.5.2-3", priority=-1, suites=()),
        ),
        "none": (),
    }


def test_apt_is_asked_again_only_when_that_may_help(tmp_path: Path) -> None:
    """After an hour for what is missing, a day for `latest`; when a source was said, or others read its lists."""
    world = World(tmp_path, Path("/usr/bin/prosody"))
    said = offers.name_sources(world.host, world.site)
    found = world.host.stat(offers.LISTS)
    lists = found.signature.mtime_ns if found else 0
    known = Offers(updated=world.now, said=said, lists=lists, candidates={"a": OFFER})

    def ask(known: Offers | None = known, *, missing: tuple[str, ...] = (), latest: tuple[str, ...] = ()) -> Any:
        asking = offers.must_ask(world.host, known, said, missing=missing, latest=latest)
        return asking and (asking.why, asking.update)

    assert ask() is None and ask(missing=("a",)) is None and ask(latest=("a",)) is None
    assert ask(None, missing=("a",)) == ("were never read", True)
    assert ask(missing=("a", "b")) == ("were not asked about b", False)
    assert ask(replace(known, said="other"), missing=("a",)) == ("are older than what is said of sources", True)
    world.now += offers.HOUR
    assert ask(missing=("a",)) == ("are older than an hour", True) and ask(latest=("a",)) is None
    world.now += offers.DAY
    assert ask(latest=("a",)) == ("are older than a day", True)
    if lists:
        assert ask(replace(known, updated=world.now, lists=1), missing=("a",)) == (
            "were read anew by somebody else",
            False,
        )
