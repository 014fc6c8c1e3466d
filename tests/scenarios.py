"""The README's two commands, played on fresh Debian hosts beside whatever else is tested."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from trees import Ran, Tree, fresh, new_log

HOSTS = [(codename, user) for user in ("root", "ana") for codename in ("bookworm", "trixie")]
COMMANDS = {"demo": ("sh", "deploy/demo.sh", "--once"), "suite": ("sh", "tests/run.sh")}
SCENARIOS = [("demo", *host) for host in HOSTS] + [("suite", "trixie", "ana")]
"""The suite once, on the release and as the user that the machine which runs this is not: it has played it itself."""
POLICY = "usr/sbin/policy-rc.d"


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


@pytest.fixture(scope="session")
def scenarios(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str, str], Future[list[Ran]]]]:
    """All that were asked for, begun at once, two at a time; each test waits for its own."""
    asked = [item.callspec.params["scenario"] for item in request.session.items if "scenarios" in item.fixturenames]
    with ThreadPoolExecutor(max_workers=2) as workers:
        begun = {scenario: workers.submit(play, *scenario) for scenario in asked}
        yield begun
        for future in begun.values():
            future.cancel()
