"""Real git repositories, made and pushed to by git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class GitRepository:
    """A bare repository and a work clone of it, on branch `main`."""

    def __init__(self, place: Path) -> None:
        self.bare, self.work = place / "repository.git", place / "work"
        self._git("init", "-q", "--bare", "-b", "main", str(self.bare), cwd=place)
        self._git("clone", "-q", str(self.bare), str(self.work), cwd=place)
        self._git("symbolic-ref", "HEAD", "refs/heads/main")

    def commit(self, files: dict[str, str | bytes | None], message: str = "Change") -> str:
        """Write these files, remove those that are None, commit all; the revision. Nothing is pushed."""
        for name, content in files.items():
            path = self.work / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self._git("add", "--all")
        self._git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def push(self, *arguments: str) -> str:
        """Push `main`; the revision."""
        self._git("push", "-q", *arguments, "origin", "main")
        return self.head()

    def head(self) -> str:
        """The full id of the work clone's newest commit."""
        return self._git("rev-parse", "HEAD")

    def reset(self, revision: str) -> None:
        """Go back to a commit, to rewrite what came after it."""
        self._git("reset", "-q", "--hard", revision)

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.bare.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ana",
            "GIT_AUTHOR_EMAIL": "ana@example.test",
            "GIT_COMMITTER_NAME": "Ana",
            "GIT_COMMITTER_EMAIL": "ana@example.test",
        }
        ran = subprocess.run(["git", *arguments], cwd=cwd or self.work, env=environment, capture_output=True, text=True)
        if ran.returncode:
            raise RuntimeError(f"git {' '.join(arguments)}: {ran.stderr.strip()}")
        return ran.stdout.strip()
