"""The README's two commands, on a Debian 12 and a Debian 13 that have nothing but this checkout and git."""

from __future__ import annotations

import re
from concurrent.futures import Future

import pytest
from scenarios import SCENARIOS
from trees import Ran

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(3000)]


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
