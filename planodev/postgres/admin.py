"""Run SQL over the server's local connection, without a password: all that planodev runs besides the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.postgres import limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.engines import Container, Engine

# Put before SQL that contains a password: the server would log a failing statement with it.
QUIET = "SET log_statement = 'none'; SET log_min_error_statement = 'panic'; SET standard_conforming_strings = on;\n"
# A database's owner may set a search path for every session there, and put functions, operators and views on it that
# have the names of the system's. With these options a superuser's SQL finds only the system's. Source: PostgreSQL 16,
# section 5.9.6, and `guc.h`: the options of a connection override the settings of a database or a role.
SYSTEM_ALONE = "-c search_path=pg_catalog,pg_temp -c role=none -c standard_conforming_strings=on"


class AdminFailed(Exception):
    """SQL over the server's local connection failed; the text is the server's."""


def run_as_superuser(  # noqa: PLR0913  see `run`
    engine: Engine, server: Container, sql: str, *, superuser: str, database: str, most: float = limits.STATEMENT
) -> str:
    """Run SQL as the server's own superuser, who sees nothing but the system's catalogue where no schema is named.

    Raises:
        AdminFailed: see `run`.

    """
    return run(engine, server, sql, user=superuser, database=database, options=SYSTEM_ALONE, most=most)


def run(  # noqa: PLR0913  where, as whom, what, and when
    engine: Engine,
    server: Container,
    sql: str,
    *,
    user: str,
    database: str,
    ready: bool = False,
    go: Callable[[], bool] | None = None,
    options: str = "",
    most: float = limits.STATEMENT,
) -> str:
    """Run SQL, for as long as the engine may still be waited for; returns the rows.

    Args:
        engine: the open engine.
        server: a running server.
        sql: a script for `psql`.
        user: the role to act as.
        database: where.
        ready: leave first the mark that the data has been ready.
        go: see `Engine.psql`.
        options: of the session.
        most: seconds, where the engine may be waited for as long.

    Raises:
        AdminFailed: with the server's message, or that it has given no answer.

    """
    seconds = limits.within(engine.limit, most)
    variables = {"PGUSER": user, "PGDATABASE": database, "LC_ALL": "C", **limits.variables(seconds)}
    variables["PGOPTIONS"] = f"{variables['PGOPTIONS']} {options}".strip()
    done = engine.psql(server, sql, variables, seconds=seconds, ready=ready, go=go)
    if done.code:
        raise AdminFailed(done.err.strip())
    return done.out.strip()
