"""Services around Prosody: told of their files when these are good, left in peace with the former ones when not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from machines import HOST, Machine, booted, wait_until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

NAME = f"hosts/{HOST}.yaml"
PLACE = "/etc/nginx/conf.d/xmpp.conf"
ALLOW = "allow: {write: [/etc]}\n"

NFT = """\
#!/usr/sbin/nft -f
flush ruleset
table inet filter {
  chain input { type filter hook input priority filter; policy accept; tcp dport 7777 drop; }
}
"""


def document(*files: str, services: str = "") -> str:
    """A host that keeps no Prosody: files, each a line of YAML, and services."""
    return "\n".join(["profile: debian", *(["services:", services] if services else []), "files:", *files, ""])


def site(port: int, *, mode: str = "0644", more: str = "") -> str:
    """A server of nginx's at this port."""
    return f'  {PLACE}: {{content: "server {{ listen {port}; {more} }}\\n", notify: nginx, mode: "{mode}"}}'


@pytest.mark.parametrize("codename", ["bookworm", "trixie"])
def test_services_are_told_of_their_files(codename: str) -> None:
    """The life of a machine: each step begins where the one before has ended."""
    with booted(codename) as machine:
        (machine.root / "etc/prosodist/agent.yaml").open("a").write(ALLOW)
        for words in (["update"], ["install", "-y", "--no-install-recommends", "nginx-light", "nftables"]):
            assert machine.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *words).status == 0
        # a kernel's variables are the whole machine's, but for those of the network, which it has for itself
        net = "mount --bind /proc/sys/net /proc/sys/net && mount -o remount,rw,bind /proc/sys/net"
        assert machine.run("sh", "-c", net).status == 0
        (machine.root / "usr/lib/sysctl.d/50-pid-max.conf").unlink(missing_ok=True)
        assert machine.run("systemctl", "restart", "nginx", "nftables", "systemd-sysctl").status == 0
        _good_files_are_taken_up(machine)
        _bad_files_go_back(machine)
        _another_content_tries_again(machine)
        _a_killed_agent_still_tells(machine)
        _a_killed_agent_still_checks(machine)
        _a_block_is_told(machine)
        _what_dies_stays_failed(machine)
        _rules_are_live(machine)
        _gone_from_git_is_told_too(machine)
        _what_does_not_run_stays_so(machine)


def _good_files_are_taken_up(machine: Machine) -> None:
    pid, before = machine.unit("nginx")["MainPID"], _reloads(machine)
    machine.push({NAME: document(site(8081))})
    outcome = machine.reconcile()
    assert [owed["service"] for owed in outcome["activations"]] == ["nginx"], outcome
    assert outcome["activations"][0]["disruption"] == "RELOAD" and not outcome["failures"]
    assert (machine.unit("nginx")["MainPID"], _reloads(machine)) == (pid, before + 1)
    wait_until(lambda: ":8081 " in _ports(machine))
    again = machine.reconcile()
    assert again["result"] == "in_sync" and not again["activations"] and _reloads(machine) == before + 1


def _bad_files_go_back(machine: Machine) -> None:
    """Byte by byte, with mode and owner; also what was not there. All else of the commit goes on."""
    file = machine.root / PLACE[1:]
    machine.run("chown", "www-data:adm", PLACE)
    machine.run("chmod", "0640", PLACE)
    pid, before, content = machine.unit("nginx")["MainPID"], _reloads(machine), file.read_bytes()
    bad = [site(8082, mode="0600", more="nonsense on;"), '  /etc/nginx/conf.d/b.conf: {content: "", notify: nginx}']
    machine.push({NAME: document(*bad, "  /etc/motd: {content: new}")})
    outcome = machine.reconcile()
    assert "unknown directive" in str(outcome["failures"]) and outcome["result"] == "failed", outcome
    assert file.read_bytes() == content and not (machine.root / "etc/nginx/conf.d/b.conf").exists()
    assert machine.run("stat", "-c", "%a %U:%G", PLACE).output.strip() == "640 www-data:adm"
    assert (machine.unit("nginx")["MainPID"], _reloads(machine)) == (pid, before)
    assert (machine.root / "etc/motd").read_text() == "new"
    seen = file.stat().st_ino
    assert "said no to it" in machine.prosodist("plan").output and file.stat().st_ino == seen
    status = machine.prosodist("status").output
    assert "Degraded" in status and "unknown directive" in status, status
    _a_pass_that_nobody_asked_for(machine)
    assert file.stat().st_ino == seen and _reloads(machine) == before, "it was not tried again"
    assert _told(machine, "service.refused") == 1


