"""Take over a database that somebody made by hand, as Plano's documentation shows it: data and credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.engines import Server
from planodev.postgres import connection
from planodev.problems import BadInput, Conflict
from planodev.project import credentials, env_file
from planodev.project.identity import Owner
from planodev.result import Outcome
from planodev.steps.image import OLDEST_MAJOR

if TYPE_CHECKING:
    from planodev.engines import Foreign
    from planodev.work import Work


def refuse_beside(work: Work) -> None:
    """Refuse to make an empty database beside one that may hold the conversations.

    Raises:
        Conflict: a Postgres that planodev did not make has the wanted name, and this project has none yet.

    """
    name = work.settings.name.value
    if work.observed.volume or work.observed.container or name not in work.observed.taken:
        return
    foreign = work.engine.foreign(name)
    if foreign:
        raise Conflict(
            "database-made-by-hand",
            f"the container `{name}` is a PostgreSQL {foreign.major} that planodev did not make",
            why="it may hold this project's conversations, and a second database beside it would be empty",
            fix=f"`planodev up --adopt` takes its data, user and password over; "
            f"`planodev up --name {name}-{work.project.slug}` makes a new one beside it",
        )


def interrupted(work: Work) -> Foreign | None:
    """Return the container whose take-over was begun and not ended, None where there is no such thing."""
    volume = work.observed.volume
    found = work.engine.foreign(volume.adopts) if volume and volume.adopts else None
    ours = work.observed.container
    return found if found and not ours and "-before-planodev-" not in found.name else None


def take_over(work: Work) -> bool:
    """Copy the data of a container made by hand into this project's volume, and its credentials into `.env`.

    Returns:
        Whether anything was done, or would be in a dry run; the project has to be looked at again then.

    Raises:
        Conflict: this project has data of its own already, or the data is of a version that does not fit.
        BadInput: there is nothing to take over.

    """
    name = work.settings.name.value
    begun = interrupted(work)
    foreign = begun or work.engine.foreign(name)
    if work.observed.volume and not begun:
        if foreign is None:
            return False  # done already
        raise Conflict(
            "adopt-beside-data",
            f"`{name}` was not taken over: this project has a database of its own",
            why=f"its data is in the volume `{work.observed.volume.name}`, and two databases cannot become one",
            fix="`planodev up` without `--adopt` keeps that one; `planodev down --delete-data` makes room",
        )
    if foreign is None:
        raise BadInput(
            "nothing-to-adopt",
            f"there is no container `{name}` to take over",
            why="it has to be there, made by somebody else than planodev, with the data of a PostgreSQL",
            fix="`docker ps -a` lists the containers; then `planodev up --adopt --name NAME`",
        )
    _check_version(work, foreign)
    _check_names(foreign)
    work.progress.begin(f"Taking over {foreign.name}")
    if work.dry_run:
        work.progress.done(Outcome("would be adopted", foreign.name, f"PostgreSQL {foreign.major}"))
        return True
    _write_credentials(work, foreign)
    volume = work.observed.volume.name if work.observed.volume else f"{foreign.name}-data"
    if not begun and volume in work.observed.taken:
        volume = f"{volume}-{work.project_id}"
    server = Server(
        name=foreign.name,
        volume=volume,
        image=foreign.image,
        port=foreign.port or work.settings.port.value,
        addresses=(),
        owner=Owner(work.project_id, str(work.project.path), work.project.inode),
        superuser=foreign.superuser,
        database=foreign.database,
        plano=work.mode,
        password=foreign.password or "",
    )
    size, kept = work.engine.adopt(foreign, server, work.settings.timeout.value)
    detail = f"{size / 1e6:.1f} MB copied; the old container is kept, stopped: `docker rm -v {kept}` removes it"
    work.progress.done(Outcome("adopted", foreign.name, detail))
    return True


def _check_version(work: Work, foreign: Foreign) -> None:
    asked = work.settings.image
    major = work.engine.image_major(asked.value) if asked.asked and work.engine.image_id(asked.value) else foreign.major
    if foreign.major < OLDEST_MAJOR or major != foreign.major:
        need = f"Plano needs {OLDEST_MAJOR} or newer" if foreign.major < OLDEST_MAJOR else f"`{asked.value}` is {major}"
        raise Conflict(
            "data-of-another-version",
            f"`{foreign.name}` has data of PostgreSQL {foreign.major}, {need}",
            why="PostgreSQL starts only over data of its own major version; nothing was changed",
            fix=f"`docker exec {foreign.name} pg_dumpall -U {foreign.superuser}` writes the data out",
        )


def _check_names(foreign: Foreign) -> None:
    for what, name in (("POSTGRES_USER", foreign.superuser), ("POSTGRES_DB", foreign.database)):
        if not credentials.is_usable_name(name):
            raise Conflict(
                "adopt-unusual-name",
                f"`{foreign.name}` was not taken over: its {what} is `{name}`",
                why="letters, digits, `_`, `.` and `-` work in SQL, URLs and `.env` alike; nothing was changed",
                fix=f"`docker exec {foreign.name} pg_dumpall -U '{foreign.superuser}'` writes the data out",
            )


def _write_credentials(work: Work, foreign: Foreign) -> None:
    """Give `.env` what it does not say itself; what it says leads, and the database will follow."""
    password = foreign.password or credentials.generate_password()
    found = {
        "DB_USER": foreign.superuser,
        "DB_PASS": connection.encode_password(password),
        "DB_PORT": str(foreign.port or work.settings.port.value),
        "DB_NAME": foreign.database,
    }
    missing = {key: value for key, value in found.items() if not work.env.values.get(key)}
    work.env.with_values(missing, work.project_id).write()
    work.env = env_file.load(work.env.path)
