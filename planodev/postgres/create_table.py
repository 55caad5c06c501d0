"""Create Plano's table where it is missing; one that exists is never altered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.postgres import admin, state_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.engines import Container, Engine

# Only where the table is missing: indexes would also be tried on an existing one, which may belong to another role.
GUARDED = f"""\
SELECT to_regclass('{state_table.NAME}') IS NULL AS missing \\gset
\\if :missing
SET client_min_messages = warning;
{state_table.CREATE}
\\endif
"""


def create(engine: Engine, server: Container, *, user: str, database: str, go: Callable[[], bool] | None = None) -> str:
    """Mark the data as ready, and create the table where it is missing.

    Returns `t` as the first line where it was there already.

    The role itself creates it, so it owns it; over the server's socket, which works for remote engines too.

    Args:
        engine: the open engine.
        server: a running server.
        user: Plano's role.
        database: where the table goes.
        go: waits until a login has succeeded; the command is put in place meanwhile.

    Raises:
        AdminFailed: the server's message.

    """
    sql = f"{state_table.IS_THERE};\n{GUARDED}"
    return admin.run(engine, server, sql, user=user, database=database, ready=True, go=go)
