"""What services are owed when a check says no: the files are what they were, for whoever else reads them too."""

from __future__ import annotations

from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

from agent import owing
from reconcilers.contract import Unit
from schemas.actions import Action, Run
from schemas.errors import ActionFailed
from schemas.notice import NOTICES, Debt, Notices, Refusal, Told
from schemas.record import Record

SITE: Any = SimpleNamespace(profile="debian")
SPEC: Any = SimpleNamespace(host=SimpleNamespace(services={}))
CERTIFICATE, RELAY = "file:/etc/ssl/pair.pem", "file:/etc/turnserver.conf"


class Host:
    """nginx and coturn run, and nginx's check says no."""

    def __init__(self, notices: Notices) -> None:
        self.now = notices
        self.active = "active"

    def recall(self, id_: str) -> Record | None:
        """The only record."""
        assert id_ == NOTICES
        return Record(value=self.now.to_json(), at=0.0)

    def units(self, names: tuple[str, ...]) -> tuple[Unit, ...]:
        """All are alike."""
        return tuple(
            Unit(name=name, load="loaded", active=self.active, enabled="enabled", pid=7, invocation="1")
            for name in names
        )

    def stat(self, path: PurePosixPath) -> object:
        """The check is there, and no file is."""
        return object() if path.name == "nginx" else None

    def perform(self, action: Action) -> None:
        """The check."""
        assert isinstance(action, Run)
        raise ActionFailed("no")


def house(host: Host) -> Any:
    """What a check works with."""

    def remember(_: str, value: dict[str, Any], at: float) -> None:
        host.now = Notices.from_json(value)

    def nothing(*_: object, **__: object) -> dict[str, Any]:
        return {}

    def recall(id_: str) -> Record | None:
        return host.recall(id_) if id_ == NOTICES else None

    def perform(actions: tuple[Action, ...]) -> None:
        raise ActionFailed("it died")

    state = SimpleNamespace(remember=remember, recall=recall, settle_round=nothing, owed=nothing, owned=nothing)
    events = SimpleNamespace(tell=nothing)
    return SimpleNamespace(host=host, state=state, events=events, heed=nothing, clock=lambda: 0.0, perform=perform)


def test_files_that_were_put_back_are_owed_to_nobody() -> None:
    """But for what another service had not been told of before."""
    new = Told(wish="new", former={"/etc/ssl/pair.pem": None})
    nginx = Debt(run="1", objects={CERTIFICATE: new})
    coturn = Debt(run="1", objects={CERTIFICATE: new, RELAY: Told(wish="new")})
    host = Host(Notices(owed={"nginx": nginx, "coturn": coturn}))
    refused = owing.check(house(host), SPEC, SITE, revision="1", before=Notices())
    assert set(refused) == {CERTIFICATE}
    assert {name: list(debt.objects) for name, debt in host.now.owed.items()} == {"coturn": [RELAY]}
    host.now = Notices(owed={"nginx": nginx, "coturn": coturn})
    earlier = Notices(owed={"coturn": Debt(run="1", objects={CERTIFICATE: Told(wish="earlier")})})
    owing.check(house(host), SPEC, SITE, revision="1", before=earlier)
    assert list(host.now.owed["coturn"].objects) == [CERTIFICATE, RELAY]


def test_what_could_not_be_told_is_owed_until_a_person_says_so() -> None:
    """With what was said of it: the next pass leaves it, and `prosodist reconcile` tries it again."""
    debt = Debt(run="1", objects={RELAY: Told(wish="new")}, checked=True)
    host = Host(Notices(owed={"coturn": debt}))
    failed: dict[str, str] = {}
    assert not owing.pay(house(host), SPEC, SITE, revision="1", failed=failed)
    assert failed == {"service:coturn": "coturn: it died"}
    host.active = "failed"
    owing.settle(house(host), SPEC, SITE)
    assert host.now.owed["coturn"].failed == Refusal(wishes={RELAY: "new"}, words="coturn: it died")
    owing.forgive(house(host).state, 0.0)
    assert host.now.owed["coturn"].failed == Refusal(wishes={}, words="coturn: it died")
