"""Texts of a certain form: paths, modes, names. Each says what it expects, what it found, what to write."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from schemas.notation import quoted, shortened

_LONGEST_NAME = 255
"""Bytes of one name in a path (limits.h: NAME_MAX)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_OPEN = "<home>"
"""Where it is not known it stays as it is, and what begins with it counts as absolute."""


_NAMED = re.compile("<[A-Za-z0-9_]+>")


def refuse(text: str) -> PydanticCustomError:
    """A mistake in our own words."""
    return PydanticCustomError("ours", "{text}", {"text": text})


def found(value: object) -> str:
    """A value in the words of a message."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return quoted(shortened(value))
        case tuple():
            return "a list"
        case dict():
            return "a map"
        case None:
            return "nothing"
        case _:
            return "Lua" if hasattr(value, "lua") else "a secret"


def check_text(value: object) -> str:
    """Any text. A number has lost its noughts by the time it is read, so it is never taken for one."""
    if isinstance(value, str):
        return value
    instead = f'; write "{value}"' if isinstance(value, int | float) and not isinstance(value, bool) else ""
    raise refuse(f"expected a text, found {found(value)}{instead}")


def check_mode(value: object) -> str:
    """chmod(1)'s octal digits. Up to 0777: set-id and sticky bits are closed to a push."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise refuse(f'expected an octal mode in quotes, found the number {value}; write "{value:04d}"')
    if not isinstance(value, str) or not re.fullmatch("0?[0-7]{3}", value):
        raise refuse(f'expected an octal mode in quotes, at most "0777", found {found(value)}; write "0644", say')
    return value


def check_path(value: object) -> str:
    """An absolute path on the host, normalized."""
    path = check_text(value)
    plain = path[len(_OPEN) :] if path.startswith(f"{_OPEN}/") else path
    if _CONTROL.search(plain):
        raise refuse(f"expected a path without control characters, found {found(path)}; take them out")
    if not plain.startswith("/"):
        instead = f"write {_OPEN}{path[1:]}" if path.startswith("~/") else "write it from / on, or from <home>"
        raise refuse(f"expected an absolute path, found {found(path)}; {instead}")
    clean = "/" + "/".join(part for part in PurePosixPath(plain).parts if part not in ("/", "//"))
    if ".." in PurePosixPath(plain).parts:
        raise refuse(f"expected a path without .., found {found(path)}; write where it leads")
    if clean != plain:
        raise refuse(f"expected a path in its plain form, found {found(path)}; write {clean}")
    if long := next((part for part in plain.split("/") if len(part.encode()) > _LONGEST_NAME), None):
        shown = found(long[:20] + "…")
        raise refuse(f"expected names of at most {_LONGEST_NAME} bytes in a path, found {shown}; write a shorter one")
    if plain == "/":
        raise refuse("expected a path below /, found the root itself; write the path of a file")
    return path


def check_repository_path(value: object) -> str:
    """A path in the repository, from its root."""
    path = check_text(value)
    parts = PurePosixPath(path).parts
    if _CONTROL.search(path):
        raise refuse(f"expected a path without control characters, found {found(path)}; take them out")
    if path.startswith("/") or ".." in parts or not parts:
        raise refuse(f"expected a path in the repository, from its root on and without .., found {found(path)}")
    if "/".join(parts) != path:
        raise refuse(f"expected a path in its plain form, found {found(path)}; write {'/'.join(parts)}")
    return path


def check_name(value: object) -> str:
    """The name of a user or group: it ends in argv and paths."""
    name = check_text(value)
    if not re.fullmatch(r"[A-Za-z0-9_@+][A-Za-z0-9_.@+-]*", name):
        raise refuse(f"expected a name of letters, digits and _ . @ + -, found {found(name)}")
    return name


def check_package(value: object) -> str:
    """The name of a package: it begins with a letter or digit (Debian Policy, 5.6.1). apt-get(8) removes `NAME-`."""
    name = check_name(value)
    if name[0] in "_@+" or name.endswith("-"):
        raise refuse(f"expected the name of a package, found {found(name)}; apt would not take it for one")
    return name


def check_module(value: object) -> str:
    """A module's name without `mod_`, as Prosody's own lists give it."""
    name = check_text(value)
    if not re.fullmatch("[A-Za-z0-9_]+", name):
        raise refuse(f"expected a module's name of letters, digits and _, found {found(name)}")
    if name.startswith("mod_"):
        raise refuse(f"expected a module's name as Prosody's lists give it, found {found(name)}; write {name[4:]}")
    return name


def check_host_name(value: object) -> str:
    """A domain as JIDs have it (RFC 7622, 3.2), in the form that Prosody compares: lower case, NFKC."""
    name = check_text(value)
    plain = unicodedata.normalize("NFKC", name).lower()
    known = _NAMED.sub("name", plain)  # names that this machine does not know
    if not re.fullmatch(r"""[^\s\x00-\x20\x7f/@:<>&"'\\.]+(\.[^\s\x00-\x20\x7f/@:<>&"'\\.]+)*""", known):
        raise refuse(f"expected a domain, found {found(name)}; write labels with dots between them: example.org")
    if len(name.encode()) > 1023:
        raise refuse(f"expected a domain of at most 1023 bytes, found {found(name)}")
    if plain != name:
        raise refuse(f"expected a domain in lower case, found {found(name)}; write {plain}")
    return name


def check_flag(value: object) -> bool:
    """A key whose only value is true."""
    if value is not True:
        raise refuse(f"expected true, found {found(value)}; write true, or take the key out")
    return True


def check_link(value: object) -> str:
    """The target of a link, absolute or not."""
    target = check_text(value)
    if not target or _CONTROL.search(target):
        raise refuse(f"expected a path without control characters, found {found(target)}")
    return target


Text: TypeAlias = Annotated[str, BeforeValidator(check_text)]
Mode: TypeAlias = Annotated[str, BeforeValidator(check_mode)]
HostPath: TypeAlias = Annotated[str, BeforeValidator(check_path)]
RepositoryPath: TypeAlias = Annotated[str, BeforeValidator(check_repository_path)]
Name: TypeAlias = Annotated[str, BeforeValidator(check_name)]
PackageName: TypeAlias = Annotated[str, BeforeValidator(check_package)]
ModuleName: TypeAlias = Annotated[str, BeforeValidator(check_module)]
HostName: TypeAlias = Annotated[str, BeforeValidator(check_host_name)]
Flag: TypeAlias = Annotated[bool, BeforeValidator(check_flag)]
LinkTarget: TypeAlias = Annotated[str, BeforeValidator(check_link)]
