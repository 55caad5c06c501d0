"""Create Plano's table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planodev.postgres import by_hand, create_table, proof, queries, server_facts, state_table
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
        fix = _mend(database, str(error)) + Fix(Command("logs"), " shows the server's view")
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


def _mend(database: Database, error: str) -> Fix:
    """Return what lets the role create a table, nothing where the cause is another one."""
    seen = database.seen
    found = re.search("permission denied for schema (.+)|no schema has been selected", error)
    if not found and "read-only transaction" not in error:
        return Fix()
    looked = queries.look_at(seen)
    facts = looked.facts if looked else None
    if not found:
        problem = server_facts.judge(facts, ours=True, hand=seen.by_hand) if facts else None
        return problem.fix + "; " if problem and isinstance(problem.fix, Fix) else Fix()
    name = found[1] or "public"
    user, schema = identifier(seen.user), identifier(name)
    statements = f"CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE, CREATE ON SCHEMA {schema} TO {user};"
    if facts and name not in re.split('[", ]+', facts["search_path"]):
        path = state_table.with_schema(name, facts["search_path"])
        statements += f" {by_hand.settled(facts, 'search_path', path)}"
    return seen.by_hand.run(statements, may=bool(facts and facts.get("superuser"))) + "; "
