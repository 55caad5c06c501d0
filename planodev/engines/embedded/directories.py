"""Where the embedded engine keeps a project's data, whose it is, and the user who runs the server.

A `DataDirectory` has the project's id for a name, and in it `labels.json` (what Docker has as labels), `data`
(PostgreSQL's own), `ready` (the mark that it was ready once), `password` (of the first role), `pgpass` (of the
superuser) and `server.log`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev.engines import LABEL_SCHEMA
from planodev.postgres import data_files
from planodev.problems import Conflict
from planodev.project import json_file, regular_file, user_paths
from planodev.project.private_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planodev.project.identity import Project

# A role name that `.env` cannot have, so that the server's superuser is never DB_USER.
SUPERUSER = "planodev+admin"
# Another such name: planodev logs in as this role, a member of Plano's, to act with Plano's rights and no others.
MEMBER = "planodev+member"
OF_ROOT = Path("/var/lib/planodev")


class Labels(NamedTuple):
    """What a data directory was made for; `project`, `path` and `inode` are the owner, `user` is the first role."""

    project: str
    path: str
    inode: str
    name: str
    user: str
    database: str
    version: str
    port: int
    schema: int = LABEL_SCHEMA


@dataclass(frozen=True)
class DataDirectory:
    """The directory of one project's database."""

    path: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's own directory."""
        return self.path / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.path / "server.log"

    @property
    def ready(self) -> Path:
        """The mark that a login has succeeded once."""
        return self.path / "ready"

    @property
    def was_ready(self) -> bool:
        """Whether it may hold conversations: by the mark, or by a user's table where the mark was lost.

        The mark can be lost, as by a backup that was brought back in part; a table is not made before it.
        """
        names = (file.name for file in self.data.glob("base/*/[1-9]*"))
        return self.ready.exists() or any(map(data_files.is_of_user, names))

    @property
    def password(self) -> Path:
        """The password that the first role was made with."""
        return self.path / "password"

    @property
    def pgpass(self) -> Path:
        """The passwords of planodev's own two roles, in the form that libpq reads."""
        return self.path / "pgpass"

    def major(self) -> str | None:
        """Return the major version of the data, None where there is none.

        Raises:
            PermissionError: it is another user's.

        """
        try:
            return regular_file.text(self.data / "PG_VERSION").strip()
        except PermissionError:
            raise
        except OSError:
            return None

    def labels(self) -> Labels | None:
        """Return what it was made for; None where that cannot be read, or was never written.

        Raises:
            PermissionError: it is another user's.

        """
        return json_file.of(Labels, json_file.read(self.path / "labels.json"))

    def label(self, labels: Labels) -> None:
        """Write what it is made for, in one step."""
        self.write("labels.json", json.dumps(labels._asdict(), indent=2) + "\n")

    def write(self, name: str, text: str) -> None:
        """Write a private file that belongs to whom the directory belongs to."""
        write_atomically(self.path / name, text.encode(), 0o600)

    @property
    def owner(self) -> tuple[int, int]:
        """The user id and group id of its owner, as whom the server runs."""
        found = self.path.stat()
        return found.st_uid, found.st_gid

    def sync(self) -> None:
        """Make what was written here durable, names included."""
        for path in (*(p for p in self.path.iterdir() if p.is_file()), self.path, self.path.parent):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@dataclass(frozen=True)
class Runner:
    """The user who runs the server: PostgreSQL refuses to be run by root."""

    uid: int
    gid: int
    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        """What `subprocess` takes to start a program as this user."""
        if os.geteuid():
            return {"umask": 0o077}
        return {"umask": 0o077, "user": self.uid, "group": self.gid, "extra_groups": []}


def root() -> Path:
    """Return where all data is: of root in `/var/lib`, which other users can enter, else the user's data directory."""
    from platformdirs import site_data_path

    if os.geteuid() or os.environ.get("XDG_DATA_HOME"):
        return user_paths.data()
    return OF_ROOT if sys.platform == "linux" else site_data_path("planodev")


