# Prosody's configuration for the typical host; a third word names one more module, a fourth a debug log.
home=$1 port=$2
module=${3:+", \"$3\""} debug=${4:+", debug = \"$4\""}
cat <<LUA
data_path = "$home/data"
pidfile = "$home/run/prosody.pid"
admin_socket = "$home/run/prosody.sock"
certificates = "$home/certs"
log = { info = "$home/log/prosody.log"$debug }
daemonize = false
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { $port }
s2s_ports = {}
http_ports = {}
https_ports = {}
modules_enabled = { "roster", "saslauth", "tls", "dialback", "disco", "carbons", "pep", "mam", "smacks", "admin_shell"$module }
VirtualHost "example.test"
Component "rooms.example.test" "muc"
restrict_room_creation = "local"
LUA
