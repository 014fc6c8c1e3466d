"""Prosody's configuration: rendered from git, told option by option, and really loaded by Prosody."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from world import World, candidate, spec

from reconcilers import activation, config, directories, judging, loading, ports, secrets, services
from reconcilers.candidate import render_candidate
from reconcilers.mainfile import HEADER, MainFile
from reconcilers.managers import child
from reconcilers.parsed import Parsed, parse
from schemas.actions import Stop, WriteFile
from schemas.desired import Generated, HostFile, Lua
from schemas.errors import SpecError, Temporary
from schemas.plan import Change, Disruption, Holds, Kind, PathChanges, Policy, Wait


@pytest.fixture
def world(home: Path, prosody: Path) -> World:
    return World(home, prosody)


def options(**given: Any) -> dict[str, Any]:
    """A small server."""
    return {
        "modules_enabled": ("roster", "saslauth", "tls", "disco", "admin_shell"),
        "options": given,
        "virtual_hosts": {
            "a.test": {
                "options": {"allow_registration": False},
                "components": {"rooms.a.test": {"module": "muc", "options": {"name": "Rooms"}}},
            }
        },
    }


def written(world: World, wanted: Any) -> None:
    """Bring the configuration to the host, with all that it needs."""
    world.converge(wanted, directories, secrets, ports, config)


def test_what_is_rendered_is_what_prosody_loads(world: World) -> None:
    """Every option reaches its own scope, with what the place supplies; what git says itself is not supplied."""
    wanted = spec(options(limits={"c2s": {"rate": "10kb/s"}}, c2s_ports=(6222,), statistics_interval=Lua(lua="60 * 5")))
    (said,) = parse(world.host, world.site, world.prosody, candidate(world, wanted).text).texts
    assert isinstance(said, Parsed)
    everywhere = said.scopes["*"]
    assert everywhere["limits"] == '{c2s = {rate = "10kb/s"}}'
    assert everywhere["statistics_interval"] == "300"
    assert everywhere["c2s_ports"] == "{6222}"
    assert everywhere["interfaces"] == '{"127.0.0.1"}'
    assert everywhere["data_path"] == f'"{world.site.paths.data}"'
    assert said.scopes["a.test"]["allow_registration"] == "false"
    assert said.scopes["rooms.a.test"]["component_module"] == '"muc"'
    assert "c2s" not in world.records[ports.RECORD].value


def test_a_pass_that_changes_nothing_holds(world: World) -> None:
    """Written once, the file is as it is wanted."""
    wanted = spec(options())
    written(world, wanted)
    (verdict,) = world.verdicts(wanted, config)
    assert isinstance(verdict, Holds)
    assert world.config.stat().st_mode & 0o7777 == 0o640


def test_what_lies_beside_it_is_read_only_when_it_is_included(world: World) -> None:
    """Debian's conf.d, say: it is nobody's but a person's."""
    beside = world.home / "prosody/etc/conf.d/mine.cfg.lua"
    said = {"beside": str(beside), "all": str(beside.parent / "*.cfg.lua"), "none": ""}
    for word, path in said.items():
        wanted = spec(options() | ({"include": (path,)} if path else {}))
        main = candidate(world, wanted)
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text('VirtualHost "mine.test"\n')
        (parsed,) = parse(world.host, world.site, world.prosody, main.text).texts
        assert isinstance(parsed, Parsed)
        assert ("mine.test" in parsed.scopes) == (word != "none")


def test_a_difference_is_told_by_option(world: World) -> None:
    """In the words of the configuration, scope by scope; the origin is git's."""
    written(world, spec(options(c2s_ports=(5222,))))
    after = options(c2s_ports=(5223,), s2s_ports=(1,))
    after["virtual_hosts"]["b.test"] = {"options": {"enabled": False}}
    after["virtual_hosts"]["a.test"]["options"] = {"allow_registration": True}
    change = world.change(spec(after), config)
    assert change.kind is Kind.CHANGED and change.touches == {"prosody"} and not change.needs_word
    assert "c2s_ports {5222} → {5223}" in change.diff
    assert "a.test: allow_registration false → true" in change.diff
    assert "b.test: added" in change.diff
    assert str(change.origin) == "hosts/a.yaml:1:1"


