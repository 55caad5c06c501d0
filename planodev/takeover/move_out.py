"""The old side of a move between engines: its rows go into files, and nobody stores another one there."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from planodev.postgres import admin, proof, state_table
from planodev.postgres.admin import AdminFailed
from planodev.postgres.connection import LOOPBACK, Connection
from planodev.postgres.queries import held
from planodev.problems import Command, Conflict, Fix

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from planodev.database import Database

COLUMNS = "response_id, input_items, created_at, model, provider, updated_at"
_OUT = f"COPY (SELECT {COLUMNS} FROM {state_table.NAME}) TO STDOUT"
# Whatever else a user has put there: relations, functions, further columns of the table; not what extensions own.
_OTHERS = f"""\
WITH ours AS (SELECT to_regclass('{state_table.NAME}') AS number), found AS (
SELECT c.oid, c.relnamespace AS space, c.oid::regclass::text AS name FROM pg_class c
WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v', 'S') AND c.oid IS DISTINCT FROM (SELECT number FROM ours)
UNION ALL SELECT p.oid, p.pronamespace, p.oid::regprocedure::text FROM pg_proc p)
SELECT name FROM found JOIN pg_namespace n ON n.oid = space
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = found.oid AND d.deptype IN ('e', 'i', 'a'))
UNION ALL SELECT 'column ' || quote_ident(a.attname) || ' of {state_table.NAME}' FROM pg_attribute a
WHERE a.attrelid = (SELECT number FROM ours) AND a.attnum > 0 AND NOT a.attisdropped
AND a.attname <> ALL (string_to_array('{COLUMNS}', ', '))
ORDER BY 1"""
# A client that comes back at once is ended as often; after that its session is newer than the locks, and goes first.
_ROUNDS = 20
_OTHER_SESSIONS = """\
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND application_name <> 'planodev' AND pid <> pg_backend_pid()"""


@dataclass
class Copy:
    """Every row of the old side by database, each in a file with their number, and what else the old side has."""

    rows: dict[str, tuple[Path, int]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """The number of stored turns."""
        return sum(count for _, count in self.rows.values())


def copy_out(old: Database, directory: Path, sessions: ExitStack) -> Copy:
    """Copy every row into a directory, and hold the sessions that keep others from storing more.

    Raises:
        Conflict: the rows could not be copied.

    """
    import psycopg

    found = Copy()
    try:
        counts = held(old.seen.engine, old.server, old.seen.superuser)
        if len(counts) > 1:  # the role need not see what other roles have stored
            _as_superuser(old, f'GRANT pg_read_all_data, pg_write_all_data TO "{old.seen.user}"')
        for index, name in enumerate(dict.fromkeys([*counts, old.seen.database])):
            session = sessions.enter_context(closing(proof.login(connection(old, name), 10)))
            found.others += [row[0] for row in session.execute(_OTHERS).fetchall()]
            if session.execute(state_table.IS_THERE).fetchone() != (True,):
                continue
            session.execute(f"LOCK TABLE {state_table.NAME} IN EXCLUSIVE MODE")
            file = directory / f"{index}.copy"
            with file.open("wb") as target, session.cursor().copy(_OUT) as rows:
                for piece in rows:
                    target.write(piece)
            count = session.execute(f"SELECT count(*) FROM {state_table.NAME}").fetchone()[0]
            if count or name == old.seen.database:
                found.rows[name] = file, count
        _end_other_sessions(old)
    except (psycopg.Error, AdminFailed, OSError) as error:
        raise Conflict(
            "move-failed",
            "the conversations could not be copied",
            why=told(error),
            fix=Fix(
                "nothing was changed; ", Command("up", "--engine", old.seen.engine.info.name), " goes on as before"
            ),
        ) from error
    return found


def _end_other_sessions(old: Database) -> None:
    """End every session that is older than those which hold the locks.

    A server that shuts down ends its sessions one after another, the newest first: with the locks, those that wait for
    them could still store a turn, and be told that it is stored. Source: PostgreSQL 16, postmaster.c, `BackendList`.
    """
    for _ in range(_ROUNDS):
        if _as_superuser(old, _OTHER_SESSIONS).strip() == "0":
            return
        time.sleep(0.05)


def _as_superuser(old: Database, sql: str) -> str:
    return admin.run(old.seen.engine, old.server, sql, user=old.seen.superuser, database="postgres")


def connection(side: Database, database: str) -> Connection:
    """Return the way into one of the server's databases."""
    return Connection(side.seen.user, side.password, LOOPBACK, side.port, database)


def told(error: Exception) -> str:
    """Return what went wrong; the server's context would show the row that it stood at, a conversation."""
    message = getattr(getattr(error, "diag", None), "message_primary", None)
    return " ".join(str(message or error).split())
