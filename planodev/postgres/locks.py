"""Who has locked a table, or the server's own catalogue, and how that ends."""

from __future__ import annotations

from typing import Any, NamedTuple

from planodev.postgres import sql
from planodev.visible import visible

# The other sessions, and transactions that were prepared and outlive theirs, which have a lock on the table or wait for
# one. Plano's statements wait for the strong ones. A prepared transaction has no process, and holds the lock on its own
# number under the same virtual one (seen on PostgreSQL 16).
_OTHERS = """\
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN (pg_prepared_xacts p JOIN pg_locks t ON t.transactionid = p.transaction AND t.granted AND t.pid IS NULL)
ON l.pid IS NULL AND t.virtualtransaction = l.virtualtransaction
WHERE l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_backend_pid()"""
_LOCKS = f"{_OTHERS} AND l.relation = to_regclass({{}}) AND current_database() IN (a.datname, p.database)"
_STRONG = "l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
_LOCK = f"{_LOCKS} AND {_STRONG}"
# What is reported of such a session. PostgreSQL hides the query of another role's.
_HOLDER = """\
json_build_object('pid', a.pid, 'prepared', p.gid, 'user', coalesce(a.usename, p.owner),
      'application', a.application_name,
      'query', CASE WHEN a.query = '<insufficient privilege>' THEN '' ELSE
        array_to_string((regexp_split_to_array(btrim(left(a.query, 200)), '[[:space:]]+'))[1:3], ' ') END,
      'since', to_char(coalesce(a.xact_start, p.prepared), 'YYYY-MM-DD HH24:MI:SS TZ'))"""
# Of several, the one that began first. Statements that lock the whole table wait for every other session.
_FIRST = "coalesce(a.xact_start, p.prepared) LIMIT 1"


def who_is_in_the_way(literal: str) -> str:
    """Return the SQL for one row with who keeps others from locking a whole table: its name as a constant of SQL."""
    return f"SELECT {_HOLDER} {_LOCKS.format(literal)} ORDER BY l.granted DESC, {_STRONG} DESC, {_FIRST}"


def who_locks(literal: str) -> str:
    """Return the SQL for one row with who keeps others from reading a table: its name as a constant of SQL."""
    return f"SELECT {_HOLDER} AS holder {_LOCK.format(literal)} ORDER BY l.granted DESC, {_FIRST}"


def who_locks_the_catalogue(literal: str) -> str:
    """Return the SQL for one row with who keeps every login to a database waiting: its name as a constant of SQL.

    It is for a session in another database, where the same tables have the same numbers, and no such lock is in the
    way. Only the strongest mode keeps others from reading.
    """
    return f"""\
SELECT json_build_object('table', l.relation::regclass::text, 'lock', {_HOLDER})
{_OTHERS} AND l.mode = 'AccessExclusiveLock' AND l.granted
AND l.relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace)
AND l.database IN (0, (SELECT oid FROM pg_database WHERE datname = {literal})) ORDER BY {_FIRST};
"""


STOPPED = "is stopped (SIGSTOP or a debugger)"  # of a process of the server


class Holder(NamedTuple):
    """Who has locked the server's own catalogue: the sentence, and whether that process is known to be stopped."""

    text: str
    stopped: bool


def holds(lock: dict[str, Any]) -> str:
    """Return who holds a lock, of what a row of these tells: its process, role, program, statement, and since when.

    Where it is known that the process is stopped, that is said too.
    """
    holder = f"server process {lock['pid']}"
    if lock.get("prepared"):
        holder = f"the prepared transaction `{visible(lock['prepared'])}`"
    query = f"; its statement began with `{lock['query']}`" if lock["query"] else ""
    since = f" since {lock['since']}" if lock["since"] else ""
    who = ", ".join(visible(one) for one in (lock["user"], lock["application"]) if one)
    stopped = f"; the process {STOPPED}" if lock.get("stopped") else ""
    return f"{holder}{f' ({who})' if who else ''} holds the lock{since}{visible(query)}{stopped}"


def end_of(lock: dict[str, Any]) -> str:
    """Return the SQL that ends who holds a lock."""
    if lock.get("prepared"):
        return f"ROLLBACK PREPARED {sql.literal(visible(lock['prepared']))}"
    return f"SELECT pg_terminate_backend({int(lock['pid'])})"