def test_an_edit_by_hand_that_is_no_lua_is_told_and_corrected(world: World) -> None:
    """The live file's words are not told: nobody knows what secret they hold."""
    wanted = spec(options())
    written(world, wanted)
    world.config.write_text(world.config.read_text() + 'hunter2 = = "x"\n')
    change = world.change(wanted, config)
    assert len(change.diff) == 1 and "hunter2" not in change.diff[0]
    written(world, wanted)
    assert "hunter2" not in world.config.read_text()


def test_a_layout_changed_by_hand_is_still_a_difference(world: World) -> None:
    """Nothing that is loaded differs, and the diff says so."""
    wanted = spec(options())
    written(world, wanted)
    world.config.write_text(world.config.read_text() + "-- a note\n")
    assert world.change(wanted, config).diff == ("no option differs: comments, order or layout do",)


def test_a_configuration_made_by_hand_wants_a_word(world: World) -> None:
    """Its difference is shown, secrets masked; ours, even with the inventory lost, wants none."""
    wanted = spec(options())
    world.converge(wanted, directories, secrets, ports)
    world.config.write_text('VirtualHost "hand.test"\n\tsql = { password = "hunter2" }\n')
    change = world.change(wanted, config)
    assert change.needs_word == config.BY_HAND
    assert "hand.test: removed" in change.diff
    assert not any("hunter2" in line for line in change.diff)
    world.config.write_bytes(HEADER + b"c2s_ports = {1}\n")
    assert not world.change(wanted, config).needs_word


def test_a_secret_is_told_nowhere(world: World) -> None:
    """Not in the plan, nor in its diff; a change of it is told as a change."""
    key = world.home / "key"
    key.write_text("hunter2\n")
    wanted = spec(options(turn_external_secret=HostFile(host_file=str(key)), other={"x": Generated(generated="o")}))
    written(world, wanted)
    assert '"hunter2"' in world.config.read_text()
    key.write_text("hunter3\n")
    change = world.change(wanted, config)
    assert change.diff == ("turn_external_secret: changed (a secret)",)
    assert "hunter" not in repr(change)


def test_a_missing_secret_holds_back_the_configuration_only(world: World) -> None:
    """The Wait names the file, its place in git, and ends when the file changes."""
    wanted = spec(options(turn_external_secret=HostFile(host_file=str(world.home / "absent"))))
    world.converge(wanted, directories, secrets, ports)
    (verdict,) = world.verdicts(wanted, config)
    assert isinstance(verdict, Wait) and isinstance(verdict.until, PathChanges)
    assert verdict.origin and "absent" in verdict.why
    closed = spec(options(turn_external_secret=HostFile(host_file="/etc/shadow")))
    (refused,) = world.verdicts(closed, config)
    assert isinstance(refused, Wait) and "not open" in refused.why


def test_a_generated_secret_is_drawn_once(world: World) -> None:
    """The same for the same name, also when git forgot it in between."""
    wanted = spec(options(one={"k": Generated(generated="s")}))
    written(world, wanted)
    drawn = Path(world.site.paths.secrets / "s").read_text()
    assert f'"{drawn}"' in world.config.read_text() and len(drawn) == 43
    written(world, spec(options()))
    written(world, wanted)
    assert f'"{drawn}"' in world.config.read_text()


def test_a_lua_mistake_is_told_at_its_place_in_git(world: World) -> None:
    """A block that is not whole, a block that fails, an expression that is none."""
    for change, way in (
        ({"lua": "--[[ open"}, ("prosody", "lua")),
        ({"lua": "local x\nx()"}, ("prosody", "lua")),
        ({"options": {"gc": Lua(lua="1) + (2")}}, ("prosody", "gc")),
    ):
        document = {**options(), **change}
        wanted = spec(document)
        main = candidate(world, wanted)
        with pytest.raises(SpecError) as caught:
            judging.check(world.host, wanted, world.site, main)
        assert {mistake.mark for mistake in caught.value.mistakes} == {wanted.marks[way]}


