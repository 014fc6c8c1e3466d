"""What services are owed: remembered before the first byte, paid by telling them or by another start."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from msgspec.structs import replace
from world import World, spec

from reconcilers import known, notices
from reconcilers.contract import FileInfo, Site, Unit
from schemas.actions import Control, Signature, WriteBlock, WriteFile
from schemas.desired import HostSpec
from schemas.notice import Debt, Notices, Refusal, Told
from schemas.plan import Change, Disruption, Kind, Wait
from schemas.record import Record
from schemas.references import KNOWN_SERVICES

PATH = PurePosixPath("/etc/nginx/conf.d/a.conf")
CHANGE = Change(
    id=f"file:{PATH}",
    kind=Kind.CHANGED,
    why="content differs",
    actions=(WriteFile(path=PATH, content=b"", mode=0o644),),
    wanted="new",
    live="old",
    touches=frozenset({"nginx"}),
)


class Machine:
    """A host of systemd's, by what was captured of one: units, programs that are there, one record."""

    def __init__(self, **units: Unit) -> None:
        self.now = units
        self.programs = {"/usr/sbin/nginx"}
        self.notices = Notices()

    def unit(self, name: str) -> Unit:
        nothing = Unit(name=name, load="not-found", active="inactive", enabled="", pid=0)
        return self.now.get(name.removesuffix(".service"), nothing)

    def units(self, names: tuple[str, ...]) -> tuple[Unit, ...]:
        return tuple(map(self.unit, names))

    def stat(self, path: PurePosixPath) -> FileInfo | None:
        sign = Signature(0, 0, 0, 0, 0)
        there = str(path) in self.programs
        return FileInfo(kind="file", mode=0o755, owner="root", group="root", signature=sign) if there else None

    def process(self, pid: int) -> None:
        """None of them is looked at."""

    def recall(self, id_: str) -> Record | None:
        return Record(value=self.notices.to_json(), at=0.0)


def running(run: str = "1", active: str = "active") -> Unit:
    return Unit(name="", load="loaded", active=active, enabled="enabled", pid=7, invocation=run)


@pytest.fixture
def site(home: Path, prosody12: Path) -> Site:
    """As on a Debian server, where systemd keeps services."""
    return replace(World(home, prosody12).site, profile="debian")


def wanted(**services: Any) -> HostSpec:
    return spec(None, profile="debian", services=services)


def owing(machine: Any, host: HostSpec, site: Site) -> notices.Owed:
    """What the change comes to, once it is written down and made."""
    machine.notices = notices.foresee(machine, host, site, [CHANGE])
    return notices.owed(machine, host, site, machine.notices)


def test_git_goes_before_what_is_known() -> None:
    """Each service of the page is known with its unit and what a change brings; `services` may say otherwise."""
    assert set(known.KNOWN) == set(KNOWN_SERVICES)
    plain = wanted()
    assert known.service(plain, "nginx").on_change == "reload" and known.service(plain, "nginx").check[1] == "-t"
    assert known.service(plain, "coturn").on_change == known.service(plain, "biboumi").on_change == "restart"
    assert known.service(plain, "biboumi").unit == "biboumi.service" and not known.service(plain, "biboumi").check
    said = wanted(nginx={"on_change": "restart"}, biboumi={"check": ("/usr/bin/biboumi-check",), "on_change": "reload"})
    assert known.service(said, "nginx").on_change == "restart" and known.service(said, "nginx").check
    assert known.service(said, "biboumi").check == ("/usr/bin/biboumi-check",)


def test_a_running_service_is_checked_and_told(site: Site) -> None:
    """By a verb that starts nothing that does not run."""
    (owed,) = owing(Machine(nginx=running()), wanted(), site).activations
    assert owed.check is not None and owed.check.argv == ("/usr/sbin/nginx", "-t", "-q")
    assert owed.after == (Control(unit="nginx.service", verb="try-reload-or-restart"),)
    assert (owed.disruption, owed.reason) == (Disruption.RELOAD, f"{PATH} changed")


@pytest.mark.parametrize("content", [b"Ours 1", None])
def test_a_block_in_somebodys_file_is_told_as_a_file_is(site: Site, content: bytes | None) -> None:
    """When it comes, and when it goes; to Prosody too, of which nobody else would know."""
    block = WriteBlock(path=PATH, content=content)
    change = replace(CHANGE, id=f"block:{PATH}", actions=(block,), touches=frozenset({"nginx", "prosody"}))
    machine: Any = Machine(nginx=running(), prosody=running())
    debts = notices.foresee(machine, wanted(), site, [change])
    assert {service: list(debt.objects) for service, debt in debts.owed.items()} == {
        "nginx": [change.id],
        "prosody": [change.id],
    }
    (owed,) = notices.owed(machine, wanted(), site, debts).activations
    assert owed.after == (Control(unit="nginx.service", verb="try-reload-or-restart"),)


@pytest.mark.parametrize("now", [running("2"), running(active="inactive"), running(active="failed")])
def test_who_was_started_since_or_does_not_run_is_only_checked(site: Site, now: Unit) -> None:
    """Then nothing is left: it has read its files, or will."""
    machine: Any = Machine(nginx=running())
    host = wanted()
    owing(machine, host, site)
    machine.now["nginx"] = now
    (owed,) = notices.owed(machine, host, site, machine.notices).activations
    assert owed.check is not None and not owed.after and owed.disruption is Disruption.NONE
    debt = replace(machine.notices.owed["nginx"], checked=True)
    assert notices.is_paid(machine, host, site, "nginx", debt)


