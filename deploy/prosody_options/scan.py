"""Prosody's sources → every place that reads an option, and every network service with options of its own.

Options are read by `module:get_option…(NAME, DEFAULT)` and by `get(HOST, NAME)` of core/configmanager.lua, under
whatever name a file gives that. A name that the source computes is given back as an expression: `byhand.py` must
say what it comes to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lua import Source, literal

KINDS = {
    "": "any",
    "_scalar": "any",
    "_string": "string",
    "_number": "number",
    "_integer": "integer",
    "_period": "period",
    "_boolean": "boolean",
    "_array": "list",
    "_set": "list",
    "_inherited_set": "list",
    "_path": "path",
    "_enum": "enum",
}
"""How core/moduleapi.lua ends the name of each getter → what it gives."""

_OF_USE = re.compile(r"get_option|configmanager|provides|:(hourly|daily|weekly)\b")
"""What a file must hold to be worth reading further."""

_ONLY_COMPONENT = re.compile(r'get_host_type\(\) ~= "component" then\s+error\(')

_LITERAL = re.compile(r"""-?[\d.]+( ?[*+/-] ?[\d.]+)*|true|false|"[^"]*"|'[^']*'|\{( ?("[^"]*"|\d+) ?[,;]?)* ?\}""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One place that reads one option."""

    option: str
    reader: str
    kind: str
    scope: str
    default: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A place that reads an option whose name only running it could tell."""

    file: str
    line: int
    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a module offers at ports; core/portmanager.lua makes options of its name."""

    name: str
    prefix: str
    ports: str
    reader: str
    tls: bool
    """Direct TLS, which has a certificate and settings of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """All that was found in one tree."""

    reads: tuple[Read, ...]
    computed: tuple[Computed, ...]
    services: tuple[Service, ...]
    tasks: tuple[tuple[str, str], ...]
    """Module and id of each periodic task."""
    modules: tuple[str, ...]
    components: frozenset[str]
    """Modules that load nowhere but as a component."""
    heeds_bounds: bool
    """The getters take a least and a most value; 0.12's are given some, and ignore them."""


def scan(*roots: Path) -> Scanned:
    """Read every Lua file below these directories, and the programs in one that is called `bin`."""
    files = {path.relative_to(root).as_posix(): path for root in roots for path in _files(root)}
    texts = {name: path.read_text(errors="replace") for name, path in files.items()}
    sources = [Source(text, name) for name, text in texts.items() if _OF_USE.search(text)]
    found = [read for source in sources for read in _reads(source)]
    return Scanned(
        reads=tuple(read for read in found if isinstance(read, Read)),
        computed=tuple(read for read in found if isinstance(read, Computed)),
        services=tuple(service for source in sources for service in _services(source)),
        tasks=tuple(task for source in sources for task in _tasks(source)),
        modules=tuple(sorted({_module_of(name) for name in files} - {""})),
        heeds_bounds=any("get_option_number(name, default_value, min" in source.text for source in sources),
        components=frozenset(_module_of(source.name) for source in sources if _ONLY_COMPONENT.search(source.text)),
    )


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.suffix == ".lua" or (path.parent.name == "bin" and path.name in ("prosody", "prosodyctl")):
            yield path


def _module_of(file: str) -> str:
    """The module that this file begins; empty for a part of one."""
    path = PurePosixPath(file)
    return path.stem.removeprefix("mod_") if path.stem.startswith("mod_") else ""


def reader_of(file: str) -> str:
    """Who reads: the module's name, `core.certmanager`, or `prosodyctl`, which looks without being the server."""
    parts = Path(file).with_suffix("").parts
    if "prosodyctl" in file:
        return "prosodyctl"
    if (module := next((part for part in reversed(parts) if part.startswith("mod_")), None)) is not None:
        return module.removeprefix("mod_")
    if "modules" in parts[:-1] and len(parts) > parts.index("modules") + 2:
        return parts[parts.index("modules") + 1]  # muc/members_only.lib.lua belongs to mod_muc
    return ".".join(parts[-2:])


def _reads(source: Source) -> Iterator[Read | Computed]:
    if source.name == "core/moduleapi.lua":
        return  # defines the getters, each by means of the others
    is_global = any(source.starts(at, "module", ":", "set_global") for at in range(len(source.tokens)))
    aliases = _aliases(source)
    for at, token in enumerate(source.tokens[:-1]):
        following = source.tokens[at + 1]
        if token.text.startswith("[[") and "get_option" in token.text:
            yield from _reads(Source(token.text[2:-2], source.name))  # Lua that is put together, as in mod_firewall
        if token.kind != "name" or (following.text != "(" and following.kind != "string"):
            continue
        if token.text.startswith("get_option") and source.tokens[at - 1].text == ":" and token.text[10:] in KINDS:
            arguments = source.arguments(at + 1)
            yield _read(source, at, arguments, KINDS[token.text[10:]], _scope(source, at, is_global=is_global))
        elif following.text == "(" and _gets_config(source, at, aliases):
            host, *rest = source.arguments(at + 1)
            scope = "global" if source.between(*host) == '"*"' else "any"
            yield _read(source, at, rest[-1:], "any", scope)


def _aliases(source: Source) -> frozenset[str]:
    """The names under which a file has configmanager, and its getters: `config`, `config_get`."""
    pattern = r"""local (\w+) = require \(? ?["'](?:prosody\.)?core\.configmanager["'] \)?( ?\. (?:raw)?get\b)?"""
    text = source.between(0, len(source.tokens))
    return frozenset(name + (" ()" if getter else "") for name, getter in re.findall(pattern, text))


