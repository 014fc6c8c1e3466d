# Start Prosody in a session of its own and wait until it listens and has said who it is.
home=$1 port=$2
setsid prosody --config "$home/etc/prosody.cfg.lua" -F </dev/null >"$home/log/out" 2>&1 &
hex=$(printf '0100007F:%04X' "$port")
until grep -q " $hex 00000000:0000 0A" /proc/net/tcp; do sleep 0.01; done
until [ -s "$home/run/prosody.pid" ]; do sleep 0.01; done
