"""What a template tells of a certificate: its paths at once, the rest once it is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from world import World, spec

from reconcilers import certificates, directories, files, ports
from schemas.actions import WriteFile
from schemas.desired import HostSpec
from schemas.plan import Change, Wait


@pytest.fixture
def world(home: Path, prosody12: Path) -> World:
    return World(home, prosody12)


def wanted(world: World, template: str) -> HostSpec:
    prosody = {"virtual_hosts": {"a.test": {"components": {"muc.a.test": {}}}}}
    out = {f"{world.home}/out": {"template": "t.j2"}}
    world.converge(spec(prosody), directories, ports)
    return spec(prosody, {"t.j2": template.encode()}, files=out)


def text(world: World, host: HostSpec) -> str:
    (change,) = (v for v in world.verdicts(host, files) if isinstance(v, Change))
    (write,) = (action for action in change.actions if isinstance(action, WriteFile))
    assert isinstance(write.content, bytes)
    return write.content.decode()


def openssl(*argv: str) -> str:
    return subprocess.run(["openssl", *argv], capture_output=True, check=True, text=True).stdout


def test_paths_and_names_are_known_beforehand(world: World) -> None:
    """A web server's file can be written before the pair is."""
    host = wanted(world, "{% for n, c in certificates.items() %}{{ n }} {{ c.names|join(',') }} {{ c.fullchain }}"
                         " {{ c.privkey }}{% endfor %}")  # fmt: skip
    directory = world.site.paths.certificates
    assert text(world, host) == f"a.test a.test,muc.a.test {directory}/a.test.crt {directory}/a.test.key"


def test_what_the_certificate_says_waits_for_it(world: World) -> None:
    """Its digests are those that openssl prints; before it is there, the file waits and says for what."""
    template = "{% set c = certificates['a.test'] %}{{ c.sha256 }} {{ c.spki }} {{ c.not_after }}"
    host = wanted(world, template)
    (wait,) = world.verdicts(host, files)
    pair = Path(world.site.paths.certificates / "a.test.crt")
    assert isinstance(wait, Wait) and str(pair) in wait.why
    world.converge(host, directories, certificates)
    sha256, spki, not_after = text(world, host).split()
    assert (
        openssl("x509", "-in", str(pair), "-noout", "-fingerprint", "-sha256").split("=")[1].strip()
        == ":".join(sha256[i : i + 2] for i in range(0, 64, 2)).upper()
    )
    public = openssl("x509", "-in", str(pair), "-noout", "-pubkey")
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public.encode(), capture_output=True)
    digest = subprocess.run(["openssl", "dgst", "-sha256"], input=der.stdout, capture_output=True, text=False).stdout
    assert digest.decode().split("= ")[1].strip() == spki
    end = openssl("x509", "-in", str(pair), "-noout", "-enddate", "-dateopt", "iso_8601").split("=")[1].strip()
    assert end.replace(" ", "T") == not_after
