"""What the server says of itself, asked over its own socket, where no password is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planodev.postgres import admin, proof, state_table
from planodev.postgres.admin import AdminFailed

if TYPE_CHECKING:
    from planodev.engines import Container, Engine
    from planodev.postgres.state_table import Count

_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND datname NOT IN ('postgres', 'template1');"
# Two lines: the number of stored turns, and of tables that are not Plano's.
_HELD = f"""\
{state_table.HAS_ROWS} AS there \\gset
\\if :there
{state_table.COUNT};
\\else
SELECT 0;
\\endif
SELECT count(*) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> '{state_table.NAME}';
"""


class Held(NamedTuple):
    """What one database holds: stored turns, and tables that are not Plano's."""

    turns: Count
    others: int


def look(engine: Engine, server: Container | None, *, user: str, database: str) -> proof.Evidence | None:
    """Return the table's facts and the number of rows as Plano's role sees them.

    Where the server gives none, the evidence has its error alone; None where there is no server to be asked.
    """
    if server is None or server.state != "running":
        return None
    try:
        return proof.read_psql(admin.run(engine, server, state_table.LOOK, user=user, database=database), "")
    except AdminFailed as error:
        return proof.Evidence(None, stored=False, error=str(error))


def held(engine: Engine, server: Container, superuser: str) -> dict[str, Held]:
    """Return what every database of a server holds, by its name.

    Raises:
        AdminFailed: the server can't be asked, or a table is locked.

    """
    names = admin.run(engine, server, _DATABASES, user=superuser, database="postgres").split("\n")
    found = {}
    for name in filter(None, names):
        turns, _, others = admin.run(engine, server, _HELD, user=superuser, database=name).partition("\n")
        found[name] = Held(state_table.read_count(turns), int(others))
    return found
