"""What the agent answers when it is asked: one method a verb, each on the working thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent import answers, version
from agent.bounded import reap
from agent.ending import Interrupted
from agent.house import House
from agent.kept import Kept
from agent.log import LOG
from agent.logfiles import Logs
from agent.outcome import Outcome, plan_json
from agent.pairs import Pairs
from agent.passes import Passes
from agent.settings import Settings
from agent.source import Source
from agent.state import Anchor
from agent.state.facts import Suspension
from agent.telling import REFUSED
from schemas.errors import AgentError, SettingsError, SourceRefused


class Engine:
    """Answers verbs; see `agent.control` for how they arrive and `agent.cli` for how answers are shown."""

    def __init__(
        self,
        settings: Settings,
        house: House,
        source: Source,
        anchor: Anchor,
        passes: Passes,
        kept: Kept,
        logs: Logs,
        pairs: Pairs,
        *,
        prosody_user: str | None,
    ) -> None:
        self._settings, self._house, self._anchor = settings, house, anchor
        self._passes, self._kept, self._logs, self._pairs = passes, kept, logs, pairs
        self.source = source
        self.prosody_user = prosody_user
        """Who Prosody runs as, when that is not the agent's own user."""
        self.last: Outcome | None = None
        self.wants_pass = False
        """A verb changed what the next pass will find: let it come once the answer is given."""

    @property
    def passes(self) -> Passes:
        """For the loop, which runs them by itself."""
        return self._passes

    def answer(self, verb: str, arguments: Mapping[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
        """The answer to one verb, as JSON. Raises AgentError."""
        match verb:
            case "reconcile":
                progress("reconciling")
                return self.reconcile(full=bool(arguments.get("full"))).to_json()
            case "plan":
                plan, revision, digest = self._passes.look()
                return plan_json(plan, revision=revision, digest=digest or None, refusal=self._passes.refusal)
            case "status":
                return answers.status(self._settings, self._house.state, self.last)
            case "drift":
                return answers.drift(self._house.state)
            case "history":
                return answers.history(self._house.state, int(arguments.get("limit", 20)))
            case "confirm":
                return self._confirm()
            case "accept":
                return self._accept(str(arguments["revision"]))
            case "restore":
                return self._restore(str(arguments["id"]))
            case "suspend":
                return self._suspend(arguments)
            case "resume":
                return self._resume()
            case "version":
                return {"version": version.VERSION}
        raise SettingsError(f"{verb}: the running agent does not know this verb; restart it after an upgrade")

    def reconcile(self, *, full: bool = False) -> Outcome:
        """One pass at a person's word."""
        self.last = self._passes.run(full=full, retry=True)
        self.rest()
        return self.last

    def rest(self) -> None:
        """What may wait until a pass is over.

        Let accepted and good outlive the mirror and what was read the agent, let no log grow for ever, take leave of
        children.
        """
        try:
            self.source.save()
        except Interrupted:
            pass  # to pack a long history takes up to two minutes; the next agent does it
        except Exception as error:  # whatever it is, the next pass tries again; the agent goes on
            LOG.warning("source.unsaved", reason=str(error) or type(error).__name__)
        self._pairs.save()
        for path, reason in self._logs.trim():
            LOG.warning("log.untrimmed", object=str(path), reason=reason)
        reap(wait=True)

    def _confirm(self) -> dict[str, Any]:
        suspension = self._house.state.suspension()
        if suspension is not None and not suspension.over(self._house.clock()):
            raise AgentError("confirm: the agent is suspended and would change nothing; `prosodist resume` first")
        held = self._house.state.held()
        if held is None and self._passes.look()[0].held:
            self._passes.run()
            held = self._house.state.held()
        if held is None:
            raise AgentError("confirm: no plan is held; nothing waits for a person's word")
        self._house.state.confirm(held.digest, held.revision)
        self._house.events.tell("confirmed", revision=held.revision, object=held.digest[:12])
        self._passes.forget_proof()
        self.last = self._passes.run()
        self._house.state.clear_confirmed()
        return {"plan": dict(held.plan), "outcome": self.last.to_json()}

    def _accept(self, revision: str) -> dict[str, Any]:
        """Take a commit that forward-only would refuse: it becomes the newest accepted one."""
        tip = self.source.fetch()
        full = self.source.resolve(revision)
        if full != tip:
            raise SourceRefused(
                f"{revision}: the branch's tip is {tip}",
                revision=full,
                remedy=f"accept that: prosodist accept {tip}",
            )
        self.source.keep("accepted", full)
        if reason := self._anchor.write(full):
            self._house.events.tell("anchor.unwritten", level="warning", reason=reason)
        self._house.state.mark(accepted=full)
        self._house.state.forget(REFUSED)
        self._passes.forget_proof()
        self._house.events.tell("commit.accepted", revision=full, reason="accepted by hand")
        self.last = self._passes.run()
        return {"accepted": full, "outcome": self.last.to_json()}

    def _restore(self, id_: str) -> dict[str, Any]:
        """Put a kept copy back where it was. The next pass sees it, and judges it as any edit by hand."""
        copy = self._kept.item(id_)
        self._house.host.restore(copy)
        self._passes.forget_proof()
        self.wants_pass = True
        return {"restored": str(copy.path), "id": id_}

    def _suspend(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        now = self._house.clock()
        seconds = arguments.get("seconds")
        suspension = Suspension(
            reason=str(arguments["reason"]),
            by=str(arguments.get("by", "?")),
            since=now,
            until=None if seconds is None else now + float(seconds),
        )
        self._house.state.suspend(suspension)
        self._house.events.tell("suspended", level="warning", reason=suspension.reason, until=suspension.until)
        self._passes.forget_proof()
        return {"suspended": answers.suspension_json(suspension)}

    def _resume(self) -> dict[str, Any]:
        if self._house.state.suspension() is None:
            return {"resumed": False}
        self._house.state.resume()
        self._house.events.tell("resumed")
        self._passes.forget_proof()
        self.wants_pass = True
        return {"resumed": True}
