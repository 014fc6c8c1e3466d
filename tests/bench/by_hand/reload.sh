# Change the log, validate, reload, and wait until the new log is there.
home=$1 port=$2 log=$3
here=$(dirname "$0")
sh "$here/config.sh" "$home" "$port" "" "$log" >"$home/etc/prosody.cfg.lua"
sh "$here/check.sh" "$home"
kill -HUP "$(cat "$home/run/prosody.pid")"
until [ -e "$log" ]; do sleep 0.005; done
