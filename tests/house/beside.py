"""`python beside.py PROSODY VERB ...`: the agent, on a host whose Prosody is this one and not the system's."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).parents[2]))

from agent.cli import main
from reconcilers import installation

installation.CANDIDATES = (PurePosixPath(sys.argv.pop(1)),)
sys.exit(main())
