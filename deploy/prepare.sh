# Sourced by deploy/demo.sh and tests/run.sh: gets a Debian ready. POSIX sh; needs dash and coreutils alone.
# pip and apt use the machine's own settings; no server is ever started by a package that is installed here.

policy=/usr/sbin/policy-rc.d
policy_mark='# placed by prosodist while it installs packages; to be removed when found'

say() { printf '%s\n' "$*"; }

complain() { printf '%s\n' "$*" >&2; }

# Prints the first Python that will do: 3.11 or newer, able to make a venv with pip. Debian's own is preferred,
# since what a virtual environment is made from must not go away.
find_python() {
    for candidate in /usr/bin/python3 python3; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# have PROGRAM: whether it is there, also where only root's PATH looks.
have() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

# missing_packages PROGRAM=PACKAGE...: prints the packages of the programs that are not there.
missing_packages() {
    missing=
    find_python >/dev/null || missing="python3-venv"
    for pair in "$@"; do
        package=${pair#*=}
        case " $missing " in *" $package "*) continue ;; esac
        have "${pair%%=*}" || missing="$missing $package"
    done
    # shellcheck disable=SC2086 # one word a package
    set -- $missing
    printf '%s' "$*"
}

# install_or_say PACKAGE...: as root installs them; another user is told what to run, and that is status 1.
install_or_say() {
    if [ "$(id -u)" -ne 0 ]; then
        complain "Missing here: $*. As root, run:"
        complain ""
        complain "    apt-get update && apt-get install --no-install-recommends $*"
        complain ""
        complain "and then this again. (Debian's prosody starts a server of its own when it is installed by hand;"
        complain "run as root, this script installs it without.)"
        return 1
    fi
    say "Installing $* (no service is started)"
    forbid_services
    status=0
    quietly apt_get update && quietly apt_get install --yes --no-install-recommends "$@" || status=$?
    allow_services
    return "$status"
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q "$@" </dev/null; }

# quietly COMMAND...: its output only when it fails.
quietly() {
    output=$(mktemp)
    if "$@" >"$output" 2>&1; then
        rm -f "$output"
    else
        status=$?
        cat "$output" >&2
        rm -f "$output"
        return "$status"
    fi
}

# Packages ask policy-rc.d before they start a service (invoke-rc.d(8)); 101 forbids it.
# The caller's exit trap calls allow_services, so it goes whatever ends the script.
forbid_services() {
    if [ -e "$policy" ] && ! grep -qF "$policy_mark" "$policy"; then
        mv "$policy" "$policy.before-prosodist"
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
    chmod 755 "$policy"
}

allow_services() {
    if [ -e "$policy" ] && grep -qF "$policy_mark" "$policy"; then
        rm -f "$policy"
    fi
    if [ -e "$policy.before-prosodist" ] && [ ! -e "$policy" ]; then
        mv "$policy.before-prosodist" "$policy"
    fi
}

# make_venv DIRECTORY STAMP ARGUMENT...: a virtual environment with what `pip install ARGUMENT...` gives;
# left as it is while STAMP, the text that says what went into it, is the same.
make_venv() {
    venv=$1 stamp=$2
    shift 2
    if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/stamp" 2>/dev/null)" = "$stamp" ]; then
        return 0
    fi
    say "Making a virtual environment in $venv"
    rm -rf "$venv"
    "$(find_python)" -m venv "$venv" &&
        quietly "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" &&
        printf '%s\n' "$stamp" >"$venv/stamp"
}
