"""Create Plano's table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planodev.postgres import create_table, proof, server_facts, state_table
from planodev.postgres.admin import AdminFailed
from planodev.postgres.sql import identifier
from planodev.problems import Command, CredentialsRefused, Fix, NotReady
from planodev.result import Outcome
from planodev.steps.login import or_another_image

if TYPE_CHECKING:
    from planodev.database import Database
    from planodev.problems import Problem


def make(database: Database) -> None:
    """Create the table where it is missing.

    Raises:
        CredentialsRefused: the role may not create it.
        NotReady: the server's own catalogue is locked.

    """
    seen, prepared = database.seen, database.prepared
    seen.progress.begin("Creating the state table")
    try:
        before = prepared.made() if prepared else None
        if before is None:
            before = create_table.create(seen.engine, database.server, user=seen.user, database=seen.database)
    except AdminFailed as error:
        evidence = proof.Evidence(None, stored=False, error=str(error))
        if proof.is_late(evidence):
            raise NotReady.of(_silent(database, evidence)) from error
        fix = Fix(*_mend(seen.user, str(error)), Command("logs"), " shows the server's view")
        raise CredentialsRefused(
            "table-not-made",
            f"{seen.user} could not create the table `{state_table.NAME}`",
            why=str(error),
            fix=or_another_image(database, fix),
        ) from error
    verb = "unchanged" if before.splitlines()[:1] == ["t"] else "created"
    seen.progress.done(Outcome(verb, state_table.NAME))


def _silent(database: Database, evidence: proof.Evidence) -> Problem:
    from planodev.postgres import locked_catalogue

    seen, server = database.seen, database.server
    known = locked_catalogue.holder(seen.engine, server, superuser=seen.superuser, database=seen.database)
    return locked_catalogue.silent(evidence._replace(holder=known), seen, server)


def _mend(user: str, error: str) -> tuple[str, ...]:
    """Return what a superuser runs where the role may not create anything, nothing where the cause is another one."""
    if "read-only transaction" in error:
        return (f"reset what makes its sessions read-only, as by {server_facts.RESET_READ_ONLY}; ",)
    found = re.search("permission denied for schema (.+)|no schema has been selected", error)
    if not found:
        return ()
    schema = identifier(found[1] or "public")
    return (f"as a superuser: `GRANT USAGE, CREATE ON SCHEMA {schema} TO {identifier(user)};`; ",)
