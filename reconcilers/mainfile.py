"""The main file of Prosody's configuration, and where in the repository each of its lines was said."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from reconcilers import included
from reconcilers.luatext import quote, render_name, render_value
from reconcilers.origins import source_line
from schemas.desired import Age, Component, Generated, HostFile, HostSpec, Lua, SecretRef, VirtualHost
from schemas.desired.prosody import Scope
from schemas.desired.values import find_secrets
from schemas.errors import Mark, Mistake, SpecError
from schemas.fragments import Fragment
from schemas.secret import Secret

HEADER = b"-- Written by prosodist from git; edits here are kept and put right.\n"
"""Marks a file as ours."""

FUNCTIONS = frozenset(
    {
        *("Host", "host", "VirtualHost", "Component", "component", "Include", "include", "RunScript"),
        *("FileContents", "FileLine", "FileLines", "Credential", "__currenthost"),
    }
)
"""Names that the loader's environment holds itself: an assignment would replace them, and set no option.

Read in core/configmanager.lua of 0.12.3 and 13.0.1.
"""

Revealed = Mapping[SecretRef, Secret]
_Way = tuple[str | int, ...]


class MainFile(Struct, frozen=True, kw_only=True):
    """The rendered file. `origins[n - 1]` is where line n was said; None: by us."""

    text: bytes
    origins: tuple[Mark | None, ...]
    fragments: tuple[Fragment, ...] = ()
    """Git's own Lua in it; last that of the files that it includes."""
    starts: tuple[int, ...] = ()
    """The line at which the piece begins that holds a fragment, for the first fragments."""
    pieces: Mapping[int, int] = field(default_factory=dict)
    """First line → last line of what can be taken out and leaves the rest as it is."""
    template: tuple[str, bytes] | None = None
    """The template that it was rendered from: its path and its text."""
    secrets: tuple[Secret, ...] = ()
    hidden: frozenset[tuple[str, str]] = frozenset()
    """(scope, option) of each option that holds a secret."""
    is_beside_secret: bool = False
    """Whether a file that it includes holds one: any option may be set there."""

    def origin(self, line: int) -> Mark | None:
        """Where line `line` (from 1) was said, or the nearest line above it that was said anywhere."""
        if self.template is not None:
            name, source = self.template
            return Mark(name, source_line(source, self.text.removeprefix(HEADER), line - HEADER.count(b"\n")), 1)
        for mark in reversed(self.origins[: max(line, 0)]):
            if mark is not None:
                return mark
        return None

    def line_of(self, origin: Mark | None) -> int:
        """The first line that was said there; 0 when none was."""
        return self.origins.index(origin) + 1 if origin is not None and origin in self.origins else 0

    def without(self, text: bytes, line: int) -> bytes:
        """Its text (or the staged one) with the piece around this line left blank; the same when there is none."""
        lines = text.split(b"\n")
        for first, last in self.pieces.items():
            if first <= line <= last:
                lines[first - 1 : last] = [b""] * (last - first + 1)
        return b"\n".join(lines)


def render_main(spec: HostSpec, supplied: Mapping[str, object], revealed: Revealed) -> MainFile:
    """The built-in main file. Raises SpecError for a value that has no form in Lua, at its place."""
    prosody = spec.host.prosody
    assert prosody is not None
    writer = _Writer(spec=spec, revealed=revealed)
    writer.write(HEADER.decode())
    writer.write("-- What this kind of host supplies:\n")
    for name, value in supplied.items():
        writer.assign("*", name, value, ())
    writer.write("\n-- The global section:\n")
    writer.scope("*", prosody, ("prosody",))
    for name, host in prosody.virtual_hosts.items():
        way: _Way = ("prosody", "virtual_hosts", name)
        writer.virtual_host(name, host, way)
        for below, component in host.components.items():
            writer.component(below, component, (*way, "components", below))
    for name, component in prosody.components.items():
        writer.component(name, component, ("prosody", "components", name))
    return writer.finished()


def render_template(
    spec: HostSpec, render: Callable[[str, bytes, Mapping[str, object]], bytes], seen: Mapping[str, object]
) -> MainFile:
    """The main file by a template of the repository. Raises SpecError at the template's own line."""
    prosody = spec.host.prosody
    assert prosody is not None and prosody.template is not None
    text = HEADER + render(prosody.template, spec.sources[prosody.template].data, seen)
    template = prosody.template, spec.sources[prosody.template].data
    return MainFile(
        text=text,
        origins=(),
        fragments=tuple(included.fragments(spec)),
        template=template,
        is_beside_secret=included.holds_secret(spec),
    )


