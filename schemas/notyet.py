"""What the language has and this version of the program does not do yet.

It passes `validate`, with a note; `plan` and `run` refuse it. Whoever builds a part takes its row out.
"""

from __future__ import annotations

from collections.abc import Callable

from schemas.errors import Mark
from schemas.nodes import List, Map, Node
from schemas.places import places
from schemas.references import KNOWN_SERVICES

NOT_YET: dict[tuple[str, ...], str] = {
    ("profile", "uberspace"): "hosts of the kind uberspace",
    ("profile", "slackware"): "hosts of the kind slackware",
    ("policy",): "bundles",
    ("vars", "*", "read"): "variables that the host supplies",
    ("unmanaged", "accounts", "report"): "telling of accounts that never were in git",
    ("prune", "grace"): "a way back for accounts",
    ("maintenance",): "windows of maintenance",
    ("packages", "luarocks"): "rocks",
    ("packages", "toast"): "sources built by toast",
    ("packages", "pkgtools"): "packages of Slackware",
    ("prosody", "version", "absent"): "removing Prosody",
    ("prosody", "plugins", "*", "hg"): "modules from a Mercurial repository",
    ("prosody", "plugins", "*", "git"): "modules from a git repository",
    ("prosody", "plugins", "*", "archive"): "modules from an archive",
    ("prosody", "plugins", "*", "rock"): "modules from a rock",
    ("certificates", "*", "issuers"): "certificates of a CA",
    ("certificates", "*", "path"): "certificates of somebody else",
    ("certificates", "*", "none"): "a host without a certificate",
    ("certificates", "*", "hosts"): "a certificate for several hosts",
    ("certificates", "*", "notify"): "telling services of a certificate",
    ("certificates", "*", "install"): "a second place for a certificate",
    ("certificates", "*", "drift"): "a word for the drift of one certificate",
    ("accounts",): "accounts",
    ("files", "*", "git"): "files from a git repository",
    ("files", "*", "hg"): "files from a Mercurial repository",
    ("files", "*", "archive"): "files from an archive",
    ("files", "*", "dhparam"): "parameters for Diffie-Hellman",
    ("services", "*", "manager", "systemd-user"): "services of a user's own systemd",
    ("services", "*", "manager", "daemontools"): "services under daemontools",
    ("services", "*", "manager", "supervisord"): "services under supervisord",
    ("services", "*", "manager", "rc.d"): "services under rc.d",
    ("services", "*", "manager", "child"): "services as children of the agent",
    ("jobs",): "jobs",
    ("users",): "users",
    ("databases",): "databases",
}
"""The way to a place → what is done there. `*` is any key; the last step may be a text that stands there."""
NOT_YET_LOCAL: dict[tuple[str, ...], str] = {
    ("services",): "services under the profile local",
    **{("files", "*", "notify", "*", name): f"telling {name} under the profile local" for name in KNOWN_SERVICES},
    ("apt_sources",): "sources of packages under the profile local",
    ("prosody", "version", "latest"): "installing Prosody under the profile local",
    ("prosody", "package"): "installing Prosody under the profile local",
}
"""What is done under another profile alone."""


def tell_not_yet(root: Map, tell: Callable[[Mark, str], None]) -> None:
    """Each such place of a combined document, at its mark. What is empty says nothing."""
    is_local = any(places(root, "profile", "local"))
    for way, what in (NOT_YET | NOT_YET_LOCAL if is_local else NOT_YET).items():
        for mark, node in places(root, *way):
            if not _is_empty(node):
                tell(mark, f"not yet: {what} (a later version of prosodist); take it out until then")


def _is_empty(node: Node) -> bool:
    return (isinstance(node, Map) and not node.entries) or (isinstance(node, List) and not node.items)
