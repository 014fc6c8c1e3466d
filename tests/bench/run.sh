#!/bin/sh
# Measure what docs/performance.md tells, all of it or the rooms that are named: noop push edit idle command nothing load.
# By root, and alone: server, which boots Debian 12 and 13.
# PYTHON: an interpreter with the dependencies of pyproject.toml, which ordinary users may run, and without rich.
cd "$(dirname "$0")/../.." || exit 1
exec env PYTHONPATH="$PWD" "${PYTHON:-python3}" -m tests.bench "$@"
