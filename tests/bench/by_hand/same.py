"""A plain Python that stays loads the document, renders, compares every file anew. Prints the median in ms."""

import os
import statistics
import sys
import time
from pathlib import Path

import yaml
from jinja2.sandbox import SandboxedEnvironment

repository, host, home = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
ENVIRONMENT = SandboxedEnvironment(keep_trailing_newline=True)


def compare() -> int:
    """How many files differ."""
    document = yaml.load((repository / f"hosts/{host}.yaml").read_bytes(), yaml.CSafeLoader)
    templates = {}
    differing = 0
    for name, entry in document["files"].items():
        path = name.replace("<home>", home)
        if "template" in entry:
            source = entry["template"]
            if source not in templates:
                templates[source] = ENVIRONMENT.from_string((repository / source).read_text())
            differing += Path(path).read_text() != templates[source].render(fqdn=host, **entry["vars"])
        elif "link" in entry:
            differing += os.readlink(path) != entry["link"].replace("<home>", home)
        else:
            differing += not Path(path).is_dir()
    return differing


spent = []
for _ in range(5):
    began = time.process_time()
    assert compare() == 0
    spent.append((time.process_time() - began) * 1000)
print(f"{statistics.median(spent):.1f}")
