"""What was scanned, and what is known besides → a table of one version's options."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import byhand
from deprecated import deprecations
from lua import Source
from scan import Read, Scanned, Service

Row = dict[str, Any]

_LONGEST_DEFAULT = 72
"""Characters; what computes more than this says little."""


def complain(scanned: Scanned) -> list[str]:
    """What the hand-made list does not know yet, or no longer needs."""
    found = {f"{computed.file}: {computed.expression}": computed for computed in scanned.computed}
    return [
        f"{computed.file}:{computed.line}: an option is read by the name {computed.expression}; explain it in byhand.py"
        for name, computed in found.items()
        if name not in byhand.COMPUTED
    ]


def rows(scanned: Scanned, prosody: Scanned) -> dict[str, Row]:
    """The options that one tree reads; `prosody` is Prosody's own, whose getters and mod_cron serve both."""
    by_name: dict[str, list[Read]] = {}
    for read in (*scanned.reads, *_made_of_services(scanned.services), *_made_of_tasks(scanned, prosody)):
        by_name.setdefault(read.option, []).append(read)
    made = {name: _row(reads, scanned.components) for name, reads in by_name.items()}
    if not prosody.heeds_bounds:
        made = {name: {**row, "least": None, "most": None} for name, row in made.items()}
    return made


def correct(made: dict[str, Row], version: str) -> None:
    """Bring in what is known by hand of this version."""
    for known in byhand.OPTIONS:
        if known.only in ("", version):
            _correct(made, known)


def deprecate(made: dict[str, Row], check: Source) -> None:
    """Mark what `prosodyctl check config` calls deprecated or obsolete; what nobody reads any more is gone."""
    for name, instead in deprecations(check):
        row = made.setdefault(name, {"type": "any", "scope": "any", "read": []})
        row["deprecated" if row["read"] else "gone"] = True
        row["instead"] = byhand.INSTEAD.get(name, instead)
    for name, row in made.items():
        if (name == "interface" or name.endswith("_interface")) and "instead" not in row:
            row.update({"deprecated": True, "instead": f"{name}s"})  # core/portmanager.lua: COMPAT w/pre-0.9


def compare(earlier: dict[str, Row], later: dict[str, Row], *, versions: tuple[str, str]) -> None:
    """Tell of each option since when it is there and until when it was."""
    for name, row in earlier.items():
        if not row.get("gone") and (name not in later or later[name].get("gone")):
            row["until"] = versions[0]
            row.setdefault("instead", later.get(name, {}).get("instead") or byhand.INSTEAD.get(name, ""))
    for name, row in later.items():
        if not row.get("gone") and (name not in earlier or earlier[name].get("gone")):
            row["since"] = versions[1]


def render(made: Mapping[str, Row], modules: Iterable[str], replaced: Mapping[str, str]) -> str:
    """The table as JSON, a line for each option, so that a change reads well."""
    lines = [
        f"    {json.dumps(name)}: {json.dumps(_tidy(row), ensure_ascii=False)}" for name, row in sorted(made.items())
    ]
    named = [f"    {json.dumps(name)}: {json.dumps(value)}" for name, value in _modules(modules, replaced)]
    return '{\n  "options": {\n' + ",\n".join(lines) + '\n  },\n  "modules": {\n' + ",\n".join(named) + "\n  }\n}\n"


def _modules(modules: Iterable[str], replaced: Mapping[str, str]) -> Iterator[tuple[str, Row]]:
    for name in modules:
        yield name, {"deprecated": True, "instead": replaced[name]} if name in replaced else {}


def _row(reads: list[Read], components: frozenset[str]) -> Row:
    """One option out of all places that read it; prosodyctl only looks at what others obey."""
    telling = [read for read in reads if read.reader != "prosodyctl"] or reads
    telling.sort(key=lambda read: (read.kind == "any", not read.option.startswith(read.reader)))
    kinds = [read.kind for read in telling if read.kind != "any"] or ["any"]
    scopes = {"component" if read.scope == "any" and read.reader in components else read.scope for read in telling}
    return {
        "type": "|".join(dict.fromkeys(kinds)),
        "choices": list(dict.fromkeys(_plain(choice) for read in telling for choice in read.choices)),
        "least": max((read.least for read in telling if read.least is not None), default=None),
        "most": min((read.most for read in telling if read.most is not None), default=None),
        "scope": scopes.pop() if len(scopes) == 1 else "any",
        "default": next((read.default for read in telling if read.default), ""),
        "read": list(dict.fromkeys(read.reader for read in reads)),
    }


def _correct(made: dict[str, Row], known: byhand.Known) -> None:
    file = Path(known.source.partition(":")[0])
    reader = file.stem.removeprefix("mod_") if file.parts[0] == "modules" else ".".join(file.with_suffix("").parts[-2:])
    row = made.setdefault(known.option, {"type": known.kind, "scope": "any", "default": "", "read": [reader]})
    row["type"] = known.kind or row["type"]
    row["scope"] = known.scope or row["scope"]
    row["choices"] = list(known.choices) or row.get("choices")
    row["default"] = known.default or row["default"]


def _made_of_services(services: Iterable[Service]) -> Iterator[Read]:
    """core/portmanager.lua:94-103, 250-251 and core/certmanager.lua:178 make options of each service's name."""
    for service in services:
        made = [
            (f"{service.prefix}ports", "list", "global", service.ports),
            (f"{service.prefix}interfaces", "list", "global", ""),
            (f"{service.prefix}interface", "list", "global", ""),
        ]
        if service.tls:
            made += [
                (f"{service.prefix}ssl", "table", "any", ""),
                (f"{service.name}_certificate", "string|table", "global", ""),
                (f"{service.name}_host", "string", "any", ""),
            ]
        for option, kind, scope, default in made:
            yield Read(option=option, reader=service.reader, kind=kind, scope=scope, default=default)


def _made_of_tasks(scanned: Scanned, prosody: Scanned) -> Iterator[Read]:
    """modules/mod_cron.lua:28, in versions that have it: a period for each task."""
    if any(computed.file == "modules/mod_cron.lua" for computed in prosody.computed):
        for module, task in scanned.tasks:
            yield Read(option=f"{module}_{task}_period", reader=module, kind="period", scope="any")


def _plain(choice: str) -> str | bool:
    return choice == "true" if choice in ("true", "false") else choice


def _tidy(row: Row) -> Row:
    """The fields that say something, always in the same order."""
    row = dict(row)
    if len(row.get("default", "")) > _LONGEST_DEFAULT:
        row["default"] = "computed"
    for bound in ("least", "most"):
        if row.get(bound) is not None and row[bound] == int(row[bound]):
            row[bound] = int(row[bound])
    order = ("type", "choices", "least", "most", "scope", "default", "read", "since", "until", "deprecated", "gone")
    return {key: row[key] for key in (*order, "instead") if row.get(key) not in (None, "", [])}
