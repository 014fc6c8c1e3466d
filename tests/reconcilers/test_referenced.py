"""A secret is found wherever the document may hold one, whatever part it stands in."""

from __future__ import annotations

import pyrage

from schemas.desired import Age
from schemas.load import Blob, Facts, load

DOCUMENT = """\
profile: debian
prosody:
  admins: [{age: secrets/1.age}, a@example.net]
  contact_info: {admin: [{age: secrets/2.age}]}
  virtual_hosts:
    example.net: {http_host: {age: secrets/3.age}, components: {rooms: {module: muc, name: {age: secrets/4.age}}}}
  components: {irc.example.net: {component_secret: {age: secrets/5.age}}}
certificates:
  example.net:
    issuers: [{directory: https://ca.example/dir, eab: {kid: k, hmac: {age: secrets/6.age}}}]
    challenge: {dns-01: {server: 192.0.2.53, tsig: {name: acme, algorithm: hmac-sha256, secret: {age: secrets/7.age}}}}
accounts:
  a@example.net: {password: {age: secrets/8.age}}
  b@example.net: {scram: {age: secrets/9.age}}
files:
  /srv/a: {content: {age: secrets/10.age}}
  /srv/b: {template: templates/b.j2, vars: {deep: [{one: {age: secrets/11.age}}]}}
"""
PLACES = 11


def test_every_place_is_found_and_its_file_is_part_of_the_input() -> None:
    """Each with the way to it; other bytes in any of the files are another input."""
    to = pyrage.x25519.Identity.generate().to_public()
    tree = {f"secrets/{number}.age": Blob(bytes(pyrage.encrypt(b"it", [to]))) for number in range(1, PLACES + 1)}
    tree |= {"hosts/a.yaml": Blob(DOCUMENT.encode()), "templates/b.j2": Blob(b"")}
    spec = load(tree, "a", Facts())
    found = {ref.age: (way, spec.origin(*way)) for way, ref in spec.secrets if isinstance(ref, Age)}
    assert len(found) == PLACES
    for number, line in enumerate(DOCUMENT.splitlines(), start=1):
        for age in [age for age in found if f"{{age: {age}}}" in line]:
            way, mark = found[age]
            assert mark is not None and mark.line == number, (way, mark)
    assert found["secrets/7.age"][0][-2:] == ("tsig", "secret")
    assert found["secrets/11.age"][0] == ("files", "/srv/b", "vars", "deep", 0, "one")
    for number in range(1, PLACES + 1):
        other = tree | {f"secrets/{number}.age": Blob(bytes(pyrage.encrypt(b"it", [to])))}
        assert load(other, "a", Facts()).digest != spec.digest
