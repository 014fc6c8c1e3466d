"""The README's two commands, on a Debian 12 and a Debian 13 that have nothing but this checkout and git."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from trees import Ran, Tree, fresh, new_log

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(3000)]

HOSTS = [(codename, user) for user in ("root", "ana") for codename in ("bookworm", "trixie")]
COMMANDS = {"demo": ("sh", "deploy/demo.sh", "--once"), "suite": ("sh", "tests/run.sh")}
SCENARIOS = [("demo", *host) for host in HOSTS] + [("suite", "bookworm", "ana"), ("suite", "trixie", "root")]
"""The suite as each user and on each release once: the machine that runs this has played root on its own release."""
POLICY = "usr/sbin/policy-rc.d"


@pytest.fixture(scope="module")
def scenarios(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str, str], Future[list[Ran]]]]:
    """All that were asked for, begun at once, two at a time; each test waits for its own."""
    asked = [item.callspec.params["scenario"] for item in request.session.items if "scenarios" in item.fixturenames]
    with ThreadPoolExecutor(max_workers=2) as workers:
        begun = {scenario: workers.submit(play, *scenario) for scenario in asked}
        yield begun
        for future in begun.values():
            future.cancel()


def play(command: str, codename: str, user: str) -> list[Ran]:
    """Run a command on a fresh host: as root twice; as a user before and after what it says is installed."""
    with fresh(codename, user, new_log(f"{command}-{codename}-{user}")) as tree:
        runs = [tree.run(*COMMANDS[command])]
        if user == "root":
            assert not (tree.root / POLICY).exists(), "policy-rc.d was left behind"
        else:
            runs.append(install_what_is_said(tree, runs[0]))
            runs.append(tree.run(*COMMANDS[command]))
        if command == "demo":
            runs.append(tree.run(*COMMANDS[command]))
        return runs


def install_what_is_said(tree: Tree, refused: Ran) -> Ran:
    """Do as root what the command told its user to do; a policy of the host keeps servers from starting."""
    said = re.search(r"^ +(apt-get update && apt-get install .+)$", refused.output, re.MULTILINE)
    assert said, refused.telling()
    (tree.root / POLICY).write_text("#!/bin/sh\nexit 101\n")
    (tree.root / POLICY).chmod(0o755)
    return tree.run(
        "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", said[1].replace("install", "install -y", 1), user="root"
    )


@pytest.mark.parametrize("scenario", SCENARIOS, ids="-".join)
def test_the_readmes_commands_work_on_a_fresh_host(
    scenario: tuple[str, str, str], scenarios: dict[tuple[str, str, str], Future[list[Ran]]]
) -> None:
    """The demo converges and says so last, a second time too; the suite passes. A user is told what is missing."""
    command, _, user = scenario
    runs = scenarios[scenario].result()
    if user != "root":
        assert runs[0].status == 1, runs[0].telling()
        assert runs[1].status == 0, runs[1].telling()
    for ran in runs[2 if user != "root" else 0 :]:
        assert ran.status == 0, ran.telling()
        if command == "demo":
            assert re.fullmatch(r"converged at [0-9a-f]{40}", ran.last_line()), ran.telling()
        else:
            assert re.search(r"\d+ passed", ran.last_line()), ran.telling()
    runs[0].log.unlink()  # that of a failure stays
