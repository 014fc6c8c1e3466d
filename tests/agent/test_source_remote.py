"""ssh and https: a real sshd and git's own http-backend, both as the user who runs the tests, on loopback."""

from __future__ import annotations

import base64
import getpass
import http.server
import os
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pygit2
import pytest
from repositories import GitRepository
from sshd import Sshd, make_key

from agent.address import BadAddress, parse_address
from agent.source import Source
from agent.source.remote import explain
from schemas.errors import AgentError, SourceRefused, Temporary
from schemas.secret import Secret

TOKEN = "t0ken-that-nobody-prints"


@pytest.fixture
def repository(git_repo: Callable[[], GitRepository]) -> GitRepository:
    """One commit, pushed."""
    made = git_repo()
    made.commit({"hosts/a.yaml": "profile: local\n"})
    made.push()
    return made


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the machine that tests run on would not find our loopback."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


# --- ssh ---


def ssh_source(repository: GitRepository, home: Path, sshd: Sshd, **more: Any) -> Source:
    """The agent's view of the repository through this server."""
    values: dict[str, Any] = {"ssh_key": sshd.key, "known_hosts": sshd.known_hosts, **more}
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{sshd.port}{repository.bare}"
    return Source(repository=url, branch="main", state_dir=home / "state", **values)


def test_ssh(repository: GitRepository, home: Path, sshd: Sshd) -> None:
    """Fetches, follows a push, and says that nothing moved."""
    source = ssh_source(repository, home, sshd)
    assert source.fetch() == source.fetch() == repository.head()
    repository.commit({"hosts/a.yaml": "# new\n"})
    tip = repository.push()
    assert source.fetch() == tip
    assert source.tree(tip)["hosts/a.yaml"].data == b"# new\n"


def test_ssh_to_a_branch_that_names_no_commit(repository: GitRepository, home: Path, sshd: Sshd) -> None:
    """Refused, and forgotten: what was fetched before is whole."""
    source = ssh_source(repository, home, sshd)
    tip = source.fetch()
    repository._git("-c", "user.name=a", "-c", "user.email=a@b", "tag", "-a", "-m", "x", "note")
    repository._git("push", "-q", "origin", "note")
    other = repository._git("rev-parse", "note")
    (repository.bare / "refs/heads/main").write_text(f"{other}\n")
    for _ in range(2):
        with pytest.raises(SourceRefused, match=f"{other}.*no commit"):
            source.fetch()
    assert source.take_notices() == ()
    assert source.tree(tip)["hosts/a.yaml"].data == b"profile: local\n"


def test_ssh_believes_known_hosts_alone(repository: GitRepository, home: Path, sshd: Sshd) -> None:
    """Another key, no key and no file are each refused before anything of ours is shown."""
    other = make_key(home / "other")
    right = sshd.known_hosts.read_text()
    for wrong in (f"[127.0.0.1]:{sshd.port} {other}", "", right.replace("[127.0.0.1]", "[127.0.0.2]")):
        sshd.known_hosts.write_text(wrong)
        with pytest.raises(SourceRefused, match="its host key is not the one in known_hosts"):
            ssh_source(repository, home, sshd).fetch()
    with pytest.raises(Temporary, match=r"known_hosts .*: is not there"):
        ssh_source(repository, home, sshd, known_hosts=home / "none").fetch()
    sshd.known_hosts.write_text(right)
    assert ssh_source(repository, home, sshd).fetch() == repository.head()


def test_ssh_keys(repository: GitRepository, home: Path, sshd: Sshd) -> None:
    """A stranger's key, none at all, and one that others may read."""
    make_key(home / "stranger")
    for key in (home / "stranger", None):
        with pytest.raises(Temporary, match="it refuses our credentials"):
            ssh_source(repository, home, sshd, ssh_key=key).fetch()
    sshd.key.chmod(0o640)
    with pytest.raises(Temporary, match=f"chmod 600 {sshd.key}"):
        ssh_source(repository, home, sshd).fetch()


