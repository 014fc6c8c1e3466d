"""A public key of OpenPGP as text, in whichever of its two forms it came."""

from __future__ import annotations

import base64
import re

_BEGIN, _END = (f"-----{word} PGP PUBLIC KEY BLOCK-----" for word in ("BEGIN", "END"))
_LINE = 64
"""Characters of Base64 in a line (RFC 9580, 6.2: at most 76)."""


def armored(key: bytes) -> str | None:
    """The key in ASCII armor (RFC 9580, 6.2); None when it is no public key."""
    if found := re.search(rf"{_BEGIN}\r?\n.*?{_END}".encode(), key, re.DOTALL):
        return found[0].decode("ascii", errors="replace")
    if not _begins_a_key(key):
        return None
    body = base64.b64encode(key).decode()
    checksum = base64.b64encode(_crc24(key).to_bytes(3, "big")).decode()
    lines = [body[start : start + _LINE] for start in range(0, len(body), _LINE)]
    return "\n".join([_BEGIN, "", *lines, f"={checksum}", _END])


def _begins_a_key(data: bytes) -> bool:
    """Whether the first packet is a public key: number 6, in the old form or the new (RFC 9580, 4.2)."""
    return bool(data) and (data[0] & 0xFC == 0x98 or data[0] == 0xC6)


def _crc24(data: bytes) -> int:
    """RFC 9580, 6.1.1."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF
