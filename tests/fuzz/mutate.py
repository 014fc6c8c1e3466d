"""Small repositories → broken ones: what slips of fingers, of editors and of merges make of a document."""

from __future__ import annotations

import random
from typing import Any

import yaml
from seeds import Files, seeds, words

_PUNCTUATION = (
    *(
        b": ",
        b":",
        b"- ",
        b"-",
        b"? ",
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b"#",
        b"&a ",
        b"*a",
        b"!x ",
        b"!!str ",
        b"|\n",
        b">-\n",
    ),
    *(
        b"'",
        b'"',
        b"%",
        b"@",
        b"`",
        b"\t",
        b"\n",
        b"\r\n",
        b"\r",
        b"  ",
        b"---\n",
        b"...\n",
        b"<<: ",
        b"<",
        b"<<",
        b">",
    ),
    *(b"\\", b'"\\x00"', b'"\\ud800"', b"\x00", b"\x7f", b"\xff", "\ufeff".encode(), "\u2028".encode(), "é".encode()),
)
_VALUES = (
    *(b"null", b"~", b"yes", b"true", b"0750", b"0.10", b"1e3", b"-0", b"9007199254740993", b"1:30", b"2026-11-21"),
    *(b"{}", b"[]", b'""', b"{add: [x]}", b"{remove: [x]}", b"{add: x, remove: y}", b"{lua: x}", b"{age: secrets/x}"),
    *(b"{generated: x}", b"{host_file: /x}", b"{read: /x}", b".default", b"<host>", b"<home>", b"<nobody>", b"../x"),
)
_DATA: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1.5,
        "",
        "x",
        ".default",
        "<host>",
        "<home>/x",
        "/x",
        "absent",
        "none",
        [],
        {},
        [[]],
        {"x": {}},
    ),
    *(
        {"add": ["x"]},
        {"remove": ["x"]},
        {"add": "x"},
        {"lua": "x"},
        {"generated": "x"},
        {"age": "x"},
        {"extends": ".x"},
    ),
    *({1: 2}, {"": ""}, ["x", "x"], [None], {"a.b": None}, "a" * 300, {".default": {}}, {".default": None}),
)


def mutated(chance: random.Random) -> Files:
    """A repository with a few things wrong with it."""
    files = dict(chance.choice(seeds()))
    if chance.random() < 0.3:
        other = chance.choice(seeds())["hosts/a.yaml"]
        files["shared/z.yaml"] = other
        files["hosts/a.yaml"] = b"extends: [shared/z.yaml]\n" + files["hosts/a.yaml"]
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        path = chance.choice(sorted(files))
        files[path] = chance.choice((_bytes, _lines, _tree))(files[path], chance)[:100_000]
    return files


def _bytes(data: bytes, chance: random.Random) -> bytes:
    at, length = chance.randint(0, len(data)), chance.choice((0, 0, 1, 2, 10))
    planted = chance.choice((chance.choice(_PUNCTUATION), chance.choice(_VALUES), chance.choice(words()), b""))
    return data[:at] + planted + data[at + length :]


def _lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    others = chance.choice(seeds())["hosts/a.yaml"].split(b"\n")
    at = chance.randrange(len(lines))
    match chance.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, chance.choice(others))
        case 2:
            lines[at] = b" " * chance.randint(0, 4) + lines[at].lstrip()
        case 3:
            lines.insert(at, lines[at])
        case 4:
            lines[at] = lines[at].rpartition(b":")[0] + b": " + chance.choice(_VALUES)
    return b"\n".join(lines)


def _tree(data: bytes, chance: random.Random) -> bytes:
    """Another value, another key: the notation stays right, so what follows it is tried."""
    try:
        document = yaml.safe_load(data)
        places = list(_places(document))
        for _ in range(chance.choice((1, 1, 2, 4))):
            if not places:
                break
            around, key = chance.choice(places)
            _change(around, key, chance)
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
    except (yaml.YAMLError, ValueError, TypeError, KeyError, IndexError, RecursionError, AttributeError):
        return data  # most of the corpus is no YAML to begin with


def _places(value: Any) -> Any:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield value, key
        yield from _places(item)


def _change(around: Any, key: Any, chance: random.Random) -> None:
    match chance.randrange(4):
        case 0:
            around[key] = chance.choice(_DATA)
        case 1:
            del around[key]
        case 2 if isinstance(around, dict):
            around[chance.choice(words()).decode(errors="replace")] = around[key]
        case _:
            around[key] = {chance.choice(words()).decode(errors="replace"): around[key]}