class _Writer(Struct, kw_only=True):
    """Gathers text, and beside each line its origin."""

    spec: HostSpec
    revealed: Revealed
    parts: list[str] = field(default_factory=list)
    origins: list[Mark | None] = field(default_factory=list)
    fragments: list[Fragment] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    pieces: dict[int, int] = field(default_factory=dict)
    hidden: set[tuple[str, str]] = field(default_factory=set)
    mistakes: list[Mistake] = field(default_factory=list)

    def write(self, text: str, origin: Mark | None = None) -> None:
        """Append whole lines."""
        self.parts.append(text)
        self.origins += [origin] * text.count("\n")

    def write_piece(self, text: str, origin: Mark | None) -> None:
        """Append whole lines that the rest can do without."""
        first = len(self.origins) + 1
        self.write(text, origin)
        self.pieces[first] = len(self.origins)

    def virtual_host(self, name: str, host: VirtualHost, way: _Way) -> None:
        self.write(f"\nVirtualHost {quote(name)}\n", self.spec.origin(*way))
        self.scope(name, host, way)

    def component(self, name: str, component: Component, way: _Way) -> None:
        self.write(f"\nComponent {quote(name)} {quote(component.module)}\n", self.spec.origin(*way))
        self.scope(name, component, way)

    def scope(self, scope: str, body: Scope, way: _Way) -> None:
        for name, value in body.options.items():
            self.assign(scope, name, value, (*way, name))
        for name, modules in (
            ("modules_enabled", body.modules_enabled),
            ("modules_disabled", body.modules_disabled),
        ):
            if modules or name in body.model_fields_set:  # an empty list that was said is written too
                self.assign(scope, name, modules, (*way, name))
        for place, path in enumerate(getattr(body, "include", ())):
            self.write_piece(f"Include {quote(path)}\n", self.spec.origin(*way, "include", place))
        if body.lua:
            self.block(body.lua, (*way, "lua"))

    def assign(self, scope: str, name: str, value: object, way: _Way) -> None:
        """One option. The semicolon keeps a parenthesis below from being read as a call."""
        origin, noted = self.spec.origin(*way), len(self.fragments)
        if name in FUNCTIONS:
            self.mistake(name, f"Prosody's loader keeps the name {name} for itself; take it away", origin)
            return
        if any(True for _ in find_secrets(value)):
            self.hidden.add((scope, name))
        try:
            text = render_value(self.prepared(value, way), indent="" if scope == "*" else "\t")
        except ValueError as error:
            self.mistake(name, str(error), origin)
            return
        indent = "" if scope == "*" else "\t"
        first = len(self.origins)
        self.write_piece(f"{indent}{render_name(name)} = {text};\n", origin)
        for fragment in self.fragments[noted:]:
            above = text.partition(f"(\n{fragment.text}\n")[0].count("\n") + 1
            self.place(fragment, first + above)

    def place(self, fragment: Fragment, above: int) -> None:
        """Each line of this Lua has a place of its own; `above` lines stand before it."""
        for line in range(1, fragment.text.removesuffix("\n").count("\n") + 2):
            self.origins[above + line - 1] = fragment.place(line)

    def block(self, text: str, way: _Way) -> None:
        """Lua as it stands, in a block of its own: its local names end with it."""
        origin = self.spec.origin(*way)
        fragment = Fragment(text=text, is_expression=False, origin=origin, first=self.spec.marks.get((*way, 0)))
        self.note(fragment)
        above = len(self.origins) + 1
        self.write_piece(f"do\n{text.removesuffix(chr(10))}\nend\n", origin)
        self.place(fragment, above)

    def note(self, fragment: Fragment) -> None:
        """Git's own Lua, in the piece that is written next."""
        self.fragments.append(fragment)
        self.starts.append(len(self.origins) + 1)

    def prepared(self, value: object, way: _Way) -> object:
        """The value with its secrets revealed; its Lua is noted on the way."""
        match value:
            case HostFile() | Generated() | Age():
                return self.revealed[value]
            case Lua():
                origin, first = self.spec.origin(*way, "lua"), self.spec.marks.get((*way, "lua", 0))
                self.note(Fragment(text=value.lua, is_expression=True, origin=origin, first=first))
                return value
            case Mapping():
                return {key: self.prepared(item, (*way, key)) for key, item in value.items()}
            case tuple() | list():
                return tuple(self.prepared(item, (*way, place)) for place, item in enumerate(value))
            case _:
                return value

    def mistake(self, subject: str, text: str, origin: Mark | None) -> None:
        mark = origin or Mark(f"hosts/{self.spec.name}.yaml")
        self.mistakes.append(Mistake(mark=mark, subject=subject, text=text))

    def finished(self) -> MainFile:
        if self.mistakes:
            raise SpecError(self.mistakes)
        try:
            text = "".join(self.parts).encode()
        except UnicodeEncodeError:
            raise SpecError(
                [
                    Mistake(
                        mark=Mark(f"hosts/{self.spec.name}.yaml"),
                        text="Lua text is no UTF-8; write it as UTF-8",
                    )
                ]
            ) from None
        return MainFile(
            text=text,
            origins=tuple(self.origins),
            fragments=(*self.fragments, *included.fragments(self.spec)),
            starts=tuple(self.starts),
            pieces=self.pieces,
            secrets=tuple(self.revealed.values()),
            hidden=frozenset(self.hidden),
            is_beside_secret=included.holds_secret(self.spec),
        )
