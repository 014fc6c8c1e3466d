"""Getting a machine ready leaves it as it was, but for the packages."""

from __future__ import annotations

import subprocess
from pathlib import Path

PREPARE = Path(__file__).parent.parent / "deploy/prepare.sh"


def shell(place: Path, script: str) -> subprocess.CompletedProcess[str]:
    """A script after prepare.sh, with the host's policy in that directory."""
    text = f'. "{PREPARE}"; policy="{place}/policy-rc.d"; {script}'
    return subprocess.run(["sh", "-euc", text], capture_output=True, text=True)


def policies(place: Path) -> dict[str, str]:
    """The files of that directory."""
    return {path.name: path.read_text() for path in place.iterdir()}


def test_services_are_forbidden_while_packages_are_installed(tmp_path: Path) -> None:
    """The policy answers 101 (invoke-rc.d(8)) and is gone afterwards."""
    ran = shell(tmp_path, 'forbid_services; "$policy" prosody start || echo $?; allow_services')
    assert ran.stdout == "101\n"
    assert policies(tmp_path) == {}


def test_a_policy_that_was_there_comes_back_whatever_ends_the_script(tmp_path: Path) -> None:
    """The host's own policy is the same after a failure, and after a run that was killed and another one."""
    (tmp_path / "policy-rc.d").write_text("#!/bin/sh\nexit 104\n")
    before = policies(tmp_path)
    assert shell(tmp_path, "trap allow_services EXIT; forbid_services; false").returncode == 1
    assert policies(tmp_path) == before
    assert shell(tmp_path, "forbid_services; kill -9 $$").returncode == -9
    assert policies(tmp_path) != before
    shell(tmp_path, "forbid_services; allow_services")
    assert policies(tmp_path) == before


def test_each_missing_package_is_named_once(tmp_path: Path) -> None:
    """Programs that are there need nothing; two of one package name it once."""
    ran = shell(tmp_path, "missing_packages sh=dash nosuch1=first nosuch2=first nosuch3=second")
    assert ran.stdout == "first second"
