#!/bin/sh
# build.sh [DIRECTORY]: makes prosodist_VERSION_ARCHITECTURE.deb there (here, when none is named), for the Debian it runs on.
# In it lies a virtual environment with all that the agent needs, so that its installation asks no network.
# Needs python3-venv. WHEELS=DIRECTORY keeps the libraries there, and takes them from there the next time.
set -eu
umask 022

checkout=$(cd "$(dirname "$0")/../.." && pwd)
output=$(mkdir -p "${1:-.}" && cd "${1:-.}" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

version=${VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' "$checkout/pyproject.toml")}
architecture=$(dpkg --print-architecture)
root=$scratch/root
home=/usr/lib/prosodist
wheels=${WHEELS:-$scratch/wheels}

main() {
    collect_wheels
    make_environment
    lay_out
    describe
    package=$output/prosodist_${version}_$architecture.deb
    dpkg-deb --root-owner-group -Zxz -z1 --build "$root" "$package" >/dev/null
    printf '%s\n' "$package"
}

# The libraries, once for this pyproject.toml and this Python, for which some of them are compiled;
# and the program itself, as it is now.
collect_wheels() {
    /usr/bin/python3 -m venv "$scratch/tools"
    pip="$scratch/tools/bin/python -m pip --quiet --disable-pip-version-check"
    mkdir -p "$wheels"
    wanted="$(sha256sum <"$checkout/pyproject.toml") $(/usr/bin/python3 -V)"
    if [ "$(cat "$wheels/complete" 2>/dev/null)" != "$wanted" ]; then
        requirements >"$scratch/requirements.txt"
        $pip wheel --wheel-dir "$wheels" --requirement "$scratch/requirements.txt"
        $pip wheel --wheel-dir "$wheels" setuptools wheel
        printf '%s\n' "$wanted" >"$wheels/complete"
    fi
    mkdir "$scratch/source"
    (cd "$checkout" && cp -a agent reconcilers schemas pyproject.toml README.md LICENSE "$scratch/source")
    $pip wheel --no-index --find-links "$wheels" --no-deps --wheel-dir "$scratch/own" "$scratch/source"
}

requirements() {
    /usr/bin/python3 -c 'import sys, tomllib
print(*tomllib.load(open(sys.argv[1], "rb"))["project"]["dependencies"], sep="\n")' "$checkout/pyproject.toml"
}

# A virtual environment whose files name the place where it will lie, not the one where it is made.
make_environment() {
    /usr/bin/python3 -m venv --without-pip "$root$home"
    $pip --python "$root$home/bin/python3" install --no-index --no-compile --find-links "$wheels" "$scratch"/own/*.whl
    find "$root$home" -name __pycache__ -prune -exec rm -rf {} +
    find "$root$home/bin" -type f ! -name prosodist -delete
    sed -i "1s|.*|#!$home/bin/python3|" "$root$home/bin/prosodist"
    sed -i "s|$root||" "$root$home/pyvenv.cfg"
    /usr/bin/python3 -m compileall -q -s "$root" --invalidation-mode unchecked-hash "$root$home/lib"
}

lay_out() {
    mkdir -p "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/usr/share/doc/prosodist" "$root/usr/share/prosodist"
    ln -s "$home/bin/prosodist" "$root/usr/bin/prosodist"
    cp "$checkout/deploy/systemd/prosodist.service" "$root/usr/lib/systemd/system"
    cp "$checkout/deploy/examples/debian/agent.yaml" "$root/usr/share/prosodist" # not in doc, which a host may leave out
    cp "$checkout/README.md" "$checkout/CHANGELOG.md" "$root/usr/share/doc/prosodist"
    cp "$checkout/LICENSE" "$root/usr/share/doc/prosodist/copyright"
    cp -R "$checkout/docs" "$checkout/deploy/examples" "$root/usr/share/doc/prosodist"
    chmod -R a+rX,go-w "$root"
}

describe() {
    mkdir "$root/DEBIAN"
    for script in postinst prerm postrm; do
        install -m 755 "$checkout/deploy/deb/$script" "$root/DEBIAN/$script"
    done
    python=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    above=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')
    cat >"$root/DEBIAN/control" <<CONTROL
Package: prosodist
Version: $version
Architecture: $architecture
Maintainer: prosodist <prosodist@localhost>
Depends: python3 (>= $python), python3 (<< $above), libc6, systemd, init-system-helpers
Recommends: ca-certificates
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Section: net
Priority: optional
Description: push to git; your Prosody follows
 An agent that watches a git repository of desired state, and keeps this
 host's Prosody XMPP server as that says: package, configuration, service,
 and the files around it.
CONTROL
}

main