def test_a_block_that_returns_is_refused(world: World) -> None:
    """Prosody would say nothing, and serve no host."""
    wanted = spec({**options(), "lua": "return"})
    with pytest.raises(SpecError, match="return"):
        judging.check(world.host, wanted, world.site, candidate(world, wanted))


def test_lua_blocks_do_not_reach_into_each_other(world: World) -> None:
    """A local name of one does not shadow an option of the next scope."""
    document = options()
    document["lua"] = "local allow_registration = 1\nglobal_one = 1"
    (said,) = parse(world.host, world.site, world.prosody, candidate(world, spec(document)).text).texts
    assert isinstance(said, Parsed)
    assert said.scopes["a.test"]["allow_registration"] == "false"
    assert said.scopes["*"]["global_one"] == "1"


def test_a_name_of_the_loaders_own_is_refused_at_its_place(world: World) -> None:
    """`VirtualHost = 1` would replace the function, and every host after it would fail."""
    wanted = spec(options(VirtualHost=1, big=2**70))
    with pytest.raises(SpecError) as caught:
        candidate(world, wanted)
    assert [mistake.subject for mistake in caught.value.mistakes] == ["VirtualHost", "big"]


def test_a_template_renders_the_main_file_instead(world: World) -> None:
    """It sees the ports that were chosen, and its file is still marked as ours."""
    document = {**options(), "template": "templates/p.j2"}
    text = b"c2s_ports = { {{ ports.c2s[0] }} }\n{% for h in virtual_hosts %}VirtualHost '{{ h }}'\n{% endfor %}"
    wanted = spec(document, {"templates/p.j2": text})
    rendered = candidate(world, wanted).text
    port = world.records[ports.RECORD].value["c2s"]
    assert rendered == HEADER + f"c2s_ports = {{ {port} }}\nVirtualHost 'a.test'\n".encode()


def test_prosodys_policy_is_the_nearer_one(world: World) -> None:
    """`prosody.drift`, else the host's."""
    assert world_policy(world, {"drift": Policy.DETECT}, drift=Policy.IGNORE) is Policy.DETECT
    assert world_policy(world, {}, drift=Policy.IGNORE) is Policy.IGNORE


def world_policy(world: World, more: dict[str, Any], **host: Any) -> Policy:
    wanted = spec({**options(), **more}, **host)
    world.converge(wanted, directories, secrets, ports)
    return world.change(wanted, config).policy


def test_gone_from_git_the_file_is_removed(world: World) -> None:
    """Only when it is ours; and nothing of ours stays but the directories."""
    written(world, spec(options()))
    world.converge(spec(None), config, ports)
    assert not world.config.exists() and world.records.get(ports.RECORD) is None


def test_what_would_be_loaded_needs_no_second_reading(world: World) -> None:
    """A text that the process was loaded from is known; a hand-made broken one is nobody's mistake in git."""
    wanted = spec(options())
    written(world, wanted)
    text = world.config.read_bytes()
    loaded = loading.loaded(world.host, wanted, world.site, text)
    asked = world.host.query
    try:
        world.host.query = None  # type: ignore[assignment, method-assign]
        assert loading.loaded(world.host, wanted, world.site, text, running=loaded) == loaded
    finally:
        world.host.query = asked  # type: ignore[method-assign]
    with pytest.raises(Temporary, match=":1: "):
        loading.loaded(world.host, wanted, world.site, b"= =")


