"""What the server says of itself, asked over its own socket, where no password is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.engines import AdminFailed
from planodev.postgres import proof, state_table

if TYPE_CHECKING:
    from planodev.engines import Container
    from planodev.work import Work

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


def look(work: Work) -> proof.Evidence | None:
    """Return the table's facts and the number of rows as DB_USER sees them; None where it can't be asked."""
    have = work.observed.container
    if have is None or have.state != "running":
        return None
    try:
        return proof.read_psql(work.engine.admin(have, state_table.LOOK, user=work.user, database=work.database), "")
    except AdminFailed:
        return None


def stored(work: Work, container: Container) -> dict[str, int]:
    """Return the number of stored turns by database, for every database that has some or could.

    Raises:
        AdminFailed: the server can't be asked.

    """
    counts = _everywhere(work, container, _COUNT)
    return {name: int(count) if count.isdigit() else 0 for name, count in counts.items()}


def other_tables(work: Work, container: Container) -> int:
    """Return the number of tables in all databases that are not Plano's.

    Raises:
        AdminFailed: the server can't be asked.

    """
    return sum(int(count) for count in _everywhere(work, container, _OTHERS).values() if count.isdigit())


def _everywhere(work: Work, container: Container, sql: str) -> dict[str, str]:
    volume = work.volume or work.observed.volume
    superuser = (volume.superuser if volume else work.superuser) or work.user
    names = work.engine.admin(container, _DATABASES, user=superuser, database="postgres").split("\n")
    return {name: work.engine.admin(container, sql, user=superuser, database=name).strip() for name in names if name}