def _gets_config(source: Source, at: int, aliases: frozenset[str]) -> bool:
    """Whether a call is of configmanager's `get` or `rawget`."""
    token = source.tokens[at]
    if f"{token.text} ()" in aliases:
        return source.tokens[at - 1].text not in (".", ":")
    if token.text not in ("get", "rawget") or source.tokens[at - 1].text != ".":
        return False
    before = source.tokens[at - 2]
    return before.text in aliases or before.text.endswith('configmanager"')


def _read(source: Source, at: int, arguments: list[tuple[int, int]], kind: str, scope: str) -> Read | Computed:
    start, end = arguments[0]
    reader = reader_of(source.name)
    option = literal(source.tokens[start]) if end == start + 1 else None
    if end == start + 5 and source.starts(start, "module", ".", "name", ".."):
        option = f"{reader}{literal(source.tokens[start + 4])}"
    if option is None:
        return Computed(file=source.name, line=source.line(at), expression=source.between(start, end))
    values = [_value(source, *argument) for argument in arguments[1:]]
    bounds = [float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else None for value in values[1:3]]
    bounds += [None] * (2 - len(bounds))
    if kind == "enum" and not all(_LITERAL.fullmatch(value) for value in values):
        kind = "any"  # the default is computed, and is one of the choices
    chosen = tuple(dict.fromkeys(value.strip("\"'") for value in values)) if kind == "enum" else ()
    return Read(
        option=option,
        reader=reader,
        kind=kind,
        scope=scope,
        default=values[0] if values and values[0] != "nil" else _fallback(source, at),
        choices=chosen,
        least=bounds[0] if kind in ("number", "integer") else None,
        most=bounds[1] if kind in ("number", "integer") else None,
    )


def _scope(source: Source, at: int, *, is_global: bool) -> str:
    """Which scope a getter's receiver looks in; `at` is the getter's name, a colon stands before it."""
    receiver = source.tokens[at - 2].text
    if receiver == ")":
        return "global" if source.starts(at - 4, "(", '"*"', ")") else "any"
    if receiver == "module":
        return "global" if is_global and not source.takes(at, "module") else "any"
    for found in range(at):
        if source.starts(found, "local", receiver, "="):
            words = source.between(found + 3, min(found + 9, len(source.tokens)))
            return "global" if re.match(r'(\w+ [:.] )*\w+ \( "\*" \)', words) else "any"
    return "any"


def _value(source: Source, start: int, end: int) -> str:
    """A default as Lua: a literal, a local's literal, or the expression as it stands."""
    text = source.written(start, end)
    if re.fullmatch(r"[a-z_]\w*", text) and text not in ("true", "false", "nil"):
        for at in range(len(source.tokens)):
            if source.starts(at, "local", text, "="):
                given = source.written(at + 3, _end_of_statement(source, at + 3))
                return given if _LITERAL.fullmatch(given) else text
    return text


def _fallback(source: Source, at: int) -> str:
    """The literal of `get(…) or LITERAL`; empty when there is none."""
    after = source.close_of(at + 1) + 1 if source.tokens[at + 1].text == "(" else at + 2
    if not source.starts(after, "or"):
        return ""
    text = source.written(after + 1, _end_of_statement(source, after + 1))
    return text if _LITERAL.fullmatch(text) else ""


def _end_of_statement(source: Source, at: int) -> int:
    """The token after a simple expression: where its line, or what it stands in, ends."""
    start_line = source.line(at) if at < len(source.tokens) else 0
    while at < len(source.tokens) and source.tokens[at].text not in (";", ")", "}", ",", "then", "or", "and"):
        if source.line(at) != start_line:
            return at
        at = source.close_of(at) + 1 if source.tokens[at].text in ("{", "(") else at + 1
    return at


def _services(source: Source) -> Iterator[Service]:
    for at in range(len(source.tokens)):
        if not source.starts(at, "provides", "(", '"net"', ",", "{"):
            continue
        fields = dict(_fields(source, at + 4))
        reader = reader_of(source.name)
        name = fields.get("name", "").strip("\"'") or reader.removeprefix("net_")
        prefix = fields["config_prefix"].strip("\"'") if "config_prefix" in fields else name
        ports = fields.get("default_ports") or (f"{{ {fields['default_port']} }}" if "default_port" in fields else "")
        tls = fields.get("encryption") == '"ssl"'
        yield Service(name=name, prefix=prefix and f"{prefix}_", ports=ports, reader=reader, tls=tls)


def _tasks(source: Source) -> Iterator[tuple[str, str]]:
    """`module:daily("Remove expired files", …)`; mod_cron makes an id of the name."""
    for at, token in enumerate(source.tokens[:-2]):
        if token.text in ("hourly", "daily", "weekly") and source.starts(at - 2, "module", ":"):
            name = literal(source.tokens[at + 2]) if source.starts(at + 1, "(") else None
            if name is not None:
                yield reader_of(source.name), re.sub(r"\W", "_", name).lower()


def _fields(source: Source, opening: int) -> Iterator[tuple[str, str]]:
    """The fields of a table that opens here, each value as it stands."""
    end, at = source.close_of(opening), opening + 1
    while at < end:
        start = at
        while at < end and source.tokens[at].text not in (";", ","):
            at = source.close_of(at) + 1 if source.tokens[at].text in ("{", "(", "[") else at + 1
        if source.starts(start + 1, "="):
            yield source.tokens[start].text, source.written(start + 2, at)
        at += 1
