"""What templates see, and nothing else: the rule "Templates" of docs/desired-state.md, word by word."""

from __future__ import annotations

from typing import Any

import pytest

from reconcilers.given import variables
from reconcilers.ports import placeholder_ports
from reconcilers.render import check_template, render
from schemas.desired import HostSpec
from schemas.load import Blob, Facts, load

HOST = """\
profile: debian
vars: {site: example.net}
prosody:
  version: "13.0"
  modules_enabled: [proxy65, http_file_share]
  c2s_ports: [5222, 443]
  c2s_direct_tls_ports: [5223]
  s2s_ports: {lua: "{ 5000 + 269 }"}
  http_interfaces: ["::"]
  ldap_password: {generated: ldap}
  statistics_interval: {lua: 60 * 5}
  virtual_hosts: {a.example: {components: {rooms: muc}}}
files: {/srv/x: {template: t.j2, vars: {size: 5, key: {generated: k}, keys: [{generated: k}]}}}
"""


def spec(template: str) -> HostSpec:
    return load({"hosts/h.example.yaml": Blob(HOST.encode()), "t.j2": Blob(template.encode())}, "h.example", Facts())


def rendered(template: str) -> str:
    wanted = spec(template)
    seen: dict[str, Any] = variables(wanted, fqdn="h.example", ports=placeholder_ports(wanted))
    return render("t.j2", template.encode(), {**seen, **wanted.host.files["/srv/x"].vars}).decode()


def told(template: str) -> list[str]:
    wanted = spec(template)
    return [str(m) for m in check_template(wanted, "t.j2", fqdn="h.example", ports=placeholder_ports(wanted))]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ fqdn }}", "h.example"),
        ("{{ vars.site }} {{ site }}", "example.net example.net"),
        ("{{ size }}", "5"),
        ("{{ prosody.http_interfaces[0] }}", "::"),
        ("{{ prosody.statistics_interval }}", "60 * 5"),
        ("{% for host, components in virtual_hosts.items() %}{{ host }}: {{ components }}{% endfor %}",
         "a.example: ('rooms.a.example',)"),
        ("{{ ports.c2s }} {{ ports.c2s_direct_tls }}", "[5222, 443] [5223]"),
        ("{{ ports.proxy65 + ports.http + ports.https }}", "[5000, 5280, 5281]"),
        ("{{ ports.console }} {{ ports.s2s_direct_tls }} {{ ports.s2s }}", "[] [] []"),
        ("{{ ports.values() | sum(start=[]) | length }}", "6"),
        ("{{ certificates['a.example'].names }}", "('a.example', 'rooms.a.example')"),
        ("{{ certificates['a.example'].fullchain.endswith('.pem') }}", "True"),
        ("{{ certificates['a.example'] | list }}", "['names', 'fullchain', 'privkey', 'sha256', 'spki', 'not_after']"),
    ],
)  # fmt: skip
def test_a_template_sees(template: str, text: str) -> None:
    """The host, its variables and the file's own, Prosody's options, hosts, ports by service, certificates."""
    assert rendered(template) == text
    assert told(template) == []


@pytest.mark.parametrize(
    ("template", "mistake"),
    [
        (
            "{{ nope }}",
            "t.j2:1:4: 'nope' is undefined; a template sees fqdn, vars, prosody, virtual_hosts, ports, certificates, "
            "and the file's own vars by their names",
        ),
        ("\n{{ vars.nope }}", "t.j2:2:1: 'dict object' has no attribute 'nope'"),
        ("{{ ''.__class__ }}", "is unsafe"),
        ("{{ vars.update(site='x') }}", "is unsafe"),
        ("{{ prosody.ldap_password }}", "this option is a secret; give it to the template by the file's own vars"),
        ("{% include 'files/x' %}", "t.j2:1:1: "),
    ],
)
def test_a_template_does_nothing_else(template: str, mistake: str) -> None:
    """What is undefined, what leaves the sandbox, what is secret: told at its line."""
    assert len(told(template)) == 1
    assert mistake in told(template)[0]


def test_a_files_own_secret_is_not_needed_for_the_trial() -> None:
    """A placeholder stands for it, alone and in a list."""
    assert told("{{ key }}{{ keys[0] }}") == []
