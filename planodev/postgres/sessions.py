"""What only shows with sessions that stay: prepared statements behind a pooler, and timeouts of the silent."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

# One row: the time that a silent session is left, `0` for ever and None before PostgreSQL 14; the seconds of silence
# before the server itself sends something.
SILENCE = "SELECT current_setting('idle_session_timeout', true), current_setting('tcp_keepalives_idle', true)"
# Of the server's errors: a prepared statement of that name is there already; is not there.
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
        for session, _ in sessions:  # what is left in a shared connection would disturb others
            with suppress(psycopg.Error):
                session.execute(f"DEALLOCATE {name.decode()}")