def databases() -> Path:
    """Return the directory that has one for each project."""
    return root().resolve() / "postgres"


def all_directories() -> Iterator[DataDirectory]:
    """Yield the data directory of every project."""
    try:
        names = sorted(entry.name for entry in os.scandir(databases()))
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # what this user cannot read is not this user's
        return
    yield from (DataDirectory(databases() / name) for name in names if re.fullmatch("[0-9a-f]{16}", name))


def refuse_another_users(project_id: str | None, owner: int) -> None:
    """Refuse to make a second database where another user of this machine has this project's.

    Args:
        project_id: of the project.
        owner: the user who owns the project's directory.

    Raises:
        Conflict: root has it, and this is not root; or the user has it who called `sudo`, whom the project belongs to,
            or whose HOME this is.

    """
    if project_id is None or (databases() / project_id).exists():
        return
    for directory, name in _places_of_others(owner):
        if (directory / "postgres" / project_id).exists():
            raise Conflict(
                "data-of-another-user",
                f"this project's data belongs to the planodev of {name}",
                why=f"it is in `{directory / 'postgres' / project_id}`, and a second database would be empty",
                fix="run planodev with `sudo`" if os.geteuid() else f"run planodev as {name}, without `sudo`",
            )


def _places_of_others(owner: int) -> list[tuple[Path, str]]:
    """Return where other users' data would be, each with the user's name."""
    if os.geteuid():
        return [(OF_ROOT, "root")]
    people = (_caller(), _person(owner))
    homes = {Path(person.pw_dir): person.pw_name for person in people if person and person.pw_uid}
    kept = Path(os.environ.get("HOME", ""))  # as `sudo` leaves it, or `su`
    if kept.is_absolute() and kept.is_dir() and kept.stat().st_uid:
        homes.setdefault(kept, _name_of(kept.stat().st_uid))
    return [(home / ".local/share/planodev", name) for home, name in homes.items()]


def runner(project: Project, directory: DataDirectory | None) -> Runner:
    """Return the user who runs the server.

    It is this user. For root it is whoever owns the data, else whoever called `sudo`, else the owner of the project,
    else `postgres` or `nobody`. A user without a name, such as the owner of what is mounted into a container, is none:
    `initdb` refuses it.
    """
    import pwd

    if os.geteuid():
        return Runner(os.geteuid(), os.getegid(), _name_of(os.geteuid()))
    if directory:
        owner = directory.path.stat()
        return Runner(owner.st_uid, owner.st_gid, _name_of(owner.st_uid))
    caller = _caller()
    if caller:
        return Runner(caller.pw_uid, caller.pw_gid, caller.pw_name)
    owner = project.path.stat()
    if owner.st_uid and _person(owner.st_uid):
        return Runner(owner.st_uid, owner.st_gid, _name_of(owner.st_uid))
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Runner(found.pw_uid, found.pw_gid, name)
    return Runner(65534, 65534, "user 65534")


def owner_of(directory: DataDirectory) -> str:
    """Return the name of the user whom a data directory belongs to."""
    return _name_of(directory.path.stat().st_uid)


def _caller() -> Any:  # noqa: ANN401  pwd.struct_passwd, which mypy does not know on every system
    """Return the user who called `sudo`, None where this is not root, or was root all along."""
    number = os.environ.get("SUDO_UID", "")
    return None if os.geteuid() or not number.isdigit() or number == "0" else _person(int(number))


def _person(uid: int) -> Any:  # noqa: ANN401  as above
    """Return a user, None for one without a name."""
    import pwd

    with suppress(KeyError, OverflowError):
        return pwd.getpwuid(uid)
    return None


def has_name(uid: int) -> bool:
    """Say whether the system knows a name for a user's number, without which `initdb` ends."""
    return _person(uid) is not None


def _name_of(uid: int) -> str:
    person = _person(uid)
    return str(person.pw_name) if person else f"user {uid}"
