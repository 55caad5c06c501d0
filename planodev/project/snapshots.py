"""Copies of a project's conversations in the user's data directory: a dump each, and a file of what is known of it."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from planodev.problems import BadInput, Command, Conflict, Fix
from planodev.project import json_file, user_paths
from planodev.project.private_files import make_directory, write_atomically
from planodev.visible import visible

if TYPE_CHECKING:
    from pathlib import Path

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


class Snapshot(NamedTuple):
    """One copy.

    Args:
        name: what the user, or the time, has called it.
        created_at: in seconds since 1970.
        database: whose rows it has.
        rows: how many; None where that is not known, as of a dump that was put there by hand.
        bytes: of the dump.
        postgres_version: of the server that made it.

    """

    name: str
    created_at: int
    database: str
    rows: int | None
    bytes: int
    postgres_version: str


def root() -> Path:
    """Return the directory that has one for each project."""
    return user_paths.data() / "snapshots"


def directory(project_id: str) -> Path:
    """Return where a project's snapshots are."""
    return root() / project_id


def dump(project_id: str, name: str) -> Path:
    """Return the file of a snapshot's dump.

    Raises:
        BadInput: no file can have this name.

    """
    if not re.fullmatch(_NAME, name):
        why, fix = "letters, digits, `.`, `_` and `-` of ASCII, at most 64", "choose another name"
        raise BadInput("bad-snapshot-name", f"`{visible(name)}` is not a valid snapshot name", why=why, fix=fix)
    return directory(project_id) / f"{name}.dump"


def fresh(project_id: str, name: str | None) -> Path:
    """Return the file for a new snapshot, and make its directory; without a name it gets the time.

    Raises:
        BadInput: no file can have this name.
        Conflict: there is one of this name.

    """
    file = dump(project_id, name or time.strftime("%Y-%m-%d-%H%M%S"))
    if file.exists():
        fix = Fix(Command("snapshot", "delete", file.stem), ", or choose another name")
        raise Conflict("snapshot-exists", f"a snapshot `{file.stem}` already exists", fix=fix)
    make_directory(file.parent)
    return file


def note(file: Path, known: Snapshot) -> None:
    """Write what is known of a dump beside it."""
    write_atomically(file.with_suffix(".json"), (json.dumps(known._asdict(), indent=2) + "\n").encode(), 0o600)


def every(project_id: str) -> list[Snapshot]:
    """Return a project's snapshots, the newest first."""
    try:  # not `glob`, whose answer for a directory that may not be read differs by Python
        files = [*directory(project_id).iterdir()]
    except FileNotFoundError:
        files = []
    found = [_known(file) for file in files if file.suffix == ".dump" and re.fullmatch(_NAME, file.stem)]
    return sorted(found, key=lambda one: (one.created_at, one.name), reverse=True)


def kept(project_id: str) -> list[str]:
    """Return the names of the snapshots that stay when the data is deleted, none where they cannot be read."""
    with suppress(OSError):
        return [one.name for one in every(project_id)]
    return []


def _known(file: Path) -> Snapshot:
    state = file.stat()
    with suppress(PermissionError):
        noted = json_file.read(file.with_suffix(".json")) or {}
        known = json_file.of(Snapshot, {**noted, "name": file.stem, "bytes": state.st_size})
        if known:
            return known
    return Snapshot(file.stem, int(state.st_mtime), "?", None, state.st_size, "?")


def find(project_id: str, name: str | None) -> Snapshot:
    """Return a snapshot by its name, the newest where none is given.

    Raises:
        BadInput: there is none.

    """
    found = every(project_id)
    chosen = next((one for one in found if name in (None, one.name)), None)
    if chosen:
        return chosen
    save = Fix(Command("snapshot", "save"), " creates one")
    if not found or name is None:
        raise BadInput("snapshot-unknown", "this project has no snapshot", fix=save)
    names = [one.name for one in found]
    import difflib

    near = difflib.get_close_matches(name, names, 3, 0.4) or names[:5]
    why = "snapshots: " + ", ".join(f"`{one}`" for one in near)
    fix = Fix(Command("snapshot", "list"), " lists them all")
    raise BadInput("snapshot-unknown", f"there is no snapshot `{visible(name)}`", why=why, fix=fix)


def remove(project_id: str, name: str) -> None:
    """Remove a snapshot."""
    file = dump(project_id, name)
    file.unlink(missing_ok=True)
    file.with_suffix(".json").unlink(missing_ok=True)
