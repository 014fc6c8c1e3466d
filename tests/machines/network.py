"""A network of its own for each machine, which reaches the world through this one by NAT."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import releases

_RULES = """\
table ip prosodist-tests
delete table ip prosodist-tests
table ip prosodist-tests {
    chain out {
        type nat hook postrouting priority srcnat
        ip saddr 10.77.0.0/16 ip daddr != 10.77.0.0/16 masquerade
    }
}
"""


class Network(NamedTuple):
    """A network namespace (netns(7)) by its path, and its address as this machine sees it."""

    path: Path
    address: str


@contextmanager
def network() -> Iterator[Network]:
    """Made with a way out; it goes in the end, with all that is in it."""
    with releases.locked(releases.cache() / "network.lock"):
        _say("nft", "-f", "-", stdin=_RULES)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        taken = {path.name for path in Path("/run/netns").glob("prosodist-*")}
        number = next(number for number in range(250) if f"prosodist-{number}" not in taken)
        name, here, there = f"prosodist-{number}", f"pt{number}", f"10.77.{number}"
        _say("ip", "netns", "add", name)
    try:
        _say("ip", "link", "add", here, "type", "veth", "peer", "name", "host0", "netns", name)
        _say("ip", "address", "add", f"{there}.1/24", "dev", here)
        _say("ip", "link", "set", here, "up")
        for words in (
            ("address", "add", f"{there}.2/24", "dev", "host0"),
            *(("link", "set", link, "up") for link in ("host0", "lo")),
            ("route", "add", "default", "via", f"{there}.1"),
        ):
            _say("ip", "-n", name, *words)
        yield Network(path=Path("/run/netns", name), address=f"{there}.2")
    finally:
        _say("ip", "netns", "delete", name)


def _say(*argv: str, stdin: str = "") -> None:
    subprocess.run(argv, input=stdin, text=True, check=True, timeout=10)
