"""Make the tables of Prosody's options in schemas/options/ anew from Prosody's sources.

    python deploy/prosody_options OUT 0.12 PROSODY MODULES 13.0 PROSODY MODULES

OUT: the directory to write to. PROSODY: the `usr` of an unpacked Debian package of that version; MODULES: the `usr`
of the package prosody-modules of the same Debian release. docs/prosody-options.md tells how to get them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import byhand
import table
from lua import Source
from scan import scan

CHECK = "util/prosodyctl/check.lua"


def main(arguments: list[str]) -> int:
    """Write four tables; 1 when the sources hold what nobody has explained, 2 for wrong arguments."""
    if len(arguments) != 7:
        sys.stderr.write(__doc__ or "")
        return 2
    out, versions = Path(arguments[0]), (arguments[1], arguments[4])
    own, others, complaints = {}, {}, []
    for version, prosody, modules in (arguments[1:4], arguments[4:7]):
        library = Path(prosody, "lib/prosody")
        own[version], others[version] = scan(library, Path(prosody, "bin")), scan(Path(modules, "lib/prosody"))
        complaints += table.complain(own[version]) + table.complain(others[version])
    if complaints:
        sys.stderr.write("\n".join(complaints) + "\n")
        return 1
    tables = {version: table.rows(own[version], own[version]) for version in versions}
    for version, prosody in zip(versions, (arguments[2], arguments[5]), strict=True):
        table.correct(tables[version], version)
        table.deprecate(tables[version], Source(Path(prosody, "lib/prosody", CHECK).read_text(), CHECK))
    table.compare(*(tables[version] for version in versions), versions=versions)
    for version in versions:
        text = table.render(tables[version], own[version].modules, byhand.MODULES[version])
        (out / f"{version}.json").write_text(text)
        text = table.render(table.rows(others[version], own[version]), others[version].modules, {})
        (out / f"{version}-modules.json").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
