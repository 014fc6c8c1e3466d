"""What makes a round live, and the proof that it is: Prosody's own activation."""

from __future__ import annotations

from agent import health
from agent.house import House
from reconcilers import activation, loading, services
from schemas.desired import HostSpec
from schemas.errors import SpecError, Temporary, Unhealthy
from schemas.plan import Activation, Disruption, Plan

PROSODY = "prosody"
"""The service whose trouble makes a commit unwell; any other object that fails is told and tried again."""


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
