"""Queries about the server and its table, over its local connection, which needs no password."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev.postgres import admin, limits, locks, processes, proof, state_table
from planodev.postgres.admin import AdminFailed
from planodev.problems import NoEngine

if TYPE_CHECKING:
    from planodev.engines import Container, Engine
    from planodev.look import Seen
    from planodev.postgres.state_table import Count

DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND datname <> 'template1';"
# The table's qualified name, from `public` if it is there. Only tables: reading a view would run what its owner has
# defined.
_TABLE = f"""\
SELECT c.oid::regclass::text AS named FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = '{state_table.NAME}' AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'
ORDER BY n.nspname <> 'public', n.nspname LIMIT 1"""
# For `psql`: sets `named`, "" where there is none, and `there`.
NAME_TABLE = f"SELECT coalesce(min(named), '') AS named, count(*) > 0 AS there FROM ({_TABLE}) AS one \\gset\n"
# Two lines: the number of stored turns, or who locks the table, and the number of tables that are not Plano's.
_HELD = f"""\
{NAME_TABLE}SELECT count(*) = 0 AS free, coalesce(min(holder::text), '') AS holder
FROM ({locks.who_locks(":'named'")}) AS one \\gset
\\if :free
\\if :there
{state_table.count(":named", ":'named'")};
\\else
SELECT 0;
\\endif
\\else
SELECT :'holder';
\\endif
SELECT count(*) - :'there'::boolean::int FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT c.relispartition;
"""


class Locked(AdminFailed):
    """Another session keeps a table from being counted; the text names it."""

    def __init__(self, holder: dict[str, Any]) -> None:
        super().__init__(f"`{state_table.NAME}` is locked: {locks.holds(holder)}")


class Contents(NamedTuple):
    """What one database holds: stored turns, and tables that are not Plano's."""

    turns: Count
    others: int


def look_at(seen: Seen) -> proof.Evidence | None:
    """Return the table's facts and the number of rows as Plano's role sees them.

    Where the server gives none, the evidence has its error alone, and who is in the way where that can be seen; None
    where there is no server to be asked.
    """
    engine, server = seen.engine, seen.observed.container
    if server is None or server.state != "running":
        return None
    try:
        said = admin.run(engine, server, state_table.LOOK, user=seen.user, database=seen.database, most=limits.LOOK)
        return processes.with_holder(proof.read_psql(said, ""), seen)
    except AdminFailed as error:
        found = proof.Evidence(None, stored=False, error=str(error))
        if not proof.is_late(found):
            return found
        from planodev.postgres import locked_catalogue

        return found._replace(
            holder=locked_catalogue.holder(engine, server, superuser=seen.superuser, database=seen.database)
        )
    except NoEngine as error:
        said = f"the engine did not respond: {error.why or error.message}"
        return proof.Evidence(None, stored=False, error=said, engine_silent=True)


def contents(engine: Engine, server: Container, superuser: str) -> dict[str, Contents]:
    """Return what every database of a server holds, by its name.

    Raises:
        AdminFailed: the server can't be asked, or a table is locked.

    """
    names = admin.run_as_superuser(engine, server, DATABASES, superuser=superuser, database="postgres").split("\n")
    found = {}
    for name in filter(None, names):
        said = admin.run_as_superuser(engine, server, _HELD, superuser=superuser, database=name)
        turns, _, others = said.partition("\n")
        if not others.strip().isdecimal():
            raise AdminFailed("unexpected output from `psql`")
        if turns.startswith("{"):
            raise Locked(json.loads(turns))
        found[name] = Contents(state_table.read_count(turns), int(others))
    return found
