"""Plano's table of conversations, and whether a table has the shape that Plano needs.

Source: Plano 0.4.36, `docs/source/resources/db_setup/conversation_states.sql` (the shape) and
`crates/brightstaff/src/state/postgresql.rs` (the statements, and that only int8 reads as `created_at`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from planodev.postgres import locks, server_facts, sql
from planodev.problems import Command, Fix, Level, Problem
from planodev.result import number

NAME = "conversation_states"

# Pruning needs the index on updated_at, which Plano's own schema only has as a comment.
CREATE = f"""\
CREATE TABLE IF NOT EXISTS {NAME} (
    response_id TEXT PRIMARY KEY,
    input_items JSONB NOT NULL,
    created_at BIGINT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS idx_{NAME}_created_at ON {NAME} (created_at);
CREATE INDEX IF NOT EXISTS idx_{NAME}_provider ON {NAME} (provider);
CREATE INDEX IF NOT EXISTS idx_{NAME}_updated_at ON {NAME} (updated_at);
COMMENT ON TABLE {NAME} IS 'Conversations of Plano (POST /v1/responses)';
"""

# The types, by their names in pg_type, that Plano's driver converts without an error.
_TYPES = {
    "response_id": ("text", "varchar", "name"),
    "input_items": ("jsonb", "json"),
    "created_at": ("int8",),
    "model": ("text", "varchar", "name"),
    "provider": ("text", "varchar", "name"),
    "updated_at": ("timestamp", "timestamptz"),
}
COLUMNS = ", ".join(_TYPES)
# How to add a missing column so that existing rows have a value: Plano's driver fails on NULL.
_DEFAULTS = {
    "input_items": " NOT NULL DEFAULT '[]'",
    "created_at": " NOT NULL DEFAULT 0",
    "model": " NOT NULL DEFAULT ''",
    "provider": " NOT NULL DEFAULT ''",
    "updated_at": " DEFAULT CURRENT_TIMESTAMP",
}
_NAMED = f"'{NAME}'"
# The session most in the way of a statement that locks the whole table.
HOLDER = locks.who_is_in_the_way(_NAMED)
TABLES = ("r", "p")  # `relkind` of a table, and of a partitioned one
_PERMANENT = "p"  # `relpersistence` of what outlives a crash
NEEDED_PRIVILEGES = ("SELECT", "INSERT", "UPDATE")

# One row with one JSON object, of the server and of the table. It reads catalogues only, so it works whatever the
# table is.
FACTS = f"""\
SELECT json_build_object(
  {server_facts.FACTS},
  'elsewhere', (SELECT json_agg(schemaname ORDER BY schemaname) FROM pg_tables WHERE tablename = '{NAME}'),
  'table', (SELECT json_build_object(
      'name', c.oid::regclass::text,
      'kind', c.relkind,
      'persistence', c.relpersistence,
      'owner', pg_get_userbyid(c.relowner),
      'columns', (SELECT json_object_agg(a.attname, json_build_object(
            'type', t.typname, 'not_null', a.attnotnull, 'has_default', a.atthasdef OR a.attidentity <> '',
            'generated', a.attgenerated <> ''))
          FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
      'unique_response_id', EXISTS (SELECT 1 FROM pg_index i
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'response_id'
          WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
            AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
      'privileges', (SELECT json_agg(p) FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
          WHERE has_table_privilege(c.oid, p)))
    FROM pg_class c WHERE c.oid = to_regclass('{NAME}')),
  'lock', ({locks.who_locks(_NAMED)})
)::text"""

# Up to so many rows are counted; more are estimated, which takes no longer.
MOST_COUNTED = 100_000
# The pages of the table now. Rows are estimated as pages times rows per page, at the last ANALYZE or of the first rows.
_PAGES = "pg_relation_size(c.oid) / current_setting('block_size')::numeric"


def count(table: str, literal: str) -> str:
    """Return the SQL that counts, or estimates, the rows of a table: its name as SQL, and the same as a constant."""
    first = f"""\
SELECT count(*)::numeric / count(DISTINCT (ctid::text::point)[0]) FROM (SELECT ctid FROM {table} LIMIT 1000) AS part"""
    return f"""\
SELECT CASE WHEN known.rows > {MOST_COUNTED} THEN '~' || known.rows ELSE (
  SELECT CASE WHEN rows <= {MOST_COUNTED} THEN rows::text
    ELSE '~' || greatest(rows, round((({first}) * known.pages)::numeric)) END
  FROM (SELECT count(*) AS rows FROM (SELECT FROM {table} LIMIT {MOST_COUNTED + 1}) AS part) AS counted) END
FROM (SELECT {_PAGES} AS pages,
    CASE WHEN c.relpages > 0 THEN round((c.reltuples / c.relpages * {_PAGES})::numeric) ELSE 0 END AS rows
  FROM pg_class c WHERE c.oid = to_regclass({literal})) AS known"""


COUNT = count(NAME, _NAMED)

IS_THERE = f"SELECT to_regclass('{NAME}') IS NOT NULL"
_IS_TABLE = f"SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('{NAME}') AND relkind IN ('r', 'p'))"
# Whether the rows can be counted without waiting for a lock.
_IS_FREE = f"{_IS_TABLE} AND NOT EXISTS ({locks.who_locks(_NAMED)})"

# For psql: the facts, and the number of stored rows where they can be counted.
LOOK = f"""\
{FACTS};
{_IS_FREE} AS free \\gset
\\if :free
{COUNT};
\\endif
"""


class Count(NamedTuple):
    """A number of rows; `estimated` where it is too large to be counted each time."""

    rows: int
    estimated: bool = False

    def __str__(self) -> str:
        """Return it as a number of stored turns."""
        return f"{'about ' if self.estimated else ''}{number(self.rows, 'stored turn')}"


def read_count(text: str) -> Count:
    """Return what `COUNT` has given; no row at all where that is no number."""
    digits = text.strip().lstrip("~")
    return Count(int(digits) if digits.isdigit() else 0, text.startswith("~"))


def judge(facts: dict[str, Any], create: Fix | None = None, *, ours: bool) -> Problem | None:
    """Decide from `FACTS` whether Plano can use the server and the table; None when it can. Pure.

    Args:
        facts: the object that `FACTS` returns.
        create: what creates a table on a server that planodev does not run, in place of a general word.
        ours: whether it is the project's own server, on which `planodev up` does.

    """
    create = Fix(Command("up")) if ours else create or _BY_OWNER
    if unusable := server_facts.judge(facts, ours=ours):
        return unusable
    if facts["table"] is None:
        return _absent(facts, create)
    if facts["table"]["kind"] not in TABLES:
        rename = Fix("rename it, then ", *create.parts)
        return _problem("table-wrong-kind", f"`{NAME}` is a view or the like, not a table", rename)
    if facts["table"]["persistence"] != _PERMANENT:
        message = f"`{NAME}` is not logged, so PostgreSQL empties it after a crash"
        return _problem("table-unlogged", message, _logging(facts) if ours else SET_LOGGED)
    columns = facts["table"]["columns"] or {}
    found = (_column_problem(column, columns.get(column), types) for column, types in _TYPES.items())
    return next(filter(None, found), None) or _extra_problem(columns) or _privilege_problem(facts)


_BY_OWNER = Fix("run Plano's `conversation_states.sql` as an owner")


def locked(lock: dict[str, Any] | None, level: Level = "error") -> Problem:
    """Return the problem of a table that somebody else has locked.

    Args:
        lock: what a row of `locks` tells of who it is, None where it has ended; with `stopped`, only where it is known
            whether its process is stopped: the server cannot end such a one, as it heeds no signal.
        level: of the problem.

    """
    message = f"`{NAME}` is locked by another session"
    if not lock:
        why = "the lock was not granted in time, and its holder has ended since"
        return Problem("table-locked", message, "try again", why, level)
    if level == "warning":  # a warning is shown without its cause
        message = f"`{NAME}` is locked: {locks.holds(lock)}"
    return Problem("table-locked", message, _unlocking(lock), locks.holds(lock), level)


# The fix where the process that holds a lock of the project's own server is stopped.
RESTART = Fix(Command("down", "--keep-data"), " and ", Command("up"), " restart the server, and the data is kept")


def _unlocking(lock: dict[str, Any]) -> Fix | str:
    """Return the fix for a table that is locked, see `locked`."""
    if lock.get("stopped"):
        return RESTART
    end = f"end that transaction, or as a superuser: `{locks.end_of(lock)}`"
    if may_be_stopped(lock):
        return f"{end}; if the lock remains, the process is stopped: restart the server"
    return end


def may_be_stopped(lock: dict[str, Any]) -> bool:
    """Say whether who holds a lock, see `locked`, has a process of which nobody knows whether it is stopped."""
    return "stopped" not in lock and not lock.get("prepared")


def _problem(code: str, message: str, fix: Fix | str) -> Problem:
    return Problem(code, message, fix, level="error")


def _absent(facts: dict[str, Any], create: Fix) -> Problem:
    if not facts["elsewhere"]:
        return _problem("table-missing", f"database `{facts['database']}` has no table `{NAME}`", create)
    user, schema = sql.identifier(facts["user"]), sql.identifier(facts["elsewhere"][0])
    return _problem(
        "table-off-search-path",
        f"`{NAME}` is in schema {schema}, which is not on the search path of {user} ({facts['search_path']})",
        f"as the owner: `ALTER ROLE {user} SET search_path = {schema}; GRANT USAGE ON SCHEMA {schema} TO {user};`",
    )


def _column_problem(column: str, found: dict[str, Any] | None, types: tuple[str, ...]) -> Problem | None:
    wanted = _spelled(types[0])
    if found is None:
        fix = f"`ALTER TABLE {NAME} ADD COLUMN {column} {wanted}{_DEFAULTS.get(column, '')};`"
        return _problem("column-missing", f"`{NAME}` has no column `{column}`", fix)
    if found["type"] not in types:
        message = f"`{NAME}.{column}` is {_spelled(found['type'])}; Plano's driver needs {wanted}"
        fix = f"`ALTER TABLE {NAME} ALTER COLUMN {column} TYPE {wanted} USING {column}::{wanted};`"
        return _problem("column-wrong-type", message, fix)
    if found["generated"]:
        message = f"`{NAME}.{column}` is a generated column, and Plano writes to it"
        return _problem("column-generated", message, "make it a plain column")
    return None


def _extra_problem(columns: dict[str, Any]) -> Problem | None:
    for column, found in columns.items():
        if column not in _TYPES and found["not_null"] and not found["has_default"]:
            message = f"`{NAME}.{column}` is NOT NULL without a default, and Plano does not fill it"
            fix = f"`ALTER TABLE {NAME} ALTER COLUMN {sql.identifier(column)} DROP NOT NULL;`"
            return _problem("column-extra", message, fix)
    return None


def _privilege_problem(facts: dict[str, Any]) -> Problem | None:
    table = facts["table"]
    if not table["unique_response_id"]:
        message = f"`{NAME}.response_id` has no primary key or unique index, so ON CONFLICT (response_id) fails"
        return _problem("key-missing", message, f"`ALTER TABLE {NAME} ADD PRIMARY KEY (response_id);`")
    missing = [privilege for privilege in NEEDED_PRIVILEGES if privilege not in (table["privileges"] or [])]
    if missing:
        user, owner = sql.identifier(facts["user"]), sql.identifier(table["owner"])
        fix = f"as {owner}: `GRANT {', '.join(NEEDED_PRIVILEGES)} ON {NAME} TO {user};`"
        return _problem("privilege-missing", f"{user} may not {', '.join(missing)} on `{NAME}`", fix)
    return None


_LOGGED = f"ALTER TABLE {NAME} SET LOGGED;"
SET_LOGGED = f"as the table's owner: `{_LOGGED}`"  # on a server that planodev does not run


def _logging(facts: dict[str, Any]) -> Fix | str:
    """Return the fix for a table of the project's own server that is not logged."""
    may = facts.get("superuser") or facts["user"] == facts["table"]["owner"]
    return Fix(Command("psql", "-c", _LOGGED)) if may else f"as {sql.identifier(facts['table']['owner'])}: `{_LOGGED}`"


def _spelled(typname: str) -> str:
    return {"int8": "BIGINT", "int4": "INTEGER", "timestamptz": "TIMESTAMPTZ"}.get(typname, typname.upper())
