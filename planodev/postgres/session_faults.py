"""Faults that only long sessions show: mixed-up prepared statements behind a pooler, and idle time-outs."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from planodev.postgres import state_table

# One row: the time after which the server ends an idle session (`0` for never, None before PostgreSQL 14), and the
# seconds after which the server sends a keepalive.
SILENCE = "SELECT current_setting('idle_session_timeout', true), current_setting('tcp_keepalives_idle', true)"
# SQLSTATEs: a prepared statement of that name exists already; does not exist.
LOST = ("42P05", "26000")


def keeps_statements(first: Any, second: Any) -> bool:  # noqa: ANN401  psycopg is loaded late
    """Prepare two statements of one name in two sessions, and run both: a pooler by transaction mixes them up.

    Plano's driver names its statements `s0`, `s1` and so on, in every session.

    Args:
        first: a `psycopg.Connection` in autocommit.
        second: another one to the same server.

    """
    import psycopg

    name = f"planodev_{os.urandom(8).hex()}".encode()
    sessions = ((first, b"SELECT 1"), (second, b"SELECT 2"))
    prepared = psycopg.pq.ExecStatus.COMMAND_OK
    try:
        if any(session.pgconn.prepare(name, query).status != prepared for session, query in sessions):
            return False
        rows = [session.pgconn.exec_prepared(name, None) for session, _ in sessions]
        return [row.ntuples and row.get_value(0, 0) for row in rows] == [b"1", b"2"]
    finally:
        for session, _ in sessions:  # a statement left in a shared connection would disturb others
            with suppress(psycopg.Error):
                session.execute(f"DEALLOCATE {name.decode()}")


def through_pooler(session: Any) -> bool:  # noqa: ANN401
    """Say whether a pooler is in between: its cancel keys are not the server's.

    Source: PgBouncer 1.24 `src/client.c`, `finish_client_login`; PostgreSQL sends its process's number with the key.

    Args:
        session: a `psycopg.Connection` in autocommit.

    """
    return bool(session.info.backend_pid != _backend(session))


def share_a_backend(first: Any, second: Any) -> bool:  # noqa: ANN401
    """Say whether two sessions of a pooler that are silent by turns run in one backend, as in transaction mode."""
    return any(_backend(first) == _backend(second) for _ in range(3))


def others(session: Any, own: tuple[str, ...]) -> bool:  # noqa: ANN401
    """Say whether somebody else has prepared statements about Plano's table in this session's backend.

    Args:
        session: a `psycopg.Connection` in autocommit.
        own: the texts that planodev itself prepares, which an earlier run may have left there.

    """
    prepared = "SELECT statement FROM pg_prepared_statements"
    found = [str(row[0]) for row in session.execute(prepared).fetchall()]
    return any(state_table.NAME in text and text not in (*own, prepared) for text in found)


def _backend(session: Any) -> int:  # noqa: ANN401
    return int(session.execute("SELECT pg_backend_pid()").fetchone()[0])
