"""What makes a round live, and the look whether it is."""

from __future__ import annotations

import time

from agent import health
from agent.house import House
from reconcilers import activation, loading, services
from schemas.desired import HostSpec
from schemas.errors import ActionFailed, SpecError, Temporary, Unhealthy
from schemas.plan import Activation, Disruption, Plan

PROSODY = "prosody"
"""The service whose trouble makes a commit unwell; any other object that fails is told and tried again."""

_SETTLING = 0.2
"""Seconds that a service is given before it is looked at, and between two looks."""
_PATIENCE = 15.0
"""Seconds until one that is neither up nor down counts as failed."""


def perform(house: House, owed: Activation, *, revision: str) -> None:
    """Do it, and tell."""
    house.perform(owed.after)
    house.events.tell(
        "activation.made",
        revision=revision,
        object=owed.service,
        reason=owed.reason,
        disruption=owed.disruption.name,
    )


def tell(house: House, owed: Activation, *, revision: str) -> None:
    """Do it for a service around Prosody, and look at its unit. Raises ActionFailed, Temporary."""
    if not owed.after:
        return
    perform(house, owed, revision=revision)
    _see(house, owed)


def _see(house: House, owed: Activation) -> None:
    """Whether it is up: an exit status proves nothing, and one that dies of its files does so at once."""
    deadline = time.monotonic() + _PATIENCE
    time.sleep(_SETTLING)
    while (unit := house.host.unit(owed.unit)).active in ("activating", "reloading", "refreshing", "deactivating"):
        if time.monotonic() > deadline:
            raise ActionFailed(f"{owed.unit} is still {unit.active}; see `journalctl -u {owed.unit}`")
        house.heed()
        time.sleep(_SETTLING)
    if unit.active != "active":
        raise ActionFailed(f"{owed.unit} is {unit.active} after it was told; see `journalctl -u {owed.unit}`")


def prove(house: House, spec: HostSpec, plan: Plan, mark: health.LogMark) -> None:
    """After Prosody was started, restarted or reloaded: is it well, and what has it loaded?

    Of a process that was only found again nobody knows what it loaded: it may be older than what lies on the disk.
    `mark` is where its log ended before. Raises Unhealthy, Interrupted.
    """
    owed = plan.activation(PROSODY)
    if owed is None and not services.starts_prosody(plan):
        return
    reader = house.host
    try:
        site = house.site(reader)
        since = mark if owed is not None and owed.disruption is Disruption.RELOAD else None
        process = health.prove(reader, spec, site, reloaded_after=since, between=house.heed)
        if process is None or (text := reader.read(site.paths.config)) is None:
            return
        loaded = loading.loaded(reader, spec, site, text)
    except (SpecError, Temporary) as error:
        # seen before the first write, a mistake costs nothing; now files were written, and it has to be undone
        raise Unhealthy("loaded", f"what Prosody has loaded cannot be told: {error}") from error
    house.state.remember(activation.RUNNING, activation.running_record(process, loaded), house.clock())
