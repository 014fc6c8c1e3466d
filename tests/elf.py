"""The names that a shared object asks its loader for, changed in place (64-bit ELF, see man 5 elf)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

SHT_DYNSYM, SHT_VERNEED, SHT_VERSYM = 11, 0x6FFFFFFE, 0x6FFFFFFF
SYMBOL = 24
VER_FLG_WEAK = 2


class Dynamic:
    """The dynamic names of a file. No byte moves, so a new name is as long as the old or a tail of it."""

    def __init__(self, data: bytes) -> None:
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("a 64-bit little-endian ELF file is wanted")
        self.data = bytearray(data)
        (start,) = struct.unpack_from("<Q", data, 0x28)
        size, count = struct.unpack_from("<HH", data, 0x3A)
        headers = [struct.unpack_from("<IIQQQQIIQQ", data, start + size * index) for index in range(count)]
        self._sections = {kind: (offset, length) for _, kind, _, _, offset, length, *_ in headers}
        strings = next(link for _, kind, _, _, _, _, link, *_ in headers if kind == SHT_DYNSYM)
        self._strings, self._length = headers[strings][4], headers[strings][5]

    def asks_for(self, name: str) -> bool:
        """Whether that name, of a library or symbol, is among the dynamic strings."""
        return name.encode() in self._names().split(b"\0")

    def rename(self, pattern: str, to: str) -> None:
        """Replace what matches the pattern at the end of a name."""
        changed = re.sub(rf"{pattern}(?=\0)".encode(), to.encode(), self._names())
        if len(changed) != self._length:
            raise ValueError(f"{to}: not as long as what it replaces")
        self.data[self._strings : self._strings + self._length] = changed

    def drop(self, prefix: str) -> None:
        """Ask for each symbol with that prefix by the rest of its name, in the oldest version named."""
        symbols, length = self._sections[SHT_DYNSYM]
        for index in range(length // SYMBOL):
            (name,) = struct.unpack_from("<I", self.data, symbols + SYMBOL * index)
            if self._name(name).startswith(prefix):
                struct.pack_into("<I", self.data, symbols + SYMBOL * index, name + len(prefix))
                self._age(self._sections[SHT_VERSYM][0] + 2 * index)

    def _age(self, mark: int) -> None:
        """Mark a symbol with the oldest version of its library; the newer one need not be there any more."""
        (newer,) = struct.unpack_from("<H", self.data, mark)
        for library in self._versions():
            if newer in library:
                struct.pack_into("<H", self.data, mark, min(library, key=lambda number: library[number][1]))
                struct.pack_into("<H", self.data, library[newer][0] + 4, VER_FLG_WEAK)

    def _versions(self) -> Iterator[dict[int, tuple[int, list[int]]]]:
        """For each library: its version marks, with the place of the record and its number."""
        at, step = self._sections[SHT_VERNEED][0], 1
        while step:
            _, count, _, record, step = struct.unpack_from("<HHIII", self.data, at)
            found, place = {}, at + record
            for _ in range(count):
                _, _, mark, name, further = struct.unpack_from("<IHHII", self.data, place)
                found[mark] = (place, [int(number) for number in re.findall(r"\d+", self._name(name))])
                place += further
            yield found
            at += step

    def _names(self) -> bytes:
        return bytes(self.data[self._strings : self._strings + self._length])

    def _name(self, offset: int) -> str:
        return self._names()[offset:].split(b"\0", 1)[0].decode()
