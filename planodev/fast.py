"""Speculative work: begun before it is known to be needed, to save time; it changes nothing that exists.

`up` calls it with the project's lock held. The proof changes nothing, so it begins while the configuration is judged,
all else once nothing is left that `up` would refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.background import Job
from planodev.database import Database
from planodev.postgres import proof

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.look import Seen
    from planodev.postgres.proof import Evidence

# Seconds for the proof, which takes milliseconds if all is well. If it takes longer, the steps find out why.
SOON = 5.0


def already_proved(seen: Seen) -> Callable[[], Database | None] | None:
    """Where everything looks as wanted, begin to prove at once; when that passes, the server needs nothing.

    Returns:
        A function that waits for the proof, and gives the database where it passed; None where something is to be done.

    """
    database = _as_wanted(seen)
    if database is None:
        return None
    connection, server = database.connection(), database.server

    def prove() -> Evidence | None:
        # For Plano in Docker, psql runs in the database's container, which is on the same network as Plano's and takes
        # the same route. With the embedded engine, psql starts faster than psycopg loads.
        here = seen.mode == "native" and seen.engine.traits.containers
        seconds = min(SOON, seen.deadline.left() / 2)
        where = proof.inside(seen.engine, server, seconds)
        evidence = (
            proof.run_here(connection, seconds) if here else proof.run_by_psql(seen.engine, where, connection, seconds)
        )
        image = seen.engine.image(seen.settings.image.value)
        same = image and image.id == server.image_id  # the tag may point to another image since
        return evidence if same and proof.judge(evidence, connection, ours=True) is None else None

    evidence = Job(prove)

    def wait() -> Database | None:
        found = evidence()
        return Database(seen, server, database.port, database.password, "kept", proved=found) if found else None

    return wait


def _as_wanted(seen: Seen) -> Database | None:
    """Return the database as `.env` has it, where nothing that can be seen is different from what is wanted."""
    have, asked = seen.observed.container, seen.settings
    if have is None or seen.observed.volume is None or have.state != "running" or seen.credentials.password is None:
        return None
    if have.data_outside or seen.observed.other_server:
        return None
    if seen.context.options.get("adopt") or seen.moves or seen.move_unfinished:
        return None
    same = (have.name, have.image, have.port) == (asked.name.value, asked.image.value, asked.port.value)
    if not same or asked.pull.value == "always" or seen.credentials.plano != seen.mode or have.plano != seen.mode:
        return None
    return Database(seen, have, asked.port.value, seen.credentials.password, "kept")


def prepare_probe(seen: Seen) -> None:
    """Begin to start the probe container in the background."""
    image = seen.settings.image.value
    if not seen.moves and seen.engine.image(image):
        seen.engine.prepare(image, seen.mode, seen.settings.timeout.value + 60)
