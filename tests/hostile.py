"""What somebody who may push, and would be root, puts into the repository. One table, for whoever tries it.

Each case is a document, the files beside it, and words of the mistake that it must end in: another mistake would
hide that nobody looked. The host allows nothing, its repository is /srv/git and the agent's settings lie where a
Debian's do.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

EVIL = "root::0:0::/:/bin/sh\n"
"""What is written: no file that holds it is harmless."""


class Case(NamedTuple):
    """`document` follows the profile."""

    document: str
    words: str
    files: Mapping[str, str] = MappingProxyType({})


def _file(path: str, words: str = "a push may not write", entry: str = "content: 'root::0:0::/:/bin/sh\n\n'") -> Case:
    return Case(f'files: {{"{path}": {{{entry}}}}}\n', words)


_SECRETLY = "a push may not read"
_SHADOW = "{host_file: /etc/shadow}"
_PIN = f"sha256: {'ab' * 32}"
_RUN = r"needs allow: \{run: "
_SERVICES = r"needs allow: \{services: "
_SOURCES = r"needs allow: \{sources: "
_USERS = r"needs allow: \{users: "
_DNS = "issuers: letsencrypt, challenge: {dns-01: {server: 192.0.2.1, tsig: {name: k, algorithm: hmac-sha256, secret: "

CASES: dict[str, Case] = {
    # --- where root, its daemons, its loader or its shells look
    "a job of cron": _file("/etc/cron.d/x"),
    "a rule of sudo": _file("/etc/sudoers.d/x"),
    "a library for every program": _file("/etc/ld.so.preload"),
    "a directory of libraries": _file("/etc/ld.so.conf.d/x.conf"),
    "a library where the loader looks": _file("/usr/local/lib/libc.so.6"),
    "a unit": _file("/etc/systemd/system/x.service"),
    "a drop-in of Prosody's": _file("/etc/systemd/system/prosody.service.d/x.conf"),
    "a generator of units": _file("/usr/local/lib/systemd/system-generators/x"),
    "a hook of apt": _file("/etc/apt/apt.conf.d/99x"),
    "a source of packages": _file("/etc/apt/sources.list.d/x.sources"),
    "a hook of dpkg": _file("/etc/dpkg/dpkg.cfg.d/x"),
    "a script at every login": _file("/etc/profile.d/x.sh"),
    "a script that makes the motd": _file("/etc/update-motd.d/99-x"),
    "a service of D-Bus": _file("/usr/local/share/dbus-1/system-services/x.service"),
    "a rule of polkit": _file("/usr/local/share/polkit-1/rules.d/x.rules"),
    "a program of root's PATH": _file("/usr/local/sbin/apt-get"),
    "a module of PAM": _file("/etc/pam.d/sshd"),
    "a rule of udev": _file("/etc/udev/rules.d/x.rules"),
    "a module of the kernel": _file("/etc/modprobe.d/x.conf"),
    "a hook of logrotate": _file("/etc/logrotate.d/x"),
    "a hook of certbot": _file("/etc/letsencrypt/renewal-hooks/deploy/x"),
    "a hook of the network": _file("/etc/network/interfaces.d/x"),
    "settings of sshd": _file("/etc/ssh/sshd_config.d/x.conf"),
    "users": _file("/etc/passwd"),
    "passwords": _file("/etc/shadow"),
    "what init scripts source": _file("/etc/default/prosody"),
    "root's shell": _file("/root/.bashrc"),
    "root's keys": _file("/root/.ssh/authorized_keys", "is closed to a push"),
    "keys of a user below /srv": _file(
        "/srv/home/bob/.ssh/authorized_keys", "below .ssh may log in|is closed to a push"
    ),
    "keys of Prosody's user": _file("/var/lib/prosody/.ssh/authorized_keys", "is closed to a push"),
    "keys in a tree": Case(
        "files: {/srv/home: {tree: t}}\n", "below .ssh may log in", {"t/bob/.ssh/authorized_keys": EVIL}
    ),
    # --- the agent itself
    "the agent's settings": _file("/etc/prosodist/agent.yaml"),
    "the agent's state": _file("/var/lib/prosodist/state.db"),
    "the agent's program": _file("/opt/prosodist/lib/python3.11/site-packages/x.pth"),
    "hooks of the repository": _file("/srv/git/hooks/post-receive", "/srv/git is closed"),
    "settings of the repository": _file("/srv/git/config", "/srv/git is closed"),
    "Prosody's main file": _file("/etc/prosody/prosody.cfg.lua", "prosody.cfg.lua is closed"),
    "the stage": _file("/run/prosodist-stage/x"),
    # --- paths that are none
    "dots": _file("/srv/../etc/cron.d/x", r"expected a path without \.\."),
    "dots at the end": _file("/srv/..", r"expected a path without \.\."),
    "two slashes": _file("//etc/cron.d/x", "in its plain form"),
    "a path with a line break": _file("/srv/a\\nb", "without control characters"),
    "a path with a NUL": _file("/srv/a\\0b", "control character"),
    "a very long name": _file(f"/srv/{'a' * 300}", "at most 255 bytes"),
    "the root": _file("/", "the root itself"),
    "a relative path": _file("etc/cron.d/x", "an absolute path"),
    "memory of the kernel": _file("/proc/sys/kernel/core_pattern"),
    "the kernel's objects": _file("/sys/kernel/uevent_helper"),
    "a disk": _file("/dev/sda"),
    "a block in a file of root's": _file("/etc/sudoers", "a push may not write", "content: x, block: true"),
    "a block with two lines of comment": _file(
        "/etc/prosody/x", "control characters", 'content: x, block: true, comment: "#\\nos.exit()"'
    ),
    "all of root's home": _file("/root", "a push may not write", "directory: true, recurse: true, owner: prosody"),
    "all of the host": _file("/etc", "a push may not write", "directory: true, recurse: true, owner: prosody"),
    "an owner with a group": _file("/srv/a", "a name of", "content: x, owner: 'prosody:root'"),
    "an owner that is an option": _file("/srv/a", "a name of", "content: x, owner: '-R'"),
    "a second place for a certificate": Case(
        "prosody: {virtual_hosts: [a.b]}\ncertificates: {a.b: {self_signed: true, install: {directory: /etc/ssh}}}\n",
        "a push may not write",
    ),
    "a place for answers to a CA": Case(
        "prosody: {virtual_hosts: [a.b]}\n"
        "certificates: {a.b: {issuers: letsencrypt, challenge: {http-01: {webroot: /etc/cron.d}}}}\n",
        "a push may not write",
    ),
    # --- modes, links
    "set-uid": _file("/srv/sh", 'at most "0777"', "source: x, mode: '4755'"),
    "set-gid": _file("/srv/sh", 'at most "0777"', "source: x, mode: '2755'"),
    "sticky": _file("/srv/d", 'at most "0777"', "directory: true, mode: '1777'"),
    "a motd that is a link": _file("/etc/motd", "open to a text alone", "link: /etc/shadow"),
    "a motd that is a directory": _file("/etc/motd", "open to a text alone", "directory: true"),
    # --- each way to read
    "a variable": Case("vars: {a: {read: /etc/shadow}}\n", _SECRETLY),
    "a content": Case(f"files: {{/srv/a: {{content: {_SHADOW}}}}}\n", _SECRETLY),
    "a variable of a template": Case(
        f"files: {{/srv/a: {{template: x, vars: {{v: [{{w: {_SHADOW}}}]}}}}}}\n", _SECRETLY
    ),
    "a key of Tor": Case("files: {/srv/a: {content: {host_file: /var/lib/tor/x/hs_ed25519_secret_key}}}\n", _SECRETLY),
    "a key of a web server": Case(
        "files: {/srv/a: {content: {host_file: /etc/letsencrypt/live/a.b/privkey.pem}}}\n", _SECRETLY
    ),
    "the agent's own key": Case("files: {/srv/a: {content: {host_file: /etc/prosodist/keys/age.key}}}\n", _SECRETLY),
    "a generated secret": Case("files: {/srv/a: {content: {host_file: /etc/prosodist/keys/generated/a}}}\n", _SECRETLY),
    "an option": Case(f"prosody: {{ldap_password: {_SHADOW}}}\n", _SECRETLY),
    "an option, deep": Case(f"prosody: {{ldap: {{password: [{_SHADOW}]}}}}\n", _SECRETLY),
    "a password": Case(f"prosody: {{virtual_hosts: [a.b]}}\naccounts: {{x@a.b: {{password: {_SHADOW}}}}}\n", _SECRETLY),
    "a certificate": Case(
        "prosody: {virtual_hosts: [a.b]}\ncertificates: {a.b: {path: /root/tls}}\n", r"needs allow: \{read: \[/root/tls"
    ),
    "a key of DNS": Case(
        f"prosody: {{virtual_hosts: [a.b]}}\ncertificates: {{a.b: {{{_DNS}{_SHADOW}}}}}}}}}}}\n", _SECRETLY
    ),
    "an account of a CA": Case(
        "prosody: {virtual_hosts: [a.b]}\ncertificates: {a.b: {issuers: [{directory: 'https://ca.example/d', "
        f"eab: {{kid: k, hmac: {_SHADOW}}}}}]}}}}\n",
        _SECRETLY,
    ),
    "a source out of the repository": _file("/srv/a", r"without \.\.|from its root on", "source: ../../etc/shadow"),
    "a source of the host": _file("/srv/a", "in the repository, from its root on", "source: /etc/shadow"),
    "a tree of the host": _file("/srv/a", "in the repository, from its root on", "tree: /etc"),
    "a template of the host": _file("/srv/a", "in the repository, from its root on", "template: /etc/shadow"),
    "a document of the host": Case("extends: [/etc/shadow]\n", "expected a path|in the repository|no such file"),
    "a document out of the repository": Case("extends: [../../etc/shadow]\n", r"\.\.|in the repository|no such file"),
    "an encrypted file of the host": _file("/srv/a", "secrets/", "content: {age: ../../etc/shadow}"),
    "a template that includes": Case(
        "files: {/srv/a: {template: t.j2}}\n", "t.j2", {"t.j2": "{% include '/etc/shadow' %}\n"}
    ),
    "a template that imports": Case(
        "files: {/srv/a: {template: t.j2}}\n", "t.j2", {"t.j2": "{% import '/etc/shadow' as x %}{{ x }}\n"}
    ),
    "a template that extends": Case(
        "files: {/srv/a: {template: t.j2}}\n", "t.j2", {"t.j2": "{% extends '/etc/shadow' %}\n"}
    ),
    # --- templates that reach for more
    **{
        f"a template with {name}": Case("files: {/srv/a: {template: t.j2}}\n", "t.j2", {"t.j2": text + "\n"})
        for name, text in {
            "attributes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
            "globals": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
            "a filter for attributes": "{{ fqdn|attr('__class__') }}",
            "a name of Python's": "{{ self.__init__.__globals__ }}",
            "a format": "{{ '{0.__class__.__init__.__globals__}'.format(fqdn) }}",
            "a list of attributes": "{{ ([fqdn]|map(attribute='__class__')|list)[0].mro }}",
            "a change of what it is given": "{{ vars.update({'a': 1}) }}",
        }.items()
    },
    # --- programs that root would run
    "a check": _file("/srv/a", _RUN, "content: x, check: [/bin/sh, -c, id]"),
    "a check that was pushed": _file(
        "/srv/a", "a push could write, and root would run it", "source: x, check: [/srv/a]"
    ),
    "a check without a path": _file("/srv/a", "absolute path", "content: x, check: [sh]"),
    "a check of a service": Case("services: {nginx: {check: [/bin/sh, -c, id]}}\n", _RUN),
    "a hook of a certificate": Case(
        "prosody: {virtual_hosts: [a.b]}\n"
        "certificates: {a.b: {issuers: letsencrypt, challenge: {dns-01: {hook: /srv/hook}}}}\n",
        "a push could write, and root would run it",
    ),
    "a job of root's": Case("jobs: {a: {schedule: daily, run: [/bin/sh], user: root}}\n", _USERS),
    "a job of user 0": Case("jobs: {a: {schedule: daily, run: [/bin/sh], user: '0'}}\n", _USERS),
    "a script of root's": Case("jobs: {a: {schedule: daily, script: x, user: root}}\n", "root runs no script"),
    "a job with a line break": Case(
        'jobs: {a: {schedule: daily, run: [/bin/true, "x\\n* * * * * root id"]}}\n', "control characters"
    ),
    "a schedule with a line break": Case(
        'jobs: {a: {schedule: "0 0 * * *\\n* * * * * root id", run: [/bin/true]}}\n', "control characters|cron fields"
    ),
    # --- software
    "packages of elsewhere": Case("apt_sources: {a: {uris: https://evil.example/debian}}\n", _SOURCES),
    "a name before the host": Case(
        "apt_sources: {a: {uris: 'https://packages.prosody.im@evil.example/debian'}}\n",
        f"{_SOURCES}|without a password",
    ),
    "a host that begins so": Case("apt_sources: {a: {uris: 'https://packages.prosody.im.evil.example/'}}\n", _SOURCES),
    "another port": Case("apt_sources: {a: {uris: 'https://packages.prosody.im:8443/debian'}}\n", _SOURCES),
    "without TLS": Case("apt_sources: {a: {uris: 'http://packages.prosody.im/debian'}}\n", _SOURCES),
    "a file of the host": Case("apt_sources: {a: {uris: 'file:///srv/debian'}}\n", "expected an address"),
    "a source with a second field": Case(
        'apt_sources: {a: {uris: https://packages.prosody.im/debian, suites: ["x\\nTrusted: yes"]}}\n',
        "control characters",
    ),
    "a source that is a path": Case(
        "apt_sources: {'a/../../cron.d/a': {uris: https://packages.prosody.im/}}\n", "a name of"
    ),
    "the distribution's own source": Case(
        "apt_sources: {debian: {uris: https://packages.prosody.im/debian}}\n", "the name of the distribution's own"
    ),
    "a source's key of the host": Case(
        "apt_sources: {a: {uris: https://packages.prosody.im/, signed_by: /etc/shadow}}\n", "in the repository"
    ),
    "a package that is removed": Case("packages: {apt: {openssh-server: absent}}\n", r"needs allow: \{packages: "),
    "a package that is never upgraded": Case(
        "packages: {apt: {openssh-server: {version: present, hold: true}}}\n", r"needs allow: \{packages: "
    ),
    "a package whose name removes": Case("packages: {apt: {openssh-server-: present}}\n", "name of a package"),
    "a package that is an option": Case("packages: {apt: {'-oDPkg::Pre-Invoke::=id': present}}\n", "a name of"),
    "a package that is a file": Case("packages: {apt: {'srv/x.deb': present}}\n", "a name of"),
    "a package that is a pattern": Case("packages: {apt: {'?name(x)': present}}\n", "a name of"),
    "a version with an option": Case("packages: {apt: {tor: '1 -o x'}}\n", "expected present"),
    "a suite with a line break": Case(
        'packages: {apt: {tor: {suite: "x\\nPin-Priority: 9999"}}}\n', "control characters"
    ),
    "a Prosody that is another package": Case(
        "prosody: {version: '0.12', package: {name: openssh-server}}\n", "no package of Prosody's"
    ),
    "a Prosody whose name removes": Case("prosody: {package: {name: openssh-server-}}\n", "name of a package"),
    # --- services
    "a service that is stopped": Case("services: {ssh: {running: false}}\n", _SERVICES),
    "a service that is disabled": Case("services: {ssh: {enabled: false}}\n", _SERVICES),
    "a loader's variable": Case("services: {prosody: {environment: {LD_PRELOAD: /srv/x.so}}}\n", _SERVICES),
    "where Lua looks": Case("services: {prosody: {environment: {LUA_INIT_5_4: 'os.exit()'}}}\n", _SERVICES),
    "where programs are found": Case("services: {prosody: {environment: {PATH: /srv}}}\n", _SERVICES),
    "variables of another": Case("services: {nginx: {environment: {A: b}}}\n", _SERVICES),
    "limits of another": Case("services: {ssh: {rlimits: {nofile: 0}}}\n", _SERVICES),
    "what another makes for all": Case("services: {ssh: {umask: '0000'}}\n", _SERVICES),
    "a drop-in with a second line": Case(
        'services: {prosody: {environment: {A: "x\\n[Service]\\nUser=root"}}}\n', "control characters"
    ),
    "a variable with a line break": Case(
        'services: {prosody: {environment: {"A\\nUser": root}}}\n', "name of a variable"
    ),
    "a service that is a path": Case("services: {'x/../../../tmp/x': {}}\n", "a name of"),
    "a service that is an option": Case("services: {'--root=/srv': {}}\n", "a name of"),
    "a service that powers off": Case("services: {systemd-poweroff: {}}\n", _SERVICES),
    "a target that powers off": Case("services: {poweroff.target: {}}\n", _SERVICES),
    "a target for one alone": Case("services: {'rescue.target': {running: true}}\n", _SERVICES),
    "a socket of the host's bus": Case("services: {dbus.socket: {}}\n", _SERVICES),
    "a service by its alias": Case("services: {dbus-org.freedesktop.login1: {}}\n", _SERVICES),
    "a terminal by its alias": Case("services: {autovt@tty9: {}}\n", _SERVICES),
    "the agent's own service": Case(
        "services: {prosodist: {}}\nfiles: {/srv/a: {content: x, notify: prosodist}}\n", "the agent itself"
    ),
    "a service that gives a shell": Case("services: {debug-shell: {}}\n", _SERVICES),
    "a notice that reboots": _file("/srv/a", f"{_SERVICES}|notify", "content: x, notify: systemd-reboot"),
    # --- users
    "a group": Case("users: {prosody: {groups: [sudo]}}\n", _USERS),
    "the group of passwords": Case("users: {prosody: {groups: [shadow]}}\n", _USERS),
    "another user": Case("users: {toor: {shell: /bin/bash}}\n", _USERS),
    "root": Case("users: {root: {groups: [prosody]}}\n", _USERS),
    # --- plugins
    "a plugin of the host": Case("prosody: {plugins: {a: {source: /etc}}}\n", "in the repository"),
    "a plugin out of the repository": Case(
        "prosody: {plugins: {a: {source: ../../etc}}}\n", r"without \.\.|in the repo"
    ),
    "a plugin's module that is a path": Case(
        "prosody: {plugins: {a: {source: t, modules: [../../x]}}}\n", "a module's name", {"t/mod_a.lua": "\n"}
    ),
    "a plugin that is a path": Case(
        "prosody: {plugins: {'a/../../a': {source: t}}}\n", "a name of", {"t/mod_a.lua": "\n"}
    ),
    "a plugin whose package removes": Case("prosody: {plugins: {a: {package: sudo-}}}\n", "name of a package"),
}
