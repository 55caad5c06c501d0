"""The one table that Plano keeps conversations in, and the judgement whether a table will do.

Source: Plano 0.4.36, `docs/source/resources/db_setup/conversation_states.sql` (the shape) and
`crates/brightstaff/src/state/postgresql.rs` (the statements, and that only int8 reads as `created_at`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NAME = "conversation_states"

# The index on updated_at is what pruning needs; upstream leaves it as a comment.
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

# Types by the names that pg_type has; what Plano's driver converts without an error.
_TYPES = {
    "response_id": ("text", "varchar", "name"),
    "input_items": ("jsonb", "json"),
    "created_at": ("int8",),
    "model": ("text", "varchar", "name"),
    "provider": ("text", "varchar", "name"),
    "updated_at": ("timestamp", "timestamptz"),
}
# What a column is given for rows that are there already: Plano's driver reads no NULL from it.
_FILLED = {
    "input_items": " NOT NULL DEFAULT '[]'",
    "created_at": " NOT NULL DEFAULT 0",
    "model": " NOT NULL DEFAULT ''",
    "provider": " NOT NULL DEFAULT ''",
    "updated_at": " DEFAULT CURRENT_TIMESTAMP",
}
OLDEST_SERVER = 120000
NEEDED_PRIVILEGES = ("SELECT", "INSERT", "UPDATE")

# One row, one JSON object, in every PostgreSQL from 12 on. Catalogues only: it works whatever the table is.
FACTS = f"""\
SELECT json_build_object(
  'server_version', current_setting('server_version'),
  'server_version_num', current_setting('server_version_num')::int,
  'user', current_user,
  'database', current_database(),
  'search_path', current_setting('search_path'),
  'read_only', current_setting('transaction_read_only')::bool,
  'server_started', floor(extract(epoch FROM pg_postmaster_start_time())),
  'data_bytes', pg_database_size(current_database()),
  'elsewhere', (SELECT json_agg(schemaname ORDER BY schemaname) FROM pg_tables WHERE tablename = '{NAME}'),
  'table', (SELECT json_build_object(
      'name', c.oid::regclass::text,
      'kind', c.relkind,
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
    FROM pg_class c WHERE c.oid = to_regclass('{NAME}'))
)::text"""

# Counting stops where it would begin to take long.
MOST_COUNTED = 1_000_000
COUNT = f"SELECT count(*) FROM (SELECT FROM {NAME} LIMIT {MOST_COUNTED}) AS counted"

IS_THERE = f"SELECT to_regclass('{NAME}') IS NOT NULL"

# For psql: the facts, and the number of stored rows where there is a table to count.
LOOK = f"""\
{FACTS};
{IS_THERE} AS there \\gset
\\if :there
{COUNT};
\\endif
"""


@dataclass(frozen=True)
class Fault:
    """Why a table will not do: a stable code, the cause, and SQL or a command that mends it."""

    code: str
    why: str
    fix: str


def judge(facts: dict[str, Any]) -> Fault | None:
    """Decide from `FACTS` whether Plano can use the table; None when it can. Pure.

    Args:
        facts: the object that `FACTS` returns.

    """
    if facts["server_version_num"] < OLDEST_SERVER:
        why = f"the server is PostgreSQL {facts['server_version']}, Plano needs 12 or newer"
        return Fault("server-too-old", why, "upgrade it")
    if facts["read_only"]:
        why = "the session takes no writes (a replica, or read-only by a setting of server, database or role)"
        fix = "use the primary, or end the setting, as by `ALTER ROLE … RESET default_transaction_read_only`"
        return Fault("server-read-only", why, fix)
    if facts["table"] is None:
        return _absent(facts)
    if facts["table"]["kind"] not in ("r", "p"):
        why = f"`{NAME}` is a view or the like, not a table"
        return Fault("table-wrong-kind", why, f"rename it, then `planodev up` makes the table `{NAME}`")
    columns = facts["table"]["columns"] or {}
    faults = (_column_fault(column, columns.get(column), types) for column, types in _TYPES.items())
    return next(filter(None, faults), None) or _extra_fault(columns) or _right_fault(facts)


def _absent(facts: dict[str, Any]) -> Fault:
    user = _identifier(facts["user"])
    if not facts["elsewhere"]:
        return Fault("table-missing", f"there is no table `{NAME}` in database `{facts['database']}`", "planodev up")
    schema = _identifier(facts["elsewhere"][0])
    return Fault(
        "table-off-search-path",
        f"`{NAME}` is in schema {schema}, which {user} cannot see on its search path ({facts['search_path']})",
        f"as the owner: `ALTER ROLE {user} SET search_path = {schema}; GRANT USAGE ON SCHEMA {schema} TO {user};`",
    )


def _column_fault(column: str, found: dict[str, Any] | None, types: tuple[str, ...]) -> Fault | None:
    wanted = _spelled(types[0])
    if found is None:
        fix = f"`ALTER TABLE {NAME} ADD COLUMN {column} {wanted}{_FILLED.get(column, '')};`"
        return Fault("column-missing", f"`{NAME}` has no column `{column}`", fix)
    if found["type"] not in types:
        why = f"`{NAME}.{column}` is {_spelled(found['type'])}, Plano's driver needs {wanted}"
        fix = f"`ALTER TABLE {NAME} ALTER COLUMN {column} TYPE {wanted} USING {column}::{wanted};`"
        return Fault("column-wrong-type", why, fix)
    if found["generated"]:
        return Fault("column-generated", f"`{NAME}.{column}` is generated, Plano writes it", "make it a plain column")
    return None


def _extra_fault(columns: dict[str, Any]) -> Fault | None:
    for column, found in columns.items():
        if column not in _TYPES and found["not_null"] and not found["has_default"]:
            why = f"`{NAME}.{column}` is NOT NULL without a default, and Plano does not know it"
            return Fault("column-extra", why, f"`ALTER TABLE {NAME} ALTER COLUMN {_identifier(column)} DROP NOT NULL;`")
    return None


def _right_fault(facts: dict[str, Any]) -> Fault | None:
    table, user = facts["table"], _identifier(facts["user"])
    if not table["unique_response_id"]:
        why = f"`{NAME}.response_id` has no primary key or unique index, so ON CONFLICT (response_id) fails"
        return Fault("key-missing", why, f"`ALTER TABLE {NAME} ADD PRIMARY KEY (response_id);`")
    missing = [privilege for privilege in NEEDED_PRIVILEGES if privilege not in (table["privileges"] or [])]
    if missing:
        fix = f"as {_identifier(table['owner'])}: `GRANT {', '.join(NEEDED_PRIVILEGES)} ON {NAME} TO {user};`"
        return Fault("privilege-missing", f"{user} may not {', '.join(missing)} on `{NAME}`", fix)
    return None


def _identifier(name: str) -> str:
    """Quote an identifier for SQL that a person will paste."""
    plain = name.replace("_", "a").isalnum() and name == name.lower() and not name[0].isdigit() and name.isascii()
    return name if plain else '"' + name.replace('"', '""') + '"'


def _spelled(typname: str) -> str:
    return {"int8": "BIGINT", "int4": "INTEGER", "timestamptz": "TIMESTAMPTZ"}.get(typname, typname.upper())
