"""`python -m agent`, and what the console script `prosodist` calls."""

from __future__ import annotations

import sys

from agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