def test_a_server_that_says_nothing(repository: GitRepository, home: Path) -> None:
    """The fetch ends when its time is over."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"ssh://git@127.0.0.1:{mute.getsockname()[1]}/x"
        source = Source(repository=url, branch="main", state_dir=home / "state", timeout=1)
        started = time.monotonic()
        with pytest.raises(Temporary):
            source.fetch()
        assert time.monotonic() - started < 10


# --- https ---


class Backend(http.server.BaseHTTPRequestHandler):
    """`git http-backend` behind basic authentication."""

    root: Path
    asked: list[str]

    def do_GET(self) -> None:
        """The advertisement of refs."""
        self._answer(b"")

    def do_POST(self) -> None:
        """The negotiation and the pack."""
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        given = self.headers.get("Authorization", "")
        self.asked.append(given)
        if self.path.startswith(("/moved/", "/elsewhere/")):
            _, where, path = self.path.split("/", 2)
            host = f"https://localhost:{self.server.server_address[1]}" if where == "elsewhere" else ""
            self.send_response(302)
            self.send_header("Location", f"{host}/{path}")
            self.end_headers()
            return
        if base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")[2] != TOKEN:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "git",
        }
        ran = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, content = ran.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in {**fields, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Silence."""


def make_certificate(place: Path) -> tuple[Path, Path]:
    """A self-signed pair for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    # libgit2 forgets no certificate, and OpenSSL would confuse two of one name
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(8))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, crt = place / "server.key", place / "server.crt"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    crt.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return crt, pem


@pytest.fixture
def https(repository: GitRepository, home: Path) -> Iterator[int]:
    """The port of a server that wants the token."""
    crt, pem = make_certificate(home)
    handler = type("Handler", (Backend,), {"root": repository.bare.parent, "asked": []})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, pem)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign,assignment]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def token(home: Path) -> Path:
    """As a person would write it, with a newline."""
    path = home / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def believed(https: int, home: Path) -> Iterator[int]:
    """The same server, whose certificate this process believes."""
    pygit2.settings.set_ssl_cert_locations(str(home / "server.crt"), None)
    yield https
    pygit2.settings.set_ssl_cert_locations("/etc/ssl/certs/ca-certificates.crt", None)


def https_source(home: Path, url: str, **more: Any) -> Source:
    """The agent's view of a URL."""
    return Source(repository=url, branch="main", state_dir=home / "state", **more)


def test_https_unknown_certificate(repository: GitRepository, home: Path, https: int, token: Path) -> None:
    """Refused; the token was shown to nobody."""
    with pytest.raises(SourceRefused, match="its certificate proves nothing"):
        https_source(home, f"https://127.0.0.1:{https}/repository.git", token_file=token).fetch()


def test_https_with_a_token(repository: GitRepository, home: Path, believed: int, token: Path) -> None:
    """From the file, or from the URL; a push is followed, and so is a redirect on the same server."""
    source = https_source(home, f"https://127.0.0.1:{believed}/repository.git", token_file=token)
    assert source.fetch() == source.fetch() == repository.head()
    repository.commit({"hosts/a.yaml": "# new\n"})
    assert source.fetch() != repository.push()
    assert source.fetch() == repository.head()
    inline = Source(
        repository=f"https://bot:{TOKEN}@127.0.0.1:{believed}/repository.git", branch="main", state_dir=home / "2"
    )
    assert inline.fetch() == repository.head()
    moved = f"https://127.0.0.1:{believed}/moved/repository.git"
    assert Source(repository=moved, branch="main", state_dir=home / "3", token_file=token).fetch() == repository.head()


