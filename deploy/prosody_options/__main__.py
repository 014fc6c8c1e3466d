"""Make the tables of Prosody's options in schemas/options/ anew from Prosody's sources.

    python deploy/prosody_options OUT 0.12 PROSODY MODULES 13.0 PROSODY MODULES

OUT: the directory to write to. Then three words a version, the oldest first. PROSODY: the `usr` of that version's
Debian package, unpacked. MODULES: the `usr` of the package prosody-modules of the same Debian release.
docs/prosody-options.md tells how to get them.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import byhand
import table
from lua import Source
from scan import scan

CHECK = "util/prosodyctl/check.lua"


def main(arguments: list[str]) -> int:
    """Write two tables a version; 1 when the sources hold what nobody has explained, 2 for wrong arguments."""
    out, *given = arguments or [""]
    if len(given) < 3 or len(given) % 3:
        sys.stderr.write(__doc__ or "")
        return 2
    triples = [given[at : at + 3] for at in range(0, len(given), 3)]
    own, others, tables, complaints = {}, {}, {}, []
    for version, prosody, modules in triples:
        library = Path(prosody, "lib/prosody")
        own[version], others[version] = scan(library, Path(prosody, "bin")), scan(Path(modules, "lib/prosody"))
        complaints += table.complain(own[version]) + table.complain(others[version])
        tables[version] = table.rows(own[version], own[version])
        table.correct(tables[version], version)
        table.deprecate(tables[version], Source((library / CHECK).read_text(), CHECK))
    if complaints:
        sys.stderr.write("\n".join(complaints) + "\n")
        return 1
    for earlier, later in pairwise(tables):
        table.compare(tables[earlier], tables[later], versions=(earlier, later))
    for version, made in tables.items():
        text = table.render(made, own[version].modules, byhand.MODULES.get(version, {}))
        Path(out, f"{version}.json").write_text(text)
        text = table.render(table.rows(others[version], own[version]), others[version].modules, {})
        Path(out, f"{version}-modules.json").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
