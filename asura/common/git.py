"""What git says of files, where it is there and answers."""

import subprocess
from pathlib import Path
from typing import Any

SECONDS = 10
"""Time that git is given; a file system may be slow."""


def git(folder: Path, *arguments: str) -> str | None:
    """What git prints in a folder; None where it fails."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit_of(folder: Path, tracked: str, path: str = ".") -> dict[str, Any]:
    """The commit of a checkout, and whether a path in it is as it is there; null where a file is not tracked by one."""
    if git(folder, "ls-files", "--error-unmatch", tracked) is None:  # whatever checkout stands around it
        return {"commit": None, "clean": None}
    commit, changes = git(folder, "rev-parse", "HEAD"), git(folder, "status", "--porcelain", "--", path)
    return {"commit": commit, "clean": None if changes is None else not changes}
