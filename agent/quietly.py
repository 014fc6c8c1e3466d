"""`python -m agent.quietly PROGRAM ARGUMENT…`: run a program for which no package may start, stop or restart a service.

To be called in a mount namespace of its own (systemd's PrivateMounts). The policy that says no is a layer under
/usr/sbin: what the program writes there goes to the real directory, and the policy does not. One that the host's admin
has put there lies over ours: ours is laid over it.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile

_SBIN = "/usr/sbin"
_POLICY = "policy-rc.d"
_NO = b"#!/bin/sh\nexit 101\n"
"""The answer that invoke-rc.d(8) and deb-systemd-invoke(1p) take as: not allowed."""
_MS_BIND = 4096


def main(argv: list[str]) -> None:
    """Never returns."""
    layer = tempfile.mkdtemp(prefix="prosodist-", dir="/run")
    policy = os.path.join(layer, _POLICY)
    with open(os.open(policy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755), "wb") as file:
        file.write(_NO)
    if os.path.lexists(os.path.join(_SBIN, _POLICY)):
        _mount(policy, os.path.join(_SBIN, _POLICY), "", _MS_BIND, "")
    else:
        work = "/usr/.prosodist"
        os.makedirs(work, mode=0o700, exist_ok=True)
        _mount("overlay", _SBIN, "overlay", 0, f"lowerdir={layer},upperdir={_SBIN},workdir={work}")
    os.execv(argv[0], argv)  # noqa: S606


def _mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    """mount(2). Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


if __name__ == "__main__":
    main(sys.argv[1:])
