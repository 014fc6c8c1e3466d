"""apt's runs are judged by what dpkg remembers afterwards, not by how they ended."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from agent import apt, processes, units
from reconcilers import dpkg
from reconcilers.contract import Completed, Unit
from schemas.actions import Install, Pick, Remove
from schemas.errors import ActionFailed, Temporary


def _status(**packages: str) -> bytes:
    """`prosody="installed 1.0"`."""
    said = (tuple(words.split()) for words in packages.values())
    rows = [
        f"Package: {name}\nStatus: install ok {state}\nVersion: {version}\n"
        for name, (state, version) in zip(packages, said, strict=True)
    ]
    return "\n".join(rows).encode()


class Machine:
    """What dpkg remembers, and how each run of apt changes it before it fails."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.status = place / "status"
        self.runs: list[tuple[str, ...]] = []
        self.after: list[bytes] = []
        (place / "updates").mkdir()
        monkeypatch.setattr(dpkg, "STATUS", PurePosixPath(self.status))
        monkeypatch.setattr(apt, "foresee", lambda: None)
        monkeypatch.setattr(apt, "_as_unit", self._run)

    def _run(self, *argv: str, **_: bool) -> Completed:
        self.runs.append(argv)
        if self.after:
            self.status.write_bytes(self.after.pop(0))
        return Completed(code=100, stdout=b"", stderr=b"E: broken")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One with Prosody 1.0."""
    made = Machine(tmp_path, monkeypatch)
    made.status.write_bytes(_status(prosody="installed 1.0"))
    return made


UPGRADE = Install(packages=(Pick(name="prosody", version="2.0"),))


def test_a_run_that_changed_nothing_is_tried_again(machine: Machine) -> None:
    """A mirror may be away."""
    with pytest.raises(Temporary, match="E: broken / exit status 100; it is tried again"):
        apt.install(UPGRADE)


def test_a_run_that_failed_half_way_has_failed(machine: Machine) -> None:
    """The former version is gone, or another package: this has to be gone back from."""
    for after in (_status(prosody="half-configured 2.0"), _status(prosody="installed 1.0", lib="installed 3")):
        machine.after = [after]
        with pytest.raises(ActionFailed, match=r"E: broken / exit status 100; .* dpkg --audit"):
            apt.install(UPGRADE)
        machine.status.write_bytes(_status(prosody="installed 1.0"))
    machine.status.write_bytes(_status(prosody="half-configured 2.0"))
    with pytest.raises(ActionFailed):
        apt.install(UPGRADE)
    assert [argv[0] for argv in machine.runs[-2:]] == ["/usr/bin/dpkg", "/usr/bin/apt-get"], "one may mend the other"


def test_what_is_there_is_there(machine: Machine) -> None:
    """That another package could not be configured is not Prosody's fault."""
    machine.after = [_status(prosody="installed 2.0", vim="half-configured 1")]
    apt.install(UPGRADE)


def test_one_that_goes_along_is_nobodys_mistake(machine: Machine) -> None:
    """Where all together fail half way, each is installed for itself."""
    machine.after = [_status(prosody="installed 1.0", vim="unpacked 1"), _status(prosody="installed 2.0")]
    apt.install(Install(packages=UPGRADE.packages, along=(Pick(name="vim", version="1"),)))
    assert len(machine.runs) == 2 and "vim=1" in machine.runs[0] and "vim=1" not in machine.runs[1]


def test_whatever_dpkg_runs_can_touch_no_prosody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal runs scripts too."""
    runs: list[tuple[str, ...]] = []

    def run(argv: tuple[str, ...], **_: float) -> Completed:
        runs.append(argv)
        return Completed(code=0, stdout=b"", stderr=b"")

    monkeypatch.setattr(processes, "run", run)
    monkeypatch.setattr(
        units, "look", lambda name: Unit(name=name, load="not-found", active="inactive", enabled="", pid=0)
    )
    apt._as_unit("/usr/bin/dpkg", "--remove", "vim")
    assert runs[0][-4:] == ("agent.quietly", "/usr/bin/dpkg", "--remove", "vim")
    assert "--property=PrivateMounts=yes" in runs[0]


def test_dpkg_says_who_needs_what_stays(machine: Machine) -> None:
    """Its words are those of the failure."""
    with pytest.raises(ActionFailed, match="prosody: dpkg does not remove it: E: broken"):
        apt.remove(Remove(package="prosody"))
