"""Small notes about a project in the user's state directory: what can be lost without harm, and goes with the data."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from planodev.project import regular_file, user_paths
from planodev.project.private_files import make_directory, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ACCEPTED = "accepted"  # what planoai has last accepted, by the configuration's place
ASKED = "asked"  # the id of the last answer, by the project's number


def of_file(path: Path) -> str:
    """Return the name of a note about a file."""
    return hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]


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


def remove(number: str, configurations: Iterable[Path]) -> None:
    """Remove what was noted of a project, by its number and its configuration."""
    with suppress(OSError):
        _path(ASKED, number).unlink(missing_ok=True)
        for path in configurations:
            _path(ACCEPTED, of_file(path)).unlink(missing_ok=True)


def _path(kind: str, name: str) -> Path:
    return user_paths.state() / kind / name
