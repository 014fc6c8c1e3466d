"""Nothing is drawn for a commit that is refused."""

from __future__ import annotations

import pytest
from places import DOCUMENT, Place

SECRET = "prosody:\n  turn_external_secret: {generated: turn}\n"
BAD = {
    "no Lua": "  lua: 'x ='\n",
    "an expression that is none": "  statistics_interval: {lua: '5 +'}\n",
    "Lua that fails": "  lua: error('no')\n",
    "a file that ends early": "  lua: return\n",
    "a value that Lua has not": "  statistics_interval: 1.0e+999\n",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_refused_commit_leaves_a_bare_host_bare(place: Place, bad: str) -> None:
    """The very first commit: no directory, no port, no secret."""
    place.push(document=DOCUMENT.replace("prosody:\n", SECRET + bad))
    assert place.reconcile()["result"] == "invalid"
    assert list(place.home.iterdir()) == []
    assert place.told("change.made") == []


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_refused_commit_draws_no_secret(living: Place, bad: str) -> None:
    """On a host that lives, with new secrets of every kind; without its mistake the same commit draws them."""
    missing = living.home / "missing"
    before = living.bytes()
    secrets = f"{SECRET}  external_service_secret: {{host_file: {missing}}}\n"
    living.push(document=DOCUMENT.replace("prosody:\n", secrets + bad))
    outcome = living.reconcile()
    assert outcome["result"] == "invalid", outcome
    assert living.bytes() == before
    living.push(document=DOCUMENT.replace("prosody:\n", SECRET))
    assert living.reconcile()["result"] == "changed"
    drawn = (living.home / "prosody/secrets/turn").read_text().strip()
    assert f'turn_external_secret = "{drawn}"' in living.prosody_config.read_text()


def test_a_template_that_makes_no_configuration_draws_nothing(living: Place) -> None:
    """The main file by a template of the repository, which a new secret beside it makes nothing worse."""
    before = living.bytes()
    document = DOCUMENT.replace("prosody:\n", "prosody:\n  template: templates/main.j2\n")
    document += "  <home>/own: {content: {generated: own}}\n"
    living.push({"templates/main.j2": 'VirtualHost "example.test"\nx = = {{ ports.c2s[0] }}\n'}, document=document)
    outcome = living.reconcile()
    assert outcome["result"] == "invalid"
    assert outcome["mistakes"][0]["file"] == "templates/main.j2"
    assert living.bytes() == before
