# Stop Prosody and wait until it has ended.
set -e
home=$1
pid=$(cat "$home/run/prosody.pid")
kill "$pid"
while [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do sleep 0.01; done
