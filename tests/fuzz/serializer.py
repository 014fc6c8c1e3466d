"""What must hold of the Lua that we write: Lua's own reader gives back every value, bit for bit."""

from __future__ import annotations

import random
import struct
from typing import Any

from lua_values import telling, told_by_lua

from reconcilers.luatext import quote, render_name, render_value

_PIECES = (
    "]]",
    "]==]",
    '"',
    "\\",
    "\0",
    "\r\n",
    "--[[",
    "--",
    "\\\n",
    "\u202e",
    "\x7f",
    "é",
    "\U0001f600",
    "end",
    "a",
    "_ENV",
)
_NUMBERS = (0, -1, 2**53, 2**63 - 1, -(2**63), 0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 1e22)
BATCH = 100


def try_serializer(seed: int) -> None:
    """A hundred values and names at once: one that leaves its quotes would change its neighbours."""
    chance = random.Random(seed)
    values = [_value(chance, 0) for _ in range(BATCH)]
    names = list(dict.fromkeys(f"{_text(chance)}_{number}" for number in range(BATCH)))
    script = "local values = {}; local names = {};\n"
    for number, (value, name) in enumerate(zip(values, names, strict=True), 1):
        script += f"values[{number}] = {render_value(value)}\nnames[{number}] = {quote(name)}\n"
        script += f"{render_name(name)} = {render_value(value)}\n"
    script += f"for index = 1, {BATCH} do tell(values[index]); end\n"
    script += f"for index = 1, {BATCH} do tell(_ENV[names[index]]); end\n"
    assert told_by_lua(script) == [telling(value) for value in values] * 2


def _text(chance: random.Random) -> str:
    if chance.random() < 0.3:
        return "".join(
            chr(chance.choice((chance.randrange(0xD800), chance.randrange(0xE000, 0x110000)))) for _ in range(4)
        )
    return "".join(chance.choice(_PIECES) for _ in range(chance.randrange(6)))


def _value(chance: random.Random, depth: int) -> Any:
    match chance.randrange(7 if depth < 4 else 5):
        case 0:
            return chance.random() < 0.5
        case 1:
            return chance.choice(_NUMBERS)
        case 2:
            return chance.randint(-(2**63), 2**63 - 1)
        case 3:
            number = struct.unpack(">d", chance.randbytes(8))[0]
            return number if abs(number) < float("inf") else 1.5
        case 4:
            return _text(chance)
        case 5:
            return [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
        case _:
            keys = [chance.choice((_text(chance), chance.randint(-5, 5))) for _ in range(chance.randrange(4))]
            return {key: _value(chance, depth + 1) for key in keys}
