"""Ask git whether it ignores a file, without running anything that the repository configures.

A `.git/config` may name programs, as in `core.fsmonitor`, and so may a bare repository that lies in a directory like
other files: both come with an archive, the second with a clone. Source: git 2.39, `git help config` on
`safe.bareRepository`, `core.fsmonitor` and `core.hooksPath`; `git help git` on GIT_ALLOW_PROTOCOL.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from planodev import executables
from planodev.problems import Fix, Problem, Shell
from planodev.visible import visible

if TYPE_CHECKING:
    from pathlib import Path

State = Literal["none", "ignored", "visible", "tracked", "encrypted", "unknown"]

PATIENCE = 5.0  # seconds; git takes milliseconds
# `ls-files` and `check-ignore` run no filter, hook or pager. What else could run a program is switched off: the file
# system monitor, bare repositories in a directory, and, by the variables, fetches of a partial clone.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit", "-c", f"core.hooksPath={os.devnull}")
_VARIABLES = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
_EXCLUDE = 'echo {0} >> "$(git -C {1} rev-parse --path-format=absolute --git-path info/exclude)"'
# Filters of gitattributes(5) that encrypt: git-crypt, transcrypt, git-agecrypt, and SOPS under its own name.
_ENCRYPTS = r"(?s).*: filter: (?:git-crypt|crypt|git-agecrypt|sops)\b.*"
_DUBIOUS = "dubious ownership"  # source: git 2.35.2, `setup.c`


@dataclass(frozen=True)
class Answer:
    """What git does with a file.

    Args:
        state: `none` outside a repository, `ignored`, `visible` (git would add it), `tracked`, `encrypted` (so it is
            tracked), `unknown`.
        why: it is not known.
        fix: what has git answer.

    """

    state: State
    why: str = ""
    fix: Fix | str = ""


def names_of(path: Path) -> list[str]:
    """Return what git has to ignore, from the file's directory: the file, and in its checkout what it is a link to."""
    target = path.resolve()
    linked = path.is_symlink() and target.is_relative_to(_root(path.parent) or path.parent)
    return [path.name, *([os.path.relpath(target, path.parent)] if linked else [])]


def is_outside(name: str) -> bool:
    """Say whether a name leads out of the directory, whose `.gitignore` has no effect there."""
    return PurePath(name).parts[0] == os.pardir


def ask(directory: Path, name: str) -> Answer:
    """Ask git about a file, which need not exist."""
    root = _root(directory)
    if root is None:
        return Answer("none")
    code, _ = _git(directory, "ls-files", "--error-unmatch", "--", name)
    if code == 0:
        _, said = _git(directory, "check-attr", "filter", "--", name)
        return Answer("encrypted" if re.fullmatch(_ENCRYPTS, said) else "tracked")
    code, said = _git(directory, "check-ignore", "-q", "--no-index", "--", name)
    if code in (0, 1):
        return Answer("ignored" if code == 0 else "visible")
    if _DUBIOUS in said:
        trust = Fix(Shell("git config --global --add safe.directory {}", root), " trusts it")
        return Answer("unknown", "git refuses a repository that belongs to another user", trust)
    if code == _ABSENT:
        return Answer("unknown", "git is not installed here", "install git, or check where it is installed")
    why = visible(" ".join(said.split())[-200:]) or "git does not answer"
    return Answer("unknown", why, Fix(Shell("git -C {} status", directory), " shows the same"))


_ABSENT, _TIMED_OUT = -1000, -1001  # in place of an exit code
_silent: set[Path] = set()  # directories in which git did not answer; a command asks several times, and waits once


def problem(directory: Path, name: str, answer: Answer) -> Problem | None:
    """Return what is wrong with a file for which git answers so; None where it is ignored, or there is no repository.

    Args:
        directory: the file is in.
        name: of the file, which holds secrets.
        answer: as `ask` gives it.

    """
    if answer.state == "tracked":
        message = f"`{name}` is tracked by git: its secrets will be in the repository"
        fix = Fix(Shell("git rm -f --cached {0} && git commit -m {1}", name, f"Stop tracking {name}"))
        return Problem("env-file-tracked", message, fix)
    if answer.state == "unknown":
        message = f"whether git ignores `{name}` is not known: {answer.why}"
        return Problem("env-file-not-checked", message, answer.fix, answer.why)
    if answer.state == "visible":
        rules = directory / ".gitignore"
        why = "another rule includes it again"
        if is_outside(name):
            why = "it is outside the project, whose `.gitignore` has no effect there"
        elif rules.is_symlink():
            why = "`.gitignore` is a link, and git does not follow it"
        elif rules.is_dir():
            why = "`.gitignore` is a directory"
        message = f"git does not ignore `{name}`, and would add its secrets: {why}"
        return Problem("env-file-not-ignored", message, Fix(Shell(_EXCLUDE, PurePath(name).name, directory)), why)
    return None


def _root(directory: Path) -> Path | None:
    """Return the root of the repository, found without starting git, which costs milliseconds at every `up`.

    One that is bare comes first where git would take it, and is none: before 2.38 git knows no `safe.bareRepository`.
    """
    for parent in (directory, *directory.parents):
        if (parent / ".git").exists():
            return parent
        if (parent / "HEAD").exists() and (parent / "objects").is_dir() and (parent / "refs").is_dir():
            return None
    return None


def _git(directory: Path, *arguments: str) -> tuple[int, str]:
    """Return git's exit code and what it says; `_ABSENT` where there is none."""
    program = executables.find("git")
    if program is None:
        return _ABSENT, ""
    late = _TIMED_OUT, f"git did not answer within {PATIENCE:g} seconds"
    if directory in _silent:
        return late
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            [program, "-C", str(directory), "--no-pager", *_SAFE, *arguments],
            capture_output=True,
            check=False,
            env=variables | _VARIABLES,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        _silent.add(directory)
        return late
    except OSError as error:
        return _TIMED_OUT, str(error.strerror)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")
