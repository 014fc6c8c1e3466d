"""Open an XMPP stream (RFC 6120, section 4.2) and see how the server answers for a host."""

from __future__ import annotations

import re
import socket

HEADER = (
    "<?xml version='1.0'?><stream:stream to='{host}' version='1.0' xml:lang='en' "
    "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
)
ANSWER = re.compile(r"<stream:features>?.*?(</stream:features>|/>)|<host-unknown\b[^>]*>", re.DOTALL)


def open_stream(host: str, port: int) -> str:
    """The server's features for that host, or its error; "no answer" where nothing listens (within 5 s)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(HEADER.format(host=host).encode())
            return _answer(connection)
    except OSError:
        return "no answer"


def serves(host: str, port: int) -> bool:
    """Whether the server offers features to clients of that host."""
    return open_stream(host, port).startswith("<stream:features")


def _answer(connection: socket.socket) -> str:
    received = ""
    while not (found := ANSWER.search(received)):
        part = connection.recv(4096)
        if not part:
            return "no answer"
        received += part.decode("utf-8", "replace")
    return found[0]