@pytest.mark.parametrize("state", ["failed", "activating", "inactive"])
def test_what_died_of_its_files_stays_failed(site: Site, state: str) -> None:
    """Until it is up, or the files are others: whoever started it after a mistake of ours would have to know of it."""
    machine: Any = Machine(nginx=running())
    host = wanted()
    owing(machine, host, site)
    debt = replace(machine.notices.owed["nginx"], checked=True)
    debt = replace(debt, failed=Refusal(wishes=debt.wishes, words="it died"))
    machine.notices = Notices(owed={"nginx": debt})
    machine.now["nginx"] = running("2", active=state)
    left = notices.owed(machine, host, site, machine.notices)
    assert not left.activations and notices.still_refused(machine.notices, left.waits) == {"service:nginx": "it died"}
    assert not notices.is_paid(machine, host, site, "nginx", debt)
    machine.now["nginx"] = running("3")
    assert notices.is_paid(machine, host, site, "nginx", debt)


def test_what_died_of_its_files_is_started_with_the_next_ones(site: Site) -> None:
    """They are checked first. What a person has stopped meanwhile stays so."""
    machine: Any = Machine(nginx=running())
    host, no = wanted(), Refusal(wishes={CHANGE.id: "former"}, words="it died")
    machine.notices = Notices(owed={"nginx": Debt(run="1", objects={}, checked=True, failed=no)})
    machine.now["nginx"] = running("2", active="failed")
    (owed,) = owing(machine, host, site).activations
    assert owed.check is not None and owed.disruption is Disruption.RESTART
    assert [action.verb for action in owed.after if isinstance(action, Control)] == ["reset-failed", "restart"]
    machine.now["nginx"] = running("2", active="inactive")
    (owed,) = notices.owed(machine, host, site, machine.notices).activations
    assert owed.check is not None and not owed.after


def test_a_service_that_is_not_installed_is_owed_nothing(site: Site) -> None:
    """Nobody is there to ask."""
    machine = Machine()
    machine.programs.clear()
    assert owing(machine, wanted(), site) == notices.Owed(activations=(), waits=())


def test_report_is_left_to_a_person_until_it_was_restarted(site: Site) -> None:
    """Checked, then told; another run of it has read the files."""
    machine: Any = Machine(nginx=running())
    host = wanted(nginx={"on_change": "report"})
    (owed,) = owing(machine, host, site).activations
    assert owed.check is not None and not owed.after
    left = Notices(owed={"nginx": replace(machine.notices.owed["nginx"], checked=True)})
    (wait,) = notices.owed(machine, host, site, left).waits
    assert "restart it when it suits" in wait.why
    machine.now["nginx"] = running("2")
    assert notices.owed(machine, host, site, left) == notices.Owed(activations=(), waits=())


def test_what_was_there_first_is_what_comes_back(site: Site) -> None:
    """An agent that died between write and reload has left a file that nobody checked: it is not the former one."""
    machine: Any = Machine(nginx=running())
    host = wanted()
    first = Told(wish="other", former={str(PATH): "20260101T000000-0000"})
    machine.notices = Notices(owed={"nginx": Debt(run="1", objects={CHANGE.id: first})})
    ahead = notices.foresee(machine, host, site, [CHANGE])
    assert ahead.owed["nginx"].objects == {CHANGE.id: replace(first, wish="new")}


def test_what_was_refused_is_left_until_it_is_another(site: Site) -> None:
    """All that was tried together is left together; with one more file it is tried again."""
    host, refused = wanted(), Notices(refused={"nginx": Refusal(wishes={CHANGE.id: "new"}, words="no")})
    (left,) = notices.leave_refused([CHANGE], refused, host, site)
    assert isinstance(left, Wait) and notices.still_refused(refused, [left]) == {"check:nginx": "no"}
    other = replace(CHANGE, wanted="newer")
    assert notices.leave_refused([other], refused, host, site) == [other]
    both = [CHANGE, replace(CHANGE, id="file:/etc/nginx/conf.d/b.conf")]
    assert notices.leave_refused(both, refused, host, site) == both


def test_a_check_that_the_host_does_not_allow_keeps_its_files_back(site: Site) -> None:
    """A program that git names runs as root; those of the table are open."""
    closed = replace(site, allows=lambda word, what: False)
    (left,) = notices.leave_refused([CHANGE], Notices(), wanted(nginx={"check": ("/tmp/x",)}), closed)
    assert isinstance(left, Wait) and "allow: {run: [/tmp/x]}" in left.why
    assert notices.leave_refused([CHANGE], Notices(), wanted(), closed) == [CHANGE]


def test_what_is_remembered_is_read_as_it_was() -> None:
    """As JSON, which is what the state keeps."""
    told = Told(wish="new", former={"/a": None})
    whole = Notices(
        owed={"a": Debt(run="", objects={"file:/a": told}, checked=True)}, refused={"b": Refusal(wishes={}, words="")}
    )
    assert Notices.from_json(whole.to_json()) == whole