def test_https_says_no_secret(repository: GitRepository, home: Path, believed: int, token: Path) -> None:
    """Wrong token, no token, loose token file, no such branch, nobody there: never in the text or its causes."""
    wrong = home / "wrong"
    wrong.write_text("Wr0ng")
    wrong.chmod(0o600)
    loose = home / "loose"
    loose.write_text(TOKEN)
    loose.chmod(0o644)
    at = f"127.0.0.1:{believed}/repository.git"
    cases = [
        (https_source(home, f"https://{at}", token_file=wrong), "it refuses our credentials"),
        (https_source(home, f"https://{at}"), "it refuses our credentials"),
        (https_source(home, f"https://u:Wr0ng@{at}"), "it refuses our credentials"),
        (https_source(home, f"https://{at}", token_file=loose), "chmod 600"),
        (https_source(home, f"https://u:{TOKEN}@127.0.0.1:{believed}/none.git"), "there is no repository"),
        (https_source(home, f"https://u:{TOKEN}@127.0.0.1:9/x.git"), "cannot be reached"),
        (https_source(home, f"https://u:{TOKEN}@127.0.0.1:{believed}/elsewhere/repository.git"), "it has moved"),
        (Source(repository=f"https://u:{TOKEN}@{at}", branch="no", state_dir=home / "s"), "has no branch no"),
    ]
    for source, expected in cases:
        with pytest.raises(AgentError, match=expected) as raised:
            source.fetch()
        error = raised.value
        assert error.__cause__ is None and (error.__suppress_context__ or error.__context__ is None)
        for secret in (TOKEN, "Wr0ng"):
            assert secret not in str(error) + repr(source.address) + str(source.address)
    for path in (home / "state").rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


def test_what_a_server_quotes_is_redacted() -> None:
    """libgit2 passes on a server's own words, which may repeat what it was shown, or hold what a terminal obeys."""
    error = pygit2.GitError(f"remote: no access\x1b[31m for {TOKEN}\nreally")
    told = explain(parse_address("https://forge.example/x"), error, secrets=(Secret(TOKEN), None))
    assert "no access [31m for *** really" in str(told)


# --- addresses ---


@pytest.mark.parametrize(
    ("text", "transport", "url"),
    [
        ("/srv/x.git", "local", "/srv/x.git"),
        ("../x.git", "local", "/etc/x.git"),
        ("file:///srv/a%20b", "local", "/srv/a b"),
        ("ssh://git@forge.example/ops/xmpp.git", "ssh", "ssh://git@forge.example/ops/xmpp.git"),
        ("git@forge.example:ops/xmpp.git", "ssh", "ssh://git@forge.example/ops/xmpp.git"),
        ("forge.example:ops/xmpp.git", "ssh", "ssh://git@forge.example/ops/xmpp.git"),
        ("https://a:b%40c@forge.example/x", "https", "https://forge.example/x"),
    ],
)
def test_addresses(text: str, transport: str, url: str) -> None:
    """Every spelling that people know; no password in what is printed."""
    address = parse_address(text, base="/etc/prosodist")
    assert (address.transport.value, address.url) == (transport, url)


@pytest.mark.parametrize(
    "text",
    ["", "http://u:pw@x/y", "git://x/y", "https://u:pw@", "file://other/x", "foo://u:pw@x/y", "a\nb"],
)
def test_addresses_that_are_refused(text: str) -> None:
    """What nobody authenticates and what is none; the text repeats no password."""
    with pytest.raises(BadAddress) as raised:
        parse_address(text)
    assert "pw" not in str(raised.value)


def test_authorities_are_read_for_https_alone(home: Path) -> None:
    """Whom an https server has to be known to costs each start memory and time; only such a source pays."""
    code = (
        "import sys; from pathlib import Path; from agent.source import Source; import pygit2\n"
        "Source(repository=sys.argv[1], branch='main', state_dir=Path(sys.argv[2]))\n"
        "print(pygit2.settings.ssl_cert_file)"
    )

    def read_for(repository: str) -> str:
        argv = [sys.executable, "-c", code, repository, str(home)]
        return subprocess.run(
            argv, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
        ).stdout.strip()

    assert read_for("https://git.example/xmpp.git") == str(ssl.get_default_verify_paths().cafile)
    assert read_for("ssh://git.example/xmpp.git") == "None"
