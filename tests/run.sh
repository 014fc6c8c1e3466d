#!/bin/sh
# Sets up and runs everything that must hold: ruff, mypy and all tests. Arguments go to pytest.
#   sh tests/run.sh                  the suite
#   sh tests/run.sh --hosts          also fresh Debian 12 and 13: the demo in trees, the suite in one, servers booted (root);
#                                  their logs lie in the tests' cache while they run, and after a failure
#   sh tests/run.sh tests/schemas    a part of it
# Debian 12 or 13. Root gets what is missing from apt; others are told. PROSODIST_VENV: where the venv goes.
set -eu
cd "$(dirname "$0")/.."
. deploy/prepare.sh

needed="git=git openssl=openssl prosody=prosody lua5.4=lua5.4 luac5.4=lua5.4 strace=strace sshd=openssh-server \
ssh-keygen=openssh-client setpriv=util-linux vim=vim"
for_hosts="debootstrap=debootstrap systemd-nspawn=systemd-container nft=nftables ip=iproute2 gpg=gpg dpkg-scanpackages=dpkg-dev"

wanted=$needed
case " $* " in *" --hosts "*) wanted="$needed $for_hosts" ;; esac
# shellcheck disable=SC2086 # one word a program
packages=$(missing_packages $wanted)
if [ -n "$packages" ]; then
    trap allow_services EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    # shellcheck disable=SC2086
    install_or_say $packages
    trap - EXIT INT TERM HUP
fi

venv=${PROSODIST_VENV:-.venv}
make_venv "$venv" "$(pwd) $("$(find_python)" --version) $(cksum <pyproject.toml)" --editable '.[test]'
PATH="$(cd "$venv/bin" && pwd):$PATH:/usr/sbin:/sbin"
export PATH

ruff check .
ruff format --check .
mypy
exec python -m pytest "$@"
