"""The user's project: its directory, and which database in the engine belongs to it.

Identity is a random id in `.env`, repeated in the labels of the container and the volume together
with the directory they were made for. So a moved project finds its data, and a copy does not share it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from planodev.problems import BadInput, Fix, Shell
from planodev.project import env_file

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG_NAMES = ("config.yaml", "plano_config.yaml")


class Project(NamedTuple):
    """A directory that holds, or will hold, `.env` and `config.yaml`.

    Args:
        path: the directory.
        inode: its fingerprint.
        dotenv: the name of the file with the database's address: `.env`, or planodev's own in its place.

    """

    path: Path
    inode: str
    dotenv: str = env_file.NAME

    @property
    def env_path(self) -> Path:
        """Return where the file with the database's address is."""
        return self.path / self.dotenv

    @property
    def keys_path(self) -> Path:
        """Return where the provider keys are: planoai reads no other file."""
        return self.path / env_file.NAME

    @property
    def slug(self) -> str:
        """Return the directory's name in the form that container names take, at most 40 characters."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.path.name.lower()).strip("-")[:40].strip("-")
        return slug or "project"


def at(directory: Path) -> Project:
    """Return the project in a directory.

    Raises:
        BadInput: there is no such directory.

    """
    try:
        path = directory.resolve(strict=True)
        stat = path.stat()
    except OSError as error:
        if not directory.parts:  # it is `.`
            gone = "the current directory was deleted"
            raise BadInput("no-directory", gone, why=error.strerror, fix="`cd` into one that exists") from error
        raise BadInput(
            "no-directory",
            f"`{directory}` does not exist",
            why=error.strerror,
            fix=Fix(Shell("mkdir -p {}", directory)),
        ) from error
    _refuse_encoding(path)
    if not path.is_dir():
        raise BadInput("no-directory", f"`{directory}` is not a directory", fix="name a directory with `-C`")
    return Project(path, _fingerprint(path, stat), dotenv_of(path))


def _refuse_encoding(path: Path) -> None:
    name = os.fsencode(path)
    try:
        name.decode()
        str(path).encode()
    except UnicodeDecodeError as error:
        said = f"the name `{name.decode(errors='replace')}` is not UTF-8"
        raise BadInput("no-directory", said, why="engines accept only UTF-8", fix="rename it") from error
    except UnicodeEncodeError as error:
        said = f"the directory name `{name.decode()}` cannot be encoded in this shell's locale"
        why = "the locale is not UTF-8, and engines accept only UTF-8"
        raise BadInput("no-directory", said, why=why, fix="`export PYTHONUTF8=1`") from error


def dotenv_of(directory: Path) -> str:
    """Return the name of the file with the database's address: one that says so itself, else `.env`."""
    with suppress(OSError), os.scandir(directory) as entries:
        names = [entry.name for entry in entries if env_file.can_be_named(entry.name)]
        own = (name for name in sorted(names) if name != env_file.NAME and env_file.is_marked(directory / name))
        return next(own, env_file.NAME)
    return env_file.NAME


def _fingerprint(path: Path, stat: os.stat_result) -> str:
    """Return what distinguishes this directory from an earlier one at the same path.

    Systems hand the number of a removed directory to the next one, so a checkout also counts by the moment it
    was made: git writes `.git/description` (in a worktree the file `.git`) once and never again.
    """
    born = ""
    for mark in (path / ".git" / "description", path / ".git"):
        if mark.is_file():
            born = str(mark.stat().st_mtime_ns)
            break
    return f"{stat.st_dev}:{stat.st_ino}:{born}"


def check_writable(project: Project) -> None:
    """Check that the project's files can be written, before a database is created.

    Raises:
        BadInput: the directory is read-only for this user.

    """
    if not os.access(project.path, os.W_OK):
        raise BadInput(
            "directory-unwritable",
            f"`{project.path}` cannot be written",
            why="`.env` and the configuration belong there",
            fix=Fix(Shell("chmod u+w {}", project.path), ", or run planodev as its owner"),
        )


def new_id() -> str:
    """Return 16 random hexadecimal digits."""
    return os.urandom(8).hex()


class Owner(NamedTuple):
    """Whose a database is, as its labels say: `project_id`, and the directory at that time."""

    project_id: str
    path: str
    inode: str


Ownership = Literal["ours", "copy", "namesake", "other"]


def ownership(
    project: Project, project_id: str | None, owner: Owner, still_there: Callable[[Owner], bool]
) -> Ownership:
    """Decide whether a labelled database belongs to this project; pure but for `still_there`.

    Args:
        project: where we are.
        project_id: the id in this project's `.env`, if any.
        owner: what the database's labels say.
        still_there: says whether the owner's directory still holds that same project.

    Returns:
        `ours`; `copy` (same id, but the original is still where it was); `namesake` (same path, but
        another checkout stood there then, and nothing ties this one to the data); `other`.

    """
    same_path = str(project.path) == owner.path
    if project_id == owner.project_id:
        # The project was moved or renamed, unless the directory in the labels still has it: then this is a copy.
        return "ours" if same_path or not still_there(owner) else "copy"
    if not same_path:
        # Perhaps moved, and `.env` is lost: only the fingerprint of a git checkout is unique.
        moved = project_id is None and project.inode == owner.inode and not owner.inode.endswith(":")
        return "ours" if moved and not still_there(owner) else "other"
    # `.env` has no id, or another one: in the same directory it was deleted or replaced; another directory is a new
    # checkout in the place of the old one.
    return "ours" if project.inode == owner.inode else "namesake"


def original_still_there(owner: Owner) -> bool:
    """Say whether the directory in the labels still holds the project: it is the same one, or has that id."""
    if is_same_directory(owner):
        return True  # whatever became of its `.env`
    path = Path(owner.path)
    with suppress(OSError, ValueError, BadInput):  # nothing is there, or no `.env` that can be read
        return env_file.load(path / dotenv_of(path)).project_id == owner.project_id
    return False


def is_same_directory(owner: Owner) -> bool:
    """Say whether the directory in the labels is the one that stood there then, whatever is in it."""
    try:
        return _fingerprint(Path(owner.path), os.stat(owner.path)) == owner.inode  # noqa: PTH116
    except (OSError, ValueError):
        return False
