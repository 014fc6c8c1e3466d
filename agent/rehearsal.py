"""Another version of Prosody, unpacked beside the system: is the configuration good for it, before it is installed?

A commit that raises the version together with its configuration changes nothing when the two do not fit. And what
is replaced is kept as a file, so that the way back needs no network and no mirror that still has it.
"""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from agent import debs, stage
from agent.host import LocalHost
from agent.log import LOG
from reconcilers import dpkg
from reconcilers.apt.wanted import OWN
from reconcilers.contract import Site
from reconcilers.installation import find_prosody
from reconcilers.parsed import Parsed, parse
from schemas.actions import Install, Pick
from schemas.desired import HostSpec
from schemas.errors import Temporary
from schemas.plan import Plan


def rehearse(host: LocalHost, spec: HostSpec, site: Site, plan: Plan, *, whole: Plan) -> None:
    """Raises SpecError when the version that this round installs would not load the configuration of the whole pass.

    Raises Temporary when it cannot be had. Where it cannot be run beside the system (it may need libraries that come
    with it), that is told, and only its start will show.
    """
    pick = _upgrade(plan)
    if pick is None or site.prosody is None:
        return
    _keep_former(host, pick.name)
    with debs.unpacked(debs.fetch(pick.name, pick.version)) as root:
        found = find_prosody(host, (root / "usr/bin/prosody",))
        there = replace(site, prosody=found)
        if _runs(host, there):
            stage.check_whole(host, spec, there, whole)
            LOG.info("upgrade.checked", object=pick.name, reason=f"{pick.version} takes the configuration")
        else:
            LOG.warning("upgrade.unchecked", object=pick.name, reason=f"{pick.version} does not run beside the system")


def _upgrade(plan: Plan) -> Pick | None:
    """What is to come in the place of the Prosody that is installed."""
    own = (action for change in plan.changes if change.id == OWN for action in change.actions)
    return next((pick for action in own if isinstance(action, Install) for pick in action.packages), None)


def _keep_former(host: LocalHost, name: str) -> None:
    """The way back, while apt still has it. Without it the upgrade goes on: a mirror may have dropped it long ago."""
    former = dpkg.installed(host.read(dpkg.STATUS) or b"").get(name)
    if former is None:
        return
    try:
        debs.fetch(name, former)
    except Temporary as error:
        LOG.warning("upgrade.one_way", object=name, reason=str(error))


def _runs(host: LocalHost, site: Site) -> bool:
    """Whether its loader loads nothing at all: if not, no configuration is to blame."""
    if site.prosody is None:
        return False
    with suppress(Temporary):
        return isinstance(parse(host, site, site.prosody, b"").texts[0], Parsed)
    return False
