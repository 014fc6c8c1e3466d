#!/bin/sh
# prosodist on a real Prosody, in one directory, without touching the machine's own.
#   sh deploy/demo.sh           runs until Ctrl-C and says what to edit and push
#   sh deploy/demo.sh --once    a tour by itself; its last line is `converged at <revision>`
# Debian 12 or 13. Root gets what is missing from apt; others are told what to install.
# PROSODIST_DEMO: the directory of the demo; remove it to start anew.
set -eu
umask 022
checkout=$(cd "$(dirname "$0")/.." && pwd)
. "$checkout/deploy/prepare.sh"

once=no
case "${1-}" in
'') ;;
--once) once=yes ;;
*)
    complain "usage: sh deploy/demo.sh [--once]"
    exit 2
    ;;
esac

agent=
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

main() {
    packages=$(missing_packages git=git openssl=openssl prosody=prosody lua5.4=lua5.4 luac5.4=lua5.4)
    if [ -n "$packages" ]; then
        # shellcheck disable=SC2086 # one word a package
        install_or_say $packages
    fi
    choose_place
    install_program
    make_repository
    write_settings
    end_leftovers
    if [ "$once" = yes ]; then tour; else stay; fi
}

# Where the demo lives, and who the agent is. Root's place is one that only root writes and others may enter.
choose_place() {
    if [ "$(id -u)" -eq 0 ]; then
        place=${PROSODIST_DEMO:-/var/cache/prosodist-demo}
        say "Started as root. The agent needs no root: it and its Prosody run as the user prosody,"
        say "whom Debian's package made. The repository and your clone of it are root's."
        as_agent="setpriv --reuid=prosody --regid=prosody --clear-groups"
        own="chown prosody:prosody"
    else
        place=${PROSODIST_DEMO:-$checkout/demo}
        as_agent="env"
        own="true"
    fi
    mkdir -p "$place"
    place=$(cd "$place" && pwd)
    if ! $as_agent test -x "$place"; then
        complain "$place: the user prosody cannot enter it; set PROSODIST_DEMO to a directory that all may enter"
        exit 1
    fi
    for directory in home state run; do
        if [ ! -d "$place/$directory" ]; then
            mkdir "$place/$directory"
            chmod 700 "$place/$directory"
            $own "$place/$directory"
        fi
    done
}

# From a copy of the sources, so that the checkout is only read.
install_program() {
    sources=$(cd "$checkout" && find agent reconcilers schemas pyproject.toml -name __pycache__ -prune -o -type f -print |
        LC_ALL=C sort | xargs cksum | cksum)
    make_venv_from_copy "$place/venv" "$checkout $sources $("$(find_python)" --version)"
}

make_venv_from_copy() {
    copy=$place/source
    rm -rf "$copy"
    mkdir "$copy"
    (cd "$checkout" && cp -R agent reconcilers schemas pyproject.toml README.md LICENSE "$copy")
    make_venv "$1" "$2" "$copy"
    rm -rf "$copy"
}

make_repository() {
    repository=$place/repository.git work=$place/work
    [ ! -d "$repository" ] || return 0
    rm -rf "$work"
    git init --quiet --bare --initial-branch=main "$repository.new"
    git init --quiet --initial-branch=main "$work"
    cp -R "$checkout/deploy/demo/repository/." "$work"
    git -C "$work" config user.name "$(id -un)"
    git -C "$work" config user.email "$(id -un)@example.test"
    git -C "$work" config commit.gpgSign false
    git -C "$work" remote add origin "$repository"
    git -C "$work" add --all
    git -C "$work" commit --quiet --message "Describe the host"
    git -C "$work" push --quiet "$repository.new" main
    mv "$repository.new" "$repository"
}

write_settings() {
    cat >"$place/agent.yaml" <<END
# The agent's settings, on the host; everything else is in git.
repository: $repository
branch: main
host: chat.example.test
profile: local
interval: 2s
home: $place/home
state_dir: $place/state
control_socket: $place/run/control
END
    cat >"$place/prosodist" <<END
#!/bin/sh
# The agent's command line as the agent's user, with the demo's settings.
cd / && exec env HOME='$place/home' $as_agent '$place/venv/bin/prosodist' --config '$place/agent.yaml' "\$@"
END
    chmod 755 "$place/prosodist"
}

tour() {
    say "The demo is in $place"
    "$place/prosodist" run >"$place/agent.log" 2>&1 </dev/null &
    agent=$!
    if ! "$place/venv/bin/python" "$checkout/deploy/demo/tour.py" "$place" "$agent"; then
        complain "The end of the agent's log ($place/agent.log):"
        tail -n 20 "$place/agent.log" >&2
        exit 1
    fi
    end_agent
    say ""
    say "The agent and its Prosody are stopped; $place is as it was left. Without --once the demo stays."
    say "converged at $(git -C "$work" rev-parse HEAD)"
}

stay() {
    cat <<END

The agent keeps a Prosody below $place/home as the repository says.
In another terminal, change something and push it:

    cd $work
    \$EDITOR hosts/chat.example.test.yaml    # add a virtual host:  talk.example.test: {}
    git commit -am 'Serve talk.example.test' && git push

or edit what the agent keeps, and see it reported and corrected:

    echo 'by hand' >> $place/home/clients.txt
    $place/prosodist kept list

or push a mistake, and see it refused:

    $place/prosodist validate $work
    $place/prosodist status

Ctrl-C ends the agent and its Prosody. What follows is the agent's log.

END
    "$place/prosodist" run </dev/null &
    agent=$!
    wait "$agent"
}

# The agent ends after the step in hand; what has not ended after ten seconds is ended with its Prosody.
end_agent() {
    if [ -n "$agent" ] && kill "$agent" 2>/dev/null; then
        tries=0
        while [ "$tries" -lt 100 ] && lives "$agent"; do
            tries=$((tries + 1))
            sleep 0.1
        done
        ! lives "$agent" || complain "The agent did not end when asked (SIGTERM)."
    fi
    agent=
    end_leftovers
}

# A process that has ended stays as a zombie until the shell waits for it (proc(5): stat).
lives() { ! grep -qs ') Z ' "/proc/$1/stat" && [ -e "/proc/$1" ]; }

# The agent leaves its Prosody running, so that clients stay when only the agent is renewed. Here both go.
# Ours is what names the demo's home or settings in its command line.
end_leftovers() {
    [ -n "${place-}" ] || return 0
    for signal in TERM KILL; do
        tries=0
        while pids=$(ours) && [ -n "$pids" ] && [ "$tries" -lt 50 ]; do
            # shellcheck disable=SC2086 # one word a process
            [ "$tries" -gt 0 ] || kill -s "$signal" $pids 2>/dev/null || :
            tries=$((tries + 1))
            sleep 0.1
        done
    done
}

ours() {
    for process in /proc/[0-9]*; do
        line=$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) || continue
        case "$line" in
        *"--config $place/agent.yaml run "* | *"bin/prosody "*"$place/home/"*)
            ! same_root "$process" || printf '%s ' "${process#/proc/}"
            ;;
        esac
    done
}

# A process in a chroot or container may name the same path and mean another.
same_root() { [ "$(stat -Lc %d:%i "$1/root/." 2>/dev/null)" = "$(stat -Lc %d:%i /)" ]; }

finish() {
    status=$?
    trap '' INT TERM HUP
    allow_services 2>/dev/null || :
    end_agent
    exit "$status"
}

main
