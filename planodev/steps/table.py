"""Create Plano's table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.postgres import state_table, table
from planodev.postgres.admin import AdminFailed
from planodev.postgres.sql import identifier
from planodev.problems import Command, CredentialsRefused, Fix
from planodev.result import Outcome

if TYPE_CHECKING:
    from planodev.database import Database


def make(database: Database) -> None:
    """Create the table where it is missing.

    Raises:
        CredentialsRefused: the role may not create it.

    """
    seen, prepared = database.seen, database.prepared
    seen.progress.begin("Creating the state table")
    try:
        before = prepared.made() if prepared else None
        if before is None:
            before = table.create(seen.engine, database.server, user=seen.user, database=seen.database)
    except AdminFailed as error:
        raise CredentialsRefused(
            "table-not-made",
            f"{seen.user} could not create the table `{state_table.NAME}`",
            why=str(error),
            fix=Fix(
                f"as a superuser: `GRANT USAGE, CREATE ON SCHEMA public TO {identifier(seen.user)};`; ",
                *(Command("logs"), " shows the server's view"),
            ),
        ) from error
    verb = "unchanged" if before.splitlines()[:1] == ["t"] else "created"
    seen.progress.done(Outcome(verb, state_table.NAME))
