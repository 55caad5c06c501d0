"""Adopt a database created by hand, as Plano's documentation shows it: data and credentials."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from planodev.decide import refuse_beside
from planodev.engines import Server, server_name
from planodev.look import look
from planodev.postgres import connection
from planodev.postgres.server_facts import OLDEST_MAJOR
from planodev.problems import BadInput, Command, Conflict, Fix, Shell
from planodev.project import credentials, defaults, env_keys
from planodev.result import Outcome
from planodev.steps.server import volume_name

if TYPE_CHECKING:
    from planodev.engines import Volume
    from planodev.engines.docker.adopt import Foreign
    from planodev.look import Seen

_DUMP = "docker exec {} pg_dumpall -U {}"


def wanted(seen: Seen) -> Foreign | None:
    """Return the container whose data is to be copied, None where there is nothing to adopt.

    Raises:
        Conflict: this project has data of its own already; the data is of a version that does not fit; or a Postgres
            that planodev did not create has the wanted name, and nobody said what to do with it.
        BadInput: there is nothing to adopt.

    """
    name, volume = seen.settings.name.value, seen.observed.volume
    begun = interrupted(seen)
    if not seen.context.options.get("adopt") and not begun:
        if not volume and not seen.observed.container and name in seen.observed.taken:
            refuse_beside(seen, _found(seen, name))
        return None
    foreign = begun or _found(seen, name)
    if volume and not begun:
        if foreign is None:
            return None  # done already
        raise Conflict(
            "adopt-beside-data",
            f"`{name}` was not adopted: this project has its own database",
            why=f"its data is in the volume `{volume.name}`, and two databases cannot become one",
            fix=Fix(
                *(Command("up", "--name", _own_name(seen, volume)), " keeps that one; "),
                *(Command("down", "--delete-data"), " makes room"),
            ),
        )
    if foreign is None:
        _refuse(seen, name)
    if foreign.fault:
        raise _not_possible(seen, foreign.name, foreign.superuser, foreign.fault)
    if foreign.other_server:
        raise Conflict(
            "data-in-use",
            f"the container `{foreign.other_server}` runs PostgreSQL over the data of `{foreign.name}`",
            why="a copy of data that is being written cannot be relied on; nothing was changed",
            fix=Fix(Command("up", "--adopt", "--name", foreign.other_server), " adopts that one"),
        )
    _check_version(seen, foreign)
    _check_names(seen, foreign)
    return foreign


def _refuse(seen: Seen, name: str) -> NoReturn:
    """Raise why there is nothing to adopt under a name."""
    from planodev.engines.docker import adopt

    there = adopt.unfit(seen.engine, name)
    if there and there.superuser:
        raise _not_possible(seen, there.name, there.superuser, there.why)
    listed = Fix("`docker ps -a` lists the containers; then ", Command("up", "--adopt", "--name", "NAME"))
    if there is None:
        why = "it has to exist, hold the data of a PostgreSQL, and not be planodev's"
        raise BadInput("nothing-to-adopt", f"there is no container `{name}` to adopt", why=why, fix=listed)
    raise BadInput(
        "nothing-to-adopt",
        f"the container `{there.name}` has nothing to adopt",
        why=f"{there.why}; nothing was changed",
        fix=_separate(seen, there.name) + "; or, for another container, " + listed,
    )


def _not_possible(seen: Seen, name: str, superuser: str, why: str) -> Conflict:
    return Conflict(
        "adopt-not-possible",
        f"`{name}` was not adopted: its data cannot be copied as a whole",
        why=f"{why}; nothing was changed",
        fix=_dump(seen, name, superuser),
    )


def _own_name(seen: Seen, volume: Volume) -> str:
    """Return the name of the project's own container, which may be gone: its volume is called after it."""
    have = seen.observed.container
    return have.name if have else volume.name.removesuffix(f"-{seen.project_id}").removesuffix("-data")


def interrupted(seen: Seen) -> Foreign | None:
    """Return the container whose adoption was begun and not ended, None where there is no such thing."""
    volume = seen.observed.volume
    found = _found(seen, volume.adopts) if volume and volume.adopts else None
    return found if found and not seen.observed.container and "-before-planodev-" not in found.name else None


