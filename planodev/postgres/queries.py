"""What the server says of itself, asked over its own socket, where no password is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.postgres import admin, proof, state_table
from planodev.postgres.admin import AdminFailed

if TYPE_CHECKING:
    from planodev.engines import Container, Engine

_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND datname NOT IN ('postgres', 'template1');"
_OTHERS = f"""\
SELECT count(*) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> '{state_table.NAME}';
"""
_COUNT = f"""\
SELECT to_regclass('{state_table.NAME}') IS NOT NULL AS there \\gset
\\if :there
{state_table.COUNT};
\\endif
"""


def look(engine: Engine, server: Container | None, *, user: str, database: str) -> proof.Evidence | None:
    """Return the table's facts and the number of rows as Plano's role sees them; None where it can't be asked."""
    if server is None or server.state != "running":
        return None
    try:
        return proof.read_psql(admin.run(engine, server, state_table.LOOK, user=user, database=database), "")
    except AdminFailed:
        return None


def stored(engine: Engine, server: Container, superuser: str) -> dict[str, int]:
    """Return the number of stored turns by database, for every database that has some or could.

    Raises:
        AdminFailed: the server can't be asked.

    """
    counts = _everywhere(engine, server, superuser, _COUNT)
    return {name: int(count) if count.isdigit() else 0 for name, count in counts.items()}


def other_tables(engine: Engine, server: Container, superuser: str) -> int:
    """Return the number of tables in all databases that are not Plano's.

    Raises:
        AdminFailed: the server can't be asked.

    """
    counts = _everywhere(engine, server, superuser, _OTHERS).values()
    return sum(int(count) for count in counts if count.isdigit())


def _everywhere(engine: Engine, server: Container, superuser: str, sql: str) -> dict[str, str]:
    names = admin.run(engine, server, _DATABASES, user=superuser, database="postgres").split("\n")
    return {name: admin.run(engine, server, sql, user=superuser, database=name) for name in names if name}
