"""`python -m agent.quietly PROGRAM ARGUMENT…`: run a program for which no package may start, stop or restart Prosody.

To be called in a mount namespace of its own (systemd's PrivateMounts), which the policy that says no does not leave.
It is a layer under /usr/sbin: what the program writes there goes to the real directory, and the policy does not. One
that the host's admin has put there would lie over that layer, so ours is laid over it. Of any other service the admin's
own is asked, and where there is none, packages do as they do without us.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys

PLACE = "/usr/.prosodist"
"""What a layer needs beside the directory it lies under. Of no meaning when nothing runs."""
_SBIN = "/usr/sbin"
_POLICY = "policy-rc.d"
_THEIRS = os.path.join(PLACE, "theirs")
"""Where the admin's own is seen meanwhile."""
_NO = f"""\
#!/bin/sh
for word in "$@"; do
    case $word in prosody | prosody.service | prosodist | prosodist.service) exit 101 ;; esac
done
test -x {_THEIRS} || exit 0
exec {_THEIRS} "$@"
"""
"""101 is what invoke-rc.d(8) and deb-systemd-invoke(1p) take as: not allowed. The agent ends by itself, later."""
_MS_BIND, _MS_PRIVATE = 4096, 1 << 18


def main(argv: list[str]) -> None:
    """Never returns. Raises OSError, and runs nothing, where no policy can be shown, or all would see it."""
    if os.path.samefile("/proc/self/ns/mnt", "/proc/1/ns/mnt"):
        raise OSError(f"{argv[0]}: this is the mount namespace of the whole host; run it in one of its own")
    shutil.rmtree(PLACE, ignore_errors=True)  # what is to follow the unit may not have come to it, the last time
    layer, work = os.path.join(PLACE, "policy"), os.path.join(PLACE, "work")
    for directory in (PLACE, layer, work):
        os.makedirs(directory, mode=0o755, exist_ok=True)
    policy, shown = os.path.join(layer, _POLICY), os.path.join(_SBIN, _POLICY)
    with open(os.open(policy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o755), "wb") as file:
        file.write(_NO.encode())
    if os.path.exists(shown):
        with open(_THEIRS, "wb"):
            pass  # something to lay it over
        _mount(shown, _THEIRS, "", _MS_BIND, "")
        _mount("", _THEIRS, "", _MS_PRIVATE, "")  # or what comes over the one would come over the other too
        _mount(policy, shown, "", _MS_BIND, "")
    else:
        _mount("overlay", _SBIN, "overlay", 0, f"lowerdir={layer},upperdir={_SBIN},workdir={work}")
    os.execv(argv[0], argv)  # noqa: S606


def _mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    """mount(2). Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


if __name__ == "__main__":
    main(sys.argv[1:])