def _a_pass_that_nobody_asked_for(machine: Machine) -> None:
    """An agent makes one when it starts, as at every poll."""
    machine.run("systemd-run", "--unit=agent", "--quiet", "/opt/prosodist/bin/prosodist", "run")
    wait_until(lambda: "unknown directive" in str(json.loads(machine.prosodist("status", "-o", "json").output)["last"]))
    assert machine.run("systemctl", "stop", "agent").status == 0


def _another_content_tries_again(machine: Machine) -> None:
    before = _reloads(machine)
    machine.push({NAME: document(site(8083))})
    outcome = machine.reconcile()
    assert outcome["result"] == "changed" and _reloads(machine) == before + 1, outcome
    wait_until(lambda: ":8083 " in _ports(machine))
    assert "Healthy" in machine.prosodist("status").output


def _a_killed_agent_still_tells(machine: Machine) -> None:
    before = _reloads(machine)
    _write_and_die(machine, site(8084))
    assert _reloads(machine) == before, "it died before"
    assert "then nginx: reload" in machine.prosodist("plan").output
    assert machine.reconcile()["activations"] and _reloads(machine) == before + 1
    wait_until(lambda: ":8084 " in _ports(machine))


def _a_killed_agent_still_checks(machine: Machine) -> None:
    file, before = machine.root / PLACE[1:], _reloads(machine)
    content = file.read_bytes()
    _write_and_die(machine, site(8085, more="rubbish;"))
    assert file.read_bytes() != content
    outcome = machine.reconcile()
    assert "rubbish" in str(outcome["failures"]) and file.read_bytes() == content, outcome
    assert _reloads(machine) == before


def _write_and_die(machine: Machine, line: str) -> None:
    """The agent is killed while the check runs: it waits for a file that never comes."""
    real, slow = machine.root / "usr/sbin/nginx", machine.root / "usr/sbin/nginx.real"
    real.rename(slow)
    real.write_text("#!/bin/sh\ntouch /run/asked\nexec sleep 60\n")
    real.chmod(0o755)
    (machine.root / "run/asked").unlink(missing_ok=True)
    machine.push({NAME: document(line)})
    with machine.killed("/opt/prosodist/bin/prosodist", "reconcile"):
        wait_until(lambda: machine.run("test", "-e", "/run/asked").status == 0)
    machine.run("rm", "-f", "/run/asked")
    slow.rename(real)


def _a_block_is_told(machine: Machine) -> None:
    """A good one is taken up, a bad one goes back; the rest of the file is the package's."""
    file = machine.root / "etc/nginx/sites-available/default"
    theirs, before = file.read_bytes(), _reloads(machine)
    block = "  /etc/nginx/sites-available/default: {{block: true, notify: nginx, content: {content}}}"
    machine.push({NAME: document(site(8084), block.format(content='"server { listen 8089; }"'))})
    outcome = machine.reconcile()
    assert [owed["service"] for owed in outcome["activations"]] == ["nginx"] and _reloads(machine) == before + 1, (
        outcome
    )
    wait_until(lambda: ":8089 " in _ports(machine))
    good = file.read_bytes()
    assert good.startswith(theirs)
    machine.push({NAME: document(site(8084), block.format(content="rubbish;"))})
    outcome = machine.reconcile()
    assert "rubbish" in str(outcome["failures"]) and file.read_bytes() == good, outcome
    assert _reloads(machine) == before + 1


