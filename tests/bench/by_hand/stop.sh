# Stop Prosody and wait until it has ended.
set -e
home=$1
until [ -s "$home/run/prosody.pid" ]; do sleep 0.01; done # it listens a moment before it writes this
pid=$(cat "$home/run/prosody.pid")
kill "$pid"
while [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do sleep 0.01; done