def _found(seen: Seen, name: str) -> Foreign | None:
    from planodev.engines.docker import adopt

    return adopt.find(seen.engine, name)


def take_over(seen: Seen) -> tuple[Seen, str]:
    """Copy the data of a container created by hand into this project's volume, and its credentials into `.env`.

    Returns:
        The project as it is then, and the name of the container that keeps the old data, "" where there was none.

    Raises:
        PlanodevError: see `wanted`.

    """
    foreign = wanted(seen)
    if foreign is None:
        return seen, ""
    seen.progress.begin(f"Adopting {foreign.name}")
    _write_credentials(seen, foreign)
    server = Server(
        name=foreign.name,
        volume=volume_name(seen, foreign.name),
        image=foreign.image,
        port=foreign.port or seen.settings.port.value,
        addresses=(),
        owner=seen.owner,
        superuser=foreign.superuser,
        database=foreign.database,
        plano=seen.mode,
        password=foreign.password or "",
    )
    from planodev.engines.docker import adopt

    adopted = adopt.take_over(seen.engine, foreign, server, defaults.STOP_LIMIT)
    detail = f"{adopted.bytes / 1e6:.1f} MB copied; the old container is kept, stopped, as `{adopted.aside}`"
    seen.progress.done(Outcome("adopted", foreign.name, detail))
    if adopted.tightened:
        seen.progress.note("the old pg_hba.conf let anyone in without a password; the copy requires it, by SCRAM")
    seen.deadline.restart()
    options = {**seen.context.options, "adopt": None}
    return look(replace(seen.context, options=options), seen.engine, deadline=seen.deadline), adopted.aside


def _dump(seen: Seen, name: str, superuser: str) -> Fix:
    """Return the fix for data that is not copied: what writes it out, and what makes a database beside it."""
    return Fix(Shell(_DUMP, name, superuser), " writes the data out; ") + _separate(seen, name)


def _separate(seen: Seen, name: str) -> Fix:
    other = server_name.other(name, seen.project.slug, seen.project_id, seen.observed.taken)
    return Fix(Command("up", "--name", other), " creates a separate database")


def _check_version(seen: Seen, foreign: Foreign) -> None:
    asked = seen.settings.image
    image = seen.engine.image(asked.value, look_into=True) if asked.asked else None
    major = image.major if image else foreign.major
    if foreign.major < OLDEST_MAJOR or major != foreign.major:
        need = f"Plano needs {OLDEST_MAJOR} or newer" if foreign.major < OLDEST_MAJOR else f"`{asked.value}` is {major}"
        raise Conflict(
            "data-of-another-version",
            f"`{foreign.name}` has data of PostgreSQL {foreign.major}, {need}",
            why="PostgreSQL starts only with data of its own major version; nothing was changed",
            fix=_dump(seen, foreign.name, foreign.superuser),
        )


def _check_names(seen: Seen, foreign: Foreign) -> None:
    for what, name in (("POSTGRES_USER", foreign.superuser), ("POSTGRES_DB", foreign.database)):
        if not credentials.is_usable_name(name):
            raise Conflict(
                "adopt-unusual-name",
                f"`{foreign.name}` was not adopted: its {what} is `{name}`",
                why="only letters, digits, `_`, `.` and `-` work in SQL, URLs and `.env`; nothing was changed",
                fix=_dump(seen, foreign.name, foreign.superuser),
            )


def _write_credentials(seen: Seen, foreign: Foreign) -> None:
    """Give `.env` what it does not say itself; its values win, and the database is updated to match."""
    password = foreign.password or credentials.generate_password()
    found = {
        env_keys.USER: foreign.superuser,
        env_keys.PASSWORD: connection.encode_password(password),
        env_keys.PORT: str(foreign.port or seen.settings.port.value),
        env_keys.DATABASE: foreign.database,
    }
    missing = {key: value for key, value in found.items() if not seen.env.values.get(key)}
    seen.env.with_values(missing, seen.project_id).write()