def _what_dies_stays_failed(machine: Machine) -> None:
    """In every pass until its files are others; then it is started anew. Of this one only its name is known."""
    unit = "[Service]\nExecStartPre=/bin/grep -q good /etc/relay\nExecStart=/bin/sleep infinity\n"
    (machine.root / "etc/systemd/system/coturn.service").write_text(unit)
    (machine.root / "etc/relay").write_text("good")
    for words in (["daemon-reload"], ["start", "coturn"]):
        assert machine.run("systemctl", *words).status == 0
    line = "  /etc/relay: {{content: {word}, notify: coturn}}"
    machine.push({NAME: document(site(8084), line.format(word="bad"))})
    for _ in range(2):
        outcome = machine.reconcile()
        assert "coturn.service: " in str(outcome["failures"]), outcome
        assert "Degraded" in machine.prosodist("status").output
    machine.push({NAME: document(site(8084), line.format(word="good"))})
    outcome = machine.reconcile()
    assert not outcome["failures"] and machine.unit("coturn")["ActiveState"] == "active", outcome


def _rules_are_live(machine: Machine) -> None:
    lines = [
        f'  /etc/nftables.conf: {{content: {json.dumps(NFT)}, notify: nftables, mode: "0755"}}',
        '  /etc/sysctl.d/60-x.conf: {content: "net.ipv4.ip_default_ttl = 77\\n", notify: systemd-sysctl}',
    ]
    machine.push({NAME: document(*lines)})
    outcome = machine.reconcile()
    assert "7777" in machine.run("nft", "list", "ruleset").output, outcome
    assert machine.run("cat", "/proc/sys/net/ipv4/ip_default_ttl").output.strip() == "77", outcome
    machine.push({NAME: document(lines[0].replace("7777 drop", "7778 nonsense"), lines[1])})
    assert machine.reconcile()["failures"] and "7777" in machine.run("nft", "list", "ruleset").output


def _gone_from_git_is_told_too(machine: Machine) -> None:
    machine.push({NAME: document(site(8086))})
    assert machine.reconcile()["activations"]
    wait_until(lambda: ":8086 " in _ports(machine))
    machine.push({NAME: document("  /etc/motd: {content: new}")})
    assert [owed["service"] for owed in machine.reconcile()["activations"]] == ["nginx"]
    wait_until(lambda: ":8086 " not in _ports(machine))


def _what_does_not_run_stays_so(machine: Machine) -> None:
    machine.run("systemctl", "stop", "nginx")
    machine.push({NAME: document(site(8086))})
    outcome = machine.reconcile()
    assert not [owed for owed in outcome["activations"] if owed["disruption"] != "NONE"], outcome
    assert machine.unit("nginx")["ActiveState"] == "inactive"
    assert machine.reconcile()["result"] == "in_sync"
    before = _reloads(machine)
    machine.push({NAME: document(site(8087), services="  nginx: {}")})
    outcome = machine.reconcile()
    assert [change["id"] for change in outcome["changes"]] == [f"file:{PLACE}", "service:nginx"], outcome
    assert machine.unit("nginx")["ActiveState"] == "active" and _reloads(machine) == before, (
        "it has just read its files"
    )


def _reloads(machine: Machine) -> int:
    told = machine.run("journalctl", "-b", "-u", "nginx.service", "--no-pager", "-o", "cat").output
    return sum(line.startswith("Reloaded ") for line in told.splitlines())


def _ports(machine: Machine) -> str:
    return machine.run("ss", "-ltn").output


def _told(machine: Machine, event: str) -> int:
    said: dict[str, Any] = json.loads(machine.prosodist("history", "-o", "json").output)
    return sum(entry["event"] == event for entry in said["history"])
