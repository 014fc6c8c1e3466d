"""The Prosody that is installed here: where its parts lie and which version it is, without running any of it."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import PurePosixPath

from msgspec import Struct

from reconcilers.contract import Paths, Prosody, Reader

CANDIDATES = (PurePosixPath("/usr/bin/prosody"), PurePosixPath("/usr/local/bin/prosody"))
_PROGRAMS = tuple(map(PurePosixPath, ("/usr/local/bin", "/usr/bin", "/bin")))


class Program(Struct, frozen=True, kw_only=True):
    """What the text of an installed `prosody` says. `interpreter` is a path, or a name to look for."""

    path: PurePosixPath
    interpreter: str
    source: PurePosixPath
    modules: PurePosixPath


def parse_program(text: str, path: PurePosixPath) -> Program | None:
    """Read the head of a `prosody` script as `configure` leaves it; None when it is something else."""
    shebang = re.match(r"#!\s*(\S+)(?:[ \t]+(\S+))?", text)
    source, modules = _setting(text, "CFG_SOURCEDIR"), _setting(text, "CFG_PLUGINDIR")
    if shebang is None or source is None:
        return None
    program, argument = shebang.groups()
    is_env = PurePosixPath(program).name == "env" and argument
    return Program(
        path=path,
        interpreter=argument if is_env else program,
        source=source,
        modules=modules or source / "modules",
    )


def find_prosody(reader: Reader, candidates: tuple[PurePosixPath, ...] = CANDIDATES) -> Prosody | None:
    """The first of these programs that is a Prosody, with its Lua; nothing of it is run.

    `prosody --version` would start a server, so the version is read where Prosody itself reads it.
    """
    for path in candidates:
        text = reader.read(path)
        program = parse_program(text.decode(errors="replace"), path) if text else None
        found = _complete(reader, program) if program else None
        if found is not None:
            return found
    return None


def find_modules(reader: Reader, prosody: Prosody, paths: Paths, ours: Container[PurePosixPath] = ()) -> frozenset[str]:
    """Every module that this Prosody would find by itself: its own, and what `prosodyctl install` brought.

    `ours` are not counted: they are there as long as git says so.
    """
    brought = paths.data / "custom_plugins"
    places = (prosody.modules, *paths.plugins, brought)
    names = [name for place in places for name in reader.listdir(place) or () if place / name not in ours]
    for lua in reader.listdir(brought / "share/lua") or ():
        names += reader.listdir(brought / "share/lua" / lua) or ()
    return frozenset(name.removeprefix("mod_").removesuffix(".lua") for name in names)


def _complete(reader: Reader, program: Program) -> Prosody | None:
    version = reader.read(program.source / "prosody.version")
    lua = _find_program(reader, program.interpreter, program.path.parent)
    if version is None or lua is None:
        return None
    luac = lua.with_name(lua.name.replace("lua", "luac", 1))
    return Prosody(
        version=version.decode().strip(),
        program=program.path,
        prosodyctl=program.path.with_name(program.path.name.replace("prosody", "prosodyctl", 1)),
        lua=lua,
        luac=luac if reader.stat(luac) is not None else None,
        source=program.source,
        modules=program.modules,
    )


def _find_program(reader: Reader, name: str, beside: PurePosixPath) -> PurePosixPath | None:
    if name.startswith("/"):
        return PurePosixPath(name)
    places = (place / name for place in (beside, *_PROGRAMS))
    return next((place for place in places if reader.stat(place) is not None), None)


def _setting(text: str, name: str) -> PurePosixPath | None:
    found = re.search(rf"""^{name}\s*=\s*(['"])(/[^'"\n]*)\1""", text, re.MULTILINE)
    return PurePosixPath(found[2]) if found else None
