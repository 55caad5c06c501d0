"""Records of which engine has a project's data, kept outside the engines: one that is down cannot be asked.

A record is a small file by the project's id in the user's state directory. Losing one loses no data: the engines
still know their own. It only shows that data exists in an engine that does not answer now.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from planodev.project import json_file, settings, user_paths
from planodev.project.identity import Owner, dotenv_of, is_same_directory, original_still_there, ownership
from planodev.project.private_files import make_directory, write_atomically

if TYPE_CHECKING:
    from planodev.project.identity import Project


_ENGINES = {"", *settings.ENGINES} - {settings.AUTO}


class Record(NamedTuple):
    """Where the data of a project is.

    Args:
        project: the project's id; with `path` and `inode` as in `planodev.project.Owner`.
        path: the directory.
        inode: its fingerprint.
        engine: `docker` or `embedded`; "" once the data was deleted.
        place: the volume, or the directory.
        moving_to: the engine that the data was on its way to when this was written, "" for none.
        remains: the engine where data is left that has moved away from there, "" for none.
        user: Plano's role, with `database` as `.env` had them last, "" where an older planodev wrote this.
        database: the one that has the conversations.

    """

    project: str
    path: str
    inode: str
    engine: str
    place: str
    moving_to: str = ""
    remains: str = ""
    user: str = ""
    database: str = ""

    @property
    def owner(self) -> Owner:
        """Whose the data is, as its labels would say it."""
        return Owner(self.project, self.path, self.inode)


class Records:
    """The records of all projects: read once in a run, when first needed, and kept in step with its own writes."""

    def find(self, project: Project, project_id: str | None) -> Record | None:
        """Return the record of a project, one with data before one of data that was deleted; None where there is none.

        Args:
            project: the directory.
            project_id: the id in its `.env`, if any.

        """
        ours = [record for record in self._written if _related(project, project_id, record) == "ours"]

        def weight(record: Record) -> tuple[bool, bool, float]:
            return bool(record.engine), record.project == project_id, self._written[record]

        return max(ours, key=weight, default=None)

    def id_of(self, project: Project, project_id: str | None) -> str | None:
        """Return the id under which a project's data is found: that of `.env`, else that of its record.

        Labels in the engine name the directory in which a project was when its database was created. Where that was
        renamed since and `.env` is lost, only the record still ties the two.
        """
        if project_id:
            return project_id
        known = self.find(project, None)
        return known.project if known else None

    def is_of_another(self, project: Project, project_id: str | None) -> bool:
        """Say whether an id belongs to another checkout, of which this one is a copy."""
        return project_id is not None and any(
            _related(project, project_id, record) == "copy" for record in self._written
        )

    def is_linked_by_another(self, project: Project, project_id: str | None) -> bool:
        """Say whether the file of a project is also that of another one with this id, which has a link to it."""
        other = next((Path(one.path) for one in self._written if one.project == project_id), project.path)
        with suppress(OSError):
            if other != project.path:
                link = other / dotenv_of(other)
                return link.is_symlink() and link.samefile(project.env_path)
        return False

    def directories(self) -> dict[str, str]:
        """Return the directories of all projects that have data, each with its fingerprint."""
        return {record.path: record.inode for record in self._written if record.engine}

    def every(self) -> list[Record]:
        """Return every record, those of deleted data included."""
        return list(self._written)

    def write(self, record: Record) -> None:
        """Write a record durably, where it is not there already; one that cannot be written is no reason to fail.

        It is the only one of its directory then: one of an older id would compete with it once `.env` is lost.
        """
        with suppress(OSError):
            if record not in self._written:
                file = path_of(record.project)
                make_directory(file.parent)
                write_atomically(file, (json.dumps(record._asdict(), indent=2) + "\n").encode(), 0o600)
                self._drop(record.project)
                self._written[record] = time.time()
            for other in self.every():
                same_directory = (other.path, other.inode) == (record.path, record.inode)
                if same_directory and other.project != record.project:
                    self.remove(other.project)

    def remove(self, project_id: str) -> None:
        """Remove a record; one that cannot be removed is no reason to fail."""
        with suppress(OSError):
            path_of(project_id).unlink(missing_ok=True)
            self._drop(project_id)

    def _drop(self, project_id: str) -> None:
        for record in [record for record in self._written if record.project == project_id]:
            del self._written[record]

    @cached_property
    def _written(self) -> dict[Record, float]:
        """Each record with the time of its writing, in seconds since the epoch."""
        try:
            files = sorted(_directory().glob("*.json"))
        except OSError:
            return {}
        found = {}
        for file in files:
            with suppress(OSError):  # another user's, or just removed
                if record := _load(file):
                    found[record] = file.stat().st_mtime
        return found


def still_there(owner: Owner) -> bool:
    """Say whether the directory in a database's labels still holds the project, by the record of where that went since.

    A project that was moved leaves its labels behind: what stands at the old path later is a copy of it, unless it is
    the very same directory, moved back.
    """
    if is_same_directory(owner):
        return True
    if not original_still_there(owner):
        return False
    record = None
    with suppress(OSError):
        record = _load(path_of(owner.project_id))
    return record is None or record.path == owner.path or not original_still_there(record.owner)


def _load(file: Path) -> Record | None:
    """Return the record in a file, None for what is none; raises OSError."""
    record = json_file.of(Record, json_file.read(file))
    return record if record and {record.engine, record.moving_to, record.remains} <= _ENGINES else None


def path_of(project_id: str) -> Path:
    """Return the file of a record."""
    return _directory() / f"{project_id}.json"


def _related(project: Project, project_id: str | None, record: Record) -> str:
    return ownership(project, project_id, record.owner, original_still_there)


def _directory() -> Path:
    return user_paths.state() / "projects"