# --- with a Prosody that runs ---


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def stream_header(port: int, host: str) -> str:
    """What Prosody answers a client of that host."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(
            f"<stream:stream to='{host}' xmlns='jabber:client' version='1.0' "
            "xmlns:stream='http://etherx.jabber.org/streams'>".encode()
        )
        said = b""
        while b"features>" not in said and b"</stream:stream>" not in said and (part := connection.recv(4096)):
            said += part
        return said.decode()


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 15
    while not listens(port):
        assert time.monotonic() < deadline, "Prosody does not listen"
        time.sleep(0.05)


def test_a_bare_host_converges_to_a_running_prosody(world: World) -> None:
    """As an ordinary user, on its own loopback ports, with TLS for its host; a second pass finds nothing to do."""
    wanted = spec(options())
    try:
        rounds = world.converge(wanted)
        port = world.records[ports.RECORD].value["c2s"]
        wait_for_port(port)
        answer = stream_header(port, "a.test")
        assert "from='a.test'" in answer and "urn:ietf:params:xml:ns:xmpp-tls" in answer
        assert "host-unknown" in stream_header(port, "unknown.test")
        assert all(isinstance(verdict, Holds) for verdict in world.verdicts(wanted)) and rounds <= 5
        process = child.process(world.host)
        assert process is not None and process.user == world.site.owner
        assert Path(world.site.paths.pidfile).read_text().strip() == str(process.pid)
        if os.geteuid() == 0:
            assert process.user != "root"
        _killed_agent_finds_it_again(world, wanted, process.pid)
        _reload_and_restart(world, wanted)
    finally:
        world.stop()
    assert not listens(port)


def _killed_agent_finds_it_again(world: World, wanted: Any, pid: int) -> None:
    """Without its record the living process is adopted, not started twice."""
    world.records.pop(child.PROCESS)
    change = world.change(wanted, services)
    assert "found again" in change.why and not any(isinstance(a, Stop) for a in change.actions)
    world.converge(wanted, services)
    process = child.process(world.host)
    assert process is not None and process.pid == pid


def _reload_and_restart(world: World, wanted: Any) -> None:
    """What the running process has loaded decides: nothing, a reload for `log`, a restart for a port."""
    process = child.process(world.host)
    assert process is not None

    def owed(other: Any) -> activation.Activation | None:
        text = candidate(world, other).text
        running = activation.known_running(world.host, process, other)
        loaded = loading.loaded(world.host, other, world.site, text, running=running)
        return activation.activation(running, loaded, process, world.site)

    unknown = owed(wanted)
    assert unknown is not None and unknown.disruption is Disruption.RESTART and "not known" in unknown.reason
    loaded = loading.loaded(world.host, wanted, world.site, world.config.read_bytes())
    world._remember(activation.RUNNING, activation.running_record(process, loaded))
    assert owed(wanted) is None
    log = owed(spec(options(log={"debug": str(world.site.paths.log)})))
    assert log is not None and log.disruption is Disruption.RELOAD and log.reason == "log changed"
    for action in log.after:
        world.host.perform(action)
    port = owed(spec(options(c2s_ports=(1,))))
    assert port is not None and port.disruption is Disruption.RESTART and port.reason == "c2s_ports changed"
    assert [type(action).__name__ for action in port.after] == ["Stop", "Spawn"]
    time.sleep(0.2)
    assert child.process(world.host) == process, "a reload ends nothing"


def test_prosody_is_not_started_on_a_configuration_made_by_hand(world: World) -> None:
    """It may open any port: a person confirms first."""
    wanted = spec(options())
    world.converge(wanted, directories, secrets, ports)
    (wait,) = world.verdicts(wanted, services)
    assert isinstance(wait, Wait)
    world.config.write_text("VirtualHost 'hand.test'\n")
    (wait,) = world.verdicts(wanted, services)
    assert isinstance(wait, Wait) and "by hand" in wait.why


def test_the_file_is_written_for_prosodys_group(world: World) -> None:
    """0640; under root its group is Prosody's, and its owner is not."""
    wanted = spec(options())
    world.converge(wanted, directories, secrets, ports)
    change: Change = world.change(wanted, config)
    (write,) = change.actions
    assert isinstance(write, WriteFile) and write.mode == 0o640 and repr(write.content) == "***"
    assert write.group == (world.site.group if os.geteuid() == 0 else None)
    assert isinstance(render_candidate(world.host, wanted, world.site), MainFile)
