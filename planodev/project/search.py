"""Which project a command is about: that of its directory, else the nearest one above, as git looks for its own.

It is asked before every command, so it reads files and asks no engine: a record says what the labels say there.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from planodev.problems import BadInput, Command, Fix, Problem
from planodev.project import env_file, env_keys, identity, records, regular_file, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.progress import Progress

_DATABASE = rf"(?m)^[ \t]*(?:export[ \t]+)?(?:{'|'.join(env_keys.ALL)})[ \t]*=".encode()


class Found(NamedTuple):
    """A project above a directory.

    Args:
        path: of the project.
        start: where the search began.
        own_files: whether there is a configuration of Plano, or an address of a database, in `start` itself.

    """

    path: Path
    start: Path
    own_files: bool

    def said(self) -> Problem:
        """Return what says where the project is."""
        return Problem("project-above", f"using the project in `{self.path}`, above this directory")

    def beside(self) -> Problem:
        """Return what to say where the directory was named, and nothing is searched for."""
        message = f"`{self.start}` is inside the project in `{self.path}`, but `-C` uses the named directory itself"
        return Problem("project-above", message, Fix(Command("status").within(self.path), " is about that project"))


def wants_second(found: Found, progress: Progress, *, yes: bool) -> bool:
    """Ask whether a database is to be created inside a project, in a directory with files for one.

    Args:
        found: the project.
        progress: who is asked.
        yes: whether nothing may be asked.

    Raises:
        BadInput: nobody can be asked.

    """
    question = f"`{found.start}` is inside the project in `{found.path}`. Create a second database here?"
    answer = None if yes else progress.confirm(question)
    if answer is None:
        raise BadInput(
            "project-above",
            f"this directory is inside the project in `{found.path}`, and has files of its own",
            why="a database created here would be a second one, without that project's conversations",
            fix=Fix(
                *(Command("up", "--here"), " creates a second one here; "),
                *(Command("up").within(found.path), " starts that project's"),
            ),
        )
    return answer


def above(start: Path) -> Found | None:
    """Return the nearest project above a directory that has none itself, None where there is none.

    Nothing is looked for above the root of a git repository (where `.git` is, a directory or, in a worktree or a
    submodule, a file), in the home directory or above it, in a directory of another owner, or on another file system.

    Args:
        start: a directory, resolved.

    """
    if next(_within(start), None) is None:
        return None  # so in the root of a repository: no file has to be read
    owner = start.stat().st_uid
    if _has_line_or_settings(start, owner):
        return None  # so nearly always: no record has to be read
    recorded = records.Records().directories()
    if _is_recorded(start, recorded):
        return None
    projects = (one for one in _within(start) if _has_line_or_settings(one, owner) or _is_recorded(one, recorded))
    path = next(projects, None)
    return Found(path, start, _own_files(start)) if path else None


def _within(start: Path) -> Iterator[Path]:
    """Yield the directories above one as far as a project is looked for, the nearest first."""
    state, home = start.stat(), _home()
    for below, directory in zip((start, *start.parents), start.parents, strict=False):
        if home in (below, directory) or (below / ".git").exists():
            return
        found = directory.stat()
        if (found.st_dev, found.st_uid) != (state.st_dev, state.st_uid):
            return
        yield directory


def _home() -> Path | None:
    with suppress(RuntimeError, OSError):
        return Path.home().resolve()
    return None


def _has_line_or_settings(directory: Path, owner: int) -> bool:
    """Say whether a directory has the project's line in `.env`, or `planodev.toml`.

    Args:
        directory: any.
        owner: whose these files have to be: where all may write, others could have left them.

    """
    env, own = directory / identity.dotenv_of(directory), directory / settings.FILE_NAME
    with suppress(OSError):
        if env.stat().st_uid == owner and env_file.id_in(_read(env).decode(errors="replace")):
            return True
    with suppress(OSError):
        return own.stat().st_uid == owner
    return False


def _is_recorded(directory: Path, recorded: dict[str, str]) -> bool:
    with suppress(BadInput):
        return str(directory) in recorded and recorded[str(directory)] == identity.at(directory).inode
    return False


def _own_files(directory: Path) -> bool:
    with suppress(OSError):
        if re.search(_DATABASE, _read(directory / identity.dotenv_of(directory))):
            return True
    from planodev.plano import config_file

    try:
        return bool(config_file.load(config_file.find(directory, "")).content)
    except BadInput as error:
        return error.code != "config-of-another-tool"


def _read(path: Path) -> bytes:
    return regular_file.read(path)
