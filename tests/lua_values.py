"""Values as Lua's own reader has them: told one by one, each with its kind, bit for bit."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Mapping
from typing import Any

from schemas.secret import Secret

_TELL = r"""
local math, string, table, tostring, print, pairs, type = math, string, table, tostring, print, pairs, type;
local function hex(text) return (text:gsub(".", function (c) return ("%02x"):format(c:byte()); end)); end
local function told(value)
	local kind = math.type(value) or type(value);
	if kind == "string" then return '["string","' .. hex(value) .. '"]'; end
	if kind == "float" then return '["float","' .. hex(string.pack(">d", value)) .. '"]'; end
	if kind ~= "table" then return '["' .. kind .. '","' .. tostring(value) .. '"]'; end
	local entries = {};
	for key, item in pairs(value) do entries[#entries + 1] = "[" .. told(key) .. "," .. told(item) .. "]"; end
	return '["table",[' .. table.concat(entries, ",") .. "]]";
end
local function tell(value) print(told(value)); end
"""


def run_lua(script: str) -> bytes:
    """What the script prints."""
    ran = subprocess.run(["lua5.4", "-"], input=script.encode(), capture_output=True, env={})
    assert ran.returncode == 0, ran.stderr[-500:]
    return ran.stdout


def told_by_lua(script: str) -> list[object]:
    """Each value that the script calls `tell` with, as `telling` has it; what it does to globals is no hindrance."""
    return [_sorted(json.loads(line)) for line in run_lua(_TELL + script).splitlines()]


def telling(value: object) -> object:
    """How Lua tells this value; a table's entries are sorted."""
    match value:
        case bool():
            return ["boolean", str(value).lower()]
        case int():
            return ["integer", str(value)]
        case float():
            return ["float", struct.pack(">d", value).hex()]
        case str():
            return ["string", value.encode().hex()]
        case Secret():
            return ["string", value.reveal().hex()]
        case Mapping():
            return ["table", sorted(([telling(k), telling(v)] for k, v in value.items()), key=repr)]
        case list():
            return telling(dict(enumerate(value, start=1)))
    raise AssertionError(value)


def _sorted(told: list[Any]) -> object:
    if told[0] == "table":
        return ["table", sorted(([_sorted(k), _sorted(v)] for k, v in told[1]), key=repr)]
    return told
