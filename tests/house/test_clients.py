"""Who is connected stays connected for as long as nothing that they use has to change."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import time
from collections.abc import Iterator

from places import DOCUMENT, Place, is_open, on_both

_STREAM = (
    "<?xml version='1.0'?><stream:stream to='example.test' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
_STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


@on_both
def test_a_stream_outlives_all_but_a_restart(living: Place) -> None:
    """An idle pass, a change of files, of `log`, of a certificate: connected. A module more: a restart."""
    with stream(living.port()) as client:
        living.reconcile(full=True)
        assert is_alive(client)
        files = DOCUMENT.replace("Kept by", "Changed by")
        living.push(document=files)
        assert living.reconcile()["changes"]
        assert is_alive(client)
        assert living.told("activation.made") == []

        debug = living.home / "prosody/log/debug.log"
        logged = files.replace("prosody:\n", f"prosody:\n  log: {{debug: {debug}}}\n")
        living.push(document=logged)
        living.reconcile()
        assert [entry["disruption"] for entry in living.told("activation.made")] == ["RELOAD"]
        assert within(5, debug.exists), "the reload did not reach the log"
        assert is_alive(client)

        shown = certificate(living.port())
        (living.home / "prosody/certs/example.test.key").unlink()
        living.reconcile()
        assert [entry["disruption"] for entry in living.told("activation.made")] == ["RELOAD", "RELOAD"]
        assert within(5, lambda: certificate(living.port()) != shown), "the old certificate is still served"
        assert is_alive(client)

        living.push(document=logged.replace("ping, ", "ping, time, "))
        living.reconcile()
        assert [entry["disruption"] for entry in living.told("activation.made")][2:] == ["RESTART"]
        assert not is_alive(client)
    assert is_open(living.port())


@contextlib.contextmanager
def stream(port: int) -> Iterator[socket.socket]:
    """An XMPP stream to its features."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(_STREAM.encode())
        heard = b""
        while b"</stream:features>" not in heard:
            heard += client.recv(4096)
        yield client


def is_alive(client: socket.socket) -> bool:
    """Whether Prosody still holds its end: a space keeps a stream alive and is not answered."""
    client.setblocking(False)
    try:
        client.send(b" ")
        while client.recv(4096):
            pass  # its last words
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        client.setblocking(True)


def certificate(port: int) -> str:
    """The digest of what is shown after STARTTLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with stream(port) as client:
        client.sendall(_STARTTLS)
        assert b"proceed" in client.recv(4096)
        with context.wrap_socket(client, server_hostname="example.test") as secure:
            return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()


def within(seconds: float, condition: object) -> bool:
    """Whether it comes to be so."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
