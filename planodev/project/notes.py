"""Small files about a project in the user's directories, which can be lost without harm; deleted with the data."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from planodev.problems import BadInput
from planodev.project import regular_file, user_paths
from planodev.project.private_files import make_directory, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ANSWERED = "accepted"  # what planoai last said of a configuration, by its path: a stamp of it, and why it refuses it
ASKED = "asked"  # the id of the last answer to `ask`, by the project's id


def of_file(path: Path) -> str:
    """Return the name of a note about a file."""
    return user_paths.short_name(path.resolve())


def read(kind: str, name: str) -> str | None:
    """Return a note, None where there is none that can be read."""
    with suppress(OSError, ValueError):
        return regular_file.text(_path(kind, name))
    return None


def write(kind: str, name: str, text: str) -> None:
    """Write a note; one that cannot be written is no reason to fail."""
    with suppress(OSError):
        path = _path(kind, name)
        make_directory(path.parent)
        write_atomically(path, text.encode(), 0o600)


def page(directory: Path) -> Path:
    """Return where the page of a project's conversations is written that is only to be looked at."""
    return user_paths.cache() / "pages" / f"{user_paths.short_name(directory)}.html"


def remove_page(directory: Path) -> None:
    """Remove that page: it shows what was deleted."""
    with suppress(OSError, BadInput):  # without a directory for it there is no page
        page(directory).unlink(missing_ok=True)


def remove(project_id: str, directory: Path, configurations: Iterable[Path]) -> None:
    """Remove what was noted of a project, by its id, its directory and its configuration."""
    remove_page(directory)
    with suppress(OSError):
        _path(ASKED, project_id).unlink(missing_ok=True)
        for path in configurations:
            _path(ANSWERED, of_file(path)).unlink(missing_ok=True)


def _path(kind: str, name: str) -> Path:
    return user_paths.state() / kind / name
