"""The certificate authorities of this host: read for an https repository, and for no other.

pygit2 reads every one of them when it is imported, which takes 1.6 MiB for good and 15 ms of every start. It asks
Python's ssl where they are; whose SSL_CERT_FILE names no file is told of the directory alone, from which OpenSSL reads
one when it meets it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unread() -> Iterator[None]:
    """Let pygit2 be imported without them. Where there is no directory either, it is let have its way."""
    variable = ssl.get_default_verify_paths().openssl_cafile_env
    named = os.environ.get(variable)
    if ssl.get_default_verify_paths().capath is None:
        yield
        return
    os.environ[variable] = os.devnull
    try:
        yield
    finally:
        del os.environ[variable]
        if named is not None:
            os.environ[variable] = named


def trust() -> None:
    """Read them now, as pygit2 does by itself."""
    import pygit2

    found = ssl.get_default_verify_paths()
    if found.cafile is not None:
        pygit2.settings.set_ssl_cert_locations(found.cafile, found.capath)
