# Is the typical host as it should be? By hand: a program for each look.
home=$1
for number in 0 1 2 3; do
    {
        echo "page $number of chat.example.test"
        n=0
        while [ $n -lt 20 ]; do echo "line $n of $number"; n=$((n + 1)); done
    } | cmp -s - "$home/site/page$number.txt" || echo "page$number differs"
done
[ -d "$home/site" ] && [ -d "$home/data" ] || echo "a folder is missing"
[ "$(readlink "$home/current")" = "$home/site" ] || echo "the link differs"
certs=$home/prosody/certs
openssl x509 -noout -checkend 2592000 -in "$certs/example.test.crt" >/dev/null || echo "the certificate ends"
[ -s "$certs/example.test.key" ] || echo "the key is missing"
kill -0 "$(cat "$home/prosody/run/prosody.pid")" || echo "Prosody does not run"
sha256sum "$home/prosody/etc/prosody.cfg.lua" >/dev/null
