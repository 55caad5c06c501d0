"""Whether git would take a file, asked so that nothing of the repository can run.

A `.git/config` may name programs, as in `core.fsmonitor`, and so may a bare repository that lies in a directory like
other files: both come with an archive, the second with a clone. Source: git 2.39, `git help config` on
`safe.bareRepository`, `core.fsmonitor` and `core.hooksPath`; `git help git` on GIT_ALLOW_PROTOCOL.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Literal

from planodev import executables

if TYPE_CHECKING:
    from pathlib import Path

State = Literal["none", "ignored", "visible", "tracked"]

PATIENCE = 5.0  # seconds; it takes milliseconds
# `ls-files` and `check-ignore` run no filter, no hook and no pager. What is left is switched off: the program that
# watches files, a repository that is not called `.git`, and, by the variables, fetching what a partial clone lacks.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit", "-c", f"core.hooksPath={os.devnull}")
_VARIABLES = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}


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
    """Look for a repository without starting git, which costs milliseconds at every `up`.

    One that is bare comes first where git would take it, and is none: before 2.38 git knows no `safe.bareRepository`.
    """
    for parent in (directory, *directory.parents):
        if (parent / ".git").exists():
            return True
        if (parent / "HEAD").exists() and (parent / "objects").is_dir() and (parent / "refs").is_dir():
            return False
    return False


def _git(directory: Path, *arguments: str) -> int:
    program = executables.find("git")
    if program is None:
        return -1
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(
            [program, "-C", str(directory), "--no-pager", *_SAFE, *arguments],
            capture_output=True,
            check=False,
            env=variables | _VARIABLES,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return -1
