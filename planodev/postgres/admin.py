"""SQL over the server's own way in, where no password is needed: what planodev asks and changes besides the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.postgres import limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.engines import Container, Engine

# Before SQL that holds a password: a failing statement would be logged with it.
QUIET = "SET log_statement = 'none'; SET log_min_error_statement = 'panic'; SET standard_conforming_strings = on;\n"


class AdminFailed(Exception):
    """SQL over the server's own way in failed; the text is the server's."""


def run(  # noqa: PLR0913  whom to ask as whom, what, and when
    engine: Engine,
    server: Container,
    sql: str,
    *,
    user: str,
    database: str,
    ready: bool = False,
    go: Callable[[], bool] | None = None,
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

    Raises:
        AdminFailed: with the server's message, or that it has given no answer.

    """
    seconds = limits.within(engine.limit)
    variables = {"PGUSER": user, "PGDATABASE": database, "LC_ALL": "C", **limits.variables(seconds)}
    done = engine.psql(server, sql, variables, seconds=seconds, ready=ready, go=go)
    if done.code:
        raise AdminFailed(done.err.strip())
    return done.out.strip()
