-- From a guide of 2016 for shared hosting without root (Prosody 0.9, daemontools), its blanks filled in.
-- Left out: the module privacy, which neither 0.12 nor 13.0 has.
pidfile = "/home/juliet/var/prosody/prosody.pid";
admins = { "admin@domain.example" }
modules_enabled = {
	"roster";
	"saslauth";
	"tls";
	"dialback";
	"disco";
	"private";
	"vcard";
	"version";
	"uptime";
	"time";
	"ping";
	"posix";
	"pep";
	"register";
	"admin_adhoc";
	"motd";
	"welcome";
};
daemonize = false; -- daemontools wants it in the foreground
data_path = "/home/juliet/var/prosody/data";
log = { info = "*console" }
allow_registration = false;
s2s_ports = { 61269 }
c2s_ports = { 61222 }
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = true
authentication = "internal_hashed"
interfaces = {"192.0.2.9", "2001:db8::9"}

VirtualHost "domain.example"
	enabled = true

	ssl = {
		key = "/home/juliet/var/prosody/ssl/prosody_domain.example_private.key";
		certificate = "/home/juliet/var/prosody/ssl/prosody_domain.example.crt";

		-- Allow perfect forward secrecy.
		dhparam = "/home/juliet/var/prosody/ssl/dh-4096.pem";

		-- Where CentOS stores its trusted CAs.
		cafile = "/etc/pki/tls/certs/ca-bundle.crt";
	}

Component "rooms.domain.example" "muc"
	name = "Rooms"
	restrict_room_creation = false -- users may make rooms
