# Set up the typical host by hand, and wait until Prosody listens.
set -e
home=$1 port=$2
umask 027
mkdir "$home/etc" "$home/data" "$home/run" "$home/log" "$home/certs" "$home/site"
ln -s "$home/site" "$home/current"
for number in 0 1 2 3; do
    {
        echo "page $number of chat.example.test"
        n=0
        while [ $n -lt 20 ]; do echo "line $n of $number"; n=$((n + 1)); done
    } >"$home/site/page$number.txt"
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=example.test \
    -addext subjectAltName=DNS:example.test,DNS:rooms.example.test \
    -keyout "$home/certs/example.test.key" -out "$home/certs/example.test.crt" 2>/dev/null
sh "$(dirname "$0")/config.sh" "$home" "$port" >"$home/etc/prosody.cfg.lua"
sh "$(dirname "$0")/check.sh" "$home"
sh "$(dirname "$0")/start.sh" "$home" "$port"
