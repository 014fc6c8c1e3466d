#!/bin/sh
# enter.sh TREE USER COMMAND...: runs a command in a Debian tree as that user. To be started as
#   unshare --mount --pid --fork --kill-child sh enter.sh …
# so that mounts and processes end with it. Not exec: the shell stays as process 1 and reaps orphans.
# TREE.binds lists directories of this machine that the tree is to see at the same place, read-only.
set -eu
tree=$1 user=$2
shift 2
mount -t proc proc "$tree/proc"
mount --rbind /sys "$tree/sys"
mount --rbind /dev "$tree/dev"
while read -r directory; do
    mkdir -p "$tree$directory"
    mount --bind "$directory" "$tree$directory"
    mount -o remount,bind,ro "$tree$directory"
done <"$tree.binds"
status=0
chroot "$tree" setpriv --reuid="$user" --regid="$user" --init-groups "$@" </dev/null || status=$?
exit "$status"
