"""Whether git would take a file."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

State = Literal["none", "ignored", "visible", "tracked"]


def state(directory: Path, name: str) -> State:
    """Ask git about a file, which need not exist.

    Returns:
        `none` outside a repository or without git, `ignored`, `visible` (git would add it), `tracked`.

    """
    if not _inside(directory):
        return "none"
    if _git(directory, "ls-files", "--error-unmatch", "--", name) == 0:
        return "tracked"
    answer = _git(directory, "check-ignore", "-q", "--no-index", "--", name)
    return {0: "ignored", 1: "visible"}.get(answer, "none")  # type: ignore[return-value]


def _inside(directory: Path) -> bool:
    """Look for a repository without starting git, which costs milliseconds at every `up`."""
    return any((parent / ".git").exists() for parent in (directory, *directory.parents))


def _git(directory: Path, *arguments: str) -> int:
    try:
        return subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, check=False, stdin=subprocess.DEVNULL
        ).returncode
    except OSError:
        return -1
