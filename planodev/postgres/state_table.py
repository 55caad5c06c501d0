"""Plano's table of conversations, and whether a table has the shape that Plano needs.

Source: Plano 0.4.36, `docs/source/resources/db_setup/conversation_states.sql` (the shape) and
`crates/brightstaff/src/state/postgresql.rs` (the statements, and that only int8 reads as `created_at`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev.postgres import by_hand, locks, server_facts, sql
from planodev.problems import Command, Fix, Level, Problem
from planodev.result import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planodev.postgres.by_hand import ByHand

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
    "response_id": " UNIQUE DEFAULT md5(random()::text || clock_timestamp())",
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
_ALL_PRIVILEGES = (*NEEDED_PRIVILEGES, "DELETE", "TRUNCATE")  # for `prune` and `reset` as well

# One row with one JSON object, of the server and of the table. It reads catalogues only, so it works whatever the
# table is.
FACTS = f"""\
SELECT json_build_object(
  {server_facts.FACTS},
  'elsewhere', (SELECT json_agg(schemaname ORDER BY schemaname) FROM pg_tables WHERE tablename = '{NAME}'),
  'denied', (SELECT json_agg(schemaname) FROM pg_tables
      WHERE tablename = '{NAME}' AND NOT has_schema_privilege(schemaname, 'USAGE')),
  'table', (SELECT json_build_object(
      'name', c.oid::regclass::text,
      'schema', (SELECT nspname FROM pg_namespace WHERE oid = c.relnamespace),
      'oid', c.oid,
      'alterable', pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE'),
      'row_security', c.relrowsecurity,
      'triggers', (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled <> 'D'),
      'constraints', (SELECT json_agg(conname) FROM pg_constraint WHERE conrelid = c.oid),
      'deferrable', (SELECT json_agg(conname) FROM pg_constraint WHERE conrelid = c.oid AND condeferrable
          AND contype IN ('p', 'u')),
      'kind', c.relkind,
      'persistence', c.relpersistence,
      'owner', pg_get_userbyid(c.relowner),
      'columns', (SELECT json_object_agg(a.attname, json_build_object(
            'type', t.typname, 'not_null', a.attnotnull, 'has_default', a.atthasdef OR a.attidentity <> '',
            'generated', a.attgenerated <> '', 'stored', a.attgenerated = 's', 'identity', a.attidentity <> '',
            'key', (SELECT conname FROM pg_constraint
                WHERE conrelid = c.oid AND contype = 'p' AND a.attnum = ANY (conkey))))
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


def judge(
    facts: dict[str, Any], create: Fix | None = None, *, ours: bool, hand: ByHand = by_hand.UNKNOWN
) -> Problem | None:
    """Decide from `FACTS` whether Plano can use the server and the table; None when it can. Pure.

    Args:
        facts: the object that `FACTS` returns.
        create: what creates a table on a server that planodev does not run, in place of a general word.
        ours: whether it is the project's own server, on which `planodev up` does.
        hand: how SQL is run there by a person.

    """
    create = Fix(Command("up")) if ours else create or _BY_OWNER
    if unusable := server_facts.judge(facts, ours=ours, hand=hand):
        return unusable
    if facts["table"] is None:
        return _absent(facts, create, hand, ours=ours)
    table = Table(facts, hand if ours else None)
    if facts["table"]["kind"] not in TABLES:
        rename = table.fix(_renamed(table), "rename it") + ", then " + create
        return _problem("table-wrong-kind", f"`{NAME}` is a view or the like, not a table", rename)
    if facts["table"]["persistence"] != _PERMANENT:
        message = f"`{NAME}` is not logged, so PostgreSQL empties it after a crash"
        logged = f"ALTER TABLE {table.name} SET LOGGED;"
        return _problem("table-unlogged", message, table.fix(logged, f"as the table's owner: `{logged}`"))
    return _columns_problem(table) or _extra_problem(table) or _key_problem(table) or _privilege_problem(table)


_BY_OWNER = Fix("run Plano's `conversation_states.sql` as an owner")


class Table:
    """What `FACTS` says of the table, and who changes it.

    Args:
        facts: the object.
        hand: how a person runs SQL on the project's own server, None where planodev does not run it.

    """

    def __init__(self, facts: dict[str, Any], hand: ByHand | None) -> None:
        self.facts: dict[str, Any] = facts["table"]
        self.user: str = facts["user"]
        self.version: int = facts["server_version_num"]
        self.columns: dict[str, Any] = self.facts["columns"] or {}
        self._hand = hand
        usual = facts["user"] == self.facts["owner"]
        self._may = bool(facts.get("superuser") or self.facts.get("alterable", usual))
        self._ours = hand is not None

    @property
    def name(self) -> str:
        """Its name as SQL, for who is to change it."""
        return NAME if self._may or not self._ours else f"{sql.identifier(self.facts['schema'])}.{NAME}"

    def fix(self, statements: str, elsewhere: str = "") -> Fix:
        """Return the command that runs statements; on a server that planodev does not run, these words or the SQL."""
        return self._hand.run(statements, may=self._may) if self._hand else Fix(elsewhere or f"`{statements}`")

    def grant(self) -> Fix:
        """Return what gives Plano's role all that planodev's commands need of the table."""
        user = sql.identifier(self.user)
        elsewhere = f"as {sql.identifier(self.facts['owner'])}: `{_granting(NAME, user, NEEDED_PRIVILEGES)}`"
        return self.fix(_granting(self.name, user, _ALL_PRIVILEGES), elsewhere)

    def instead(self) -> Fix:
        """Return the other way out on the project's own server: a new table, where what is in this one does not fit."""
        if not self._ours:
            return Fix()
        aside = self.fix(_renamed(self))
        return "; or, where a value does not fit, " + aside + " keeps that table aside, and " + Fix(Command("up"))


# How what is not a table is called in SQL, by `relkind`; the rest is called a table.
_KINDS = {"v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE", "S": "SEQUENCE", "i": "INDEX", "c": "TYPE"}


def _renamed(table: Table) -> str:
    """Return the SQL that gives what has the table's name another one, which nothing has."""
    kind = _KINDS.get(table.facts["kind"], "TABLE")
    return f"ALTER {kind} {table.name} RENAME TO {NAME}_{int(table.facts['oid'])};"


def locked(lock: dict[str, Any] | None, level: Level = "error", end: Fix | None = None) -> Problem:
    """Return the problem of a table that somebody else has locked.

    Args:
        lock: what a row of `locks` tells of who it is, None where it has ended; with `stopped`, only where it is known
            whether its process is stopped: the server cannot end such a one, as it heeds no signal.
        level: of the problem.
        end: what ends the holder on the project's own server, see `ending`.

    """
    message = f"`{NAME}` is locked by another session"
    if not lock:
        why = "the lock was not granted in time, and its holder has ended since"
        return Problem("table-locked", message, "try again", why, level)
    if level == "warning":  # a warning is shown without its cause
        message = f"`{NAME}` is locked: {locks.holds(lock)}"
    return Problem("table-locked", message, _unlocking(lock, end), locks.holds(lock), level)


# The fix where the process that holds a lock of the project's own server is stopped.
RESTART = Fix(Command("down", "--keep-data"), " and ", Command("up"), " restart the server, and the data is kept")


def ending(lock: dict[str, Any] | None, hand: ByHand, user: str, *, superuser: bool) -> Fix | None:
    """Return what ends who holds a lock on the project's own server, which another role than its own may not.

    Args:
        lock: see `locked`.
        hand: how SQL is run there by a person.
        user: Plano's role.
        superuser: whether that is one.

    """
    if not lock:
        return None
    return "wait for it, or end it: " + hand.run(locks.end_of(lock), may=superuser or lock["user"] == user)


def _unlocking(lock: dict[str, Any], end: Fix | None) -> Fix:
    """Return the fix for a table that is locked, see `locked`."""
    if lock.get("stopped"):
        return RESTART
    fix = end or Fix(f"end that transaction, or as a superuser: `{locks.end_of(lock)}`")
    if may_be_stopped(lock):
        fix += "; if the lock remains, the process is stopped: " + (RESTART if end else Fix("restart the server"))
    return fix


def may_be_stopped(lock: dict[str, Any]) -> bool:
    """Say whether who holds a lock, see `locked`, has a process of which nobody knows whether it is stopped."""
    return "stopped" not in lock and not lock.get("prepared")


def _problem(code: str, message: str, fix: Fix) -> Problem:
    return Problem(code, message, fix, level="error")


def _absent(facts: dict[str, Any], create: Fix, hand: ByHand, *, ours: bool) -> Problem:
    if not facts["elsewhere"]:
        return _problem("table-missing", f"database `{facts['database']}` has no table `{NAME}`", create)
    name = facts["elsewhere"][0]
    user, schema = sql.identifier(facts["user"]), sql.identifier(name)
    grant = f"GRANT USAGE ON SCHEMA {schema} TO {user};"
    fix = Fix(f"as the owner: `ALTER ROLE {user} SET search_path = {schema}; {grant}`")
    if ours:
        denied = name in (facts.get("denied") or [])
        path = by_hand.settled(facts, "search_path", with_schema(name, facts["search_path"]))
        may = facts.get("superuser") or (facts.get("owns_database") and not denied)
        fix = hand.run(f"{path} {grant}" if denied else path, may=bool(may))
    return _problem(
        "table-off-search-path",
        f"`{NAME}` is in schema {schema}, which is not on the search path of {user} ({facts['search_path']})",
        fix,
    )


def with_schema(schema: str, path: str) -> str:
    """Return a search path as SQL: a schema, and what a path has, of which whoever has set it may mean harm.

    Source: `SplitIdentifierString` of PostgreSQL, by which a name without quotes ends at a comma or a blank alone.
    """
    parts = re.findall(r'"((?:[^"]|"")*)"|([^\s,]+)', path)
    names = [schema, *(quoted.replace('""', '"') or plain.lower() for quoted, plain in parts)]
    return ", ".join(sql.identifier(name) for name in names if name)


# How a value becomes one of the type that a column needs, by that type and the name of the one that it has; `{}` stands
# for the column. Every other value is cast.
_CONVERTED = {
    ("BIGINT", "timestamptz"): "extract(epoch FROM {})::bigint",
    ("BIGINT", "timestamp"): "extract(epoch FROM {})::bigint",
    ("BIGINT", "date"): "extract(epoch FROM {})::bigint",
    **{("TIMESTAMP", number): "to_timestamp({})::timestamp" for number in ("int8", "int4", "float8")},
    ("TIMESTAMP", "numeric"): "to_timestamp({}::float8)::timestamp",
    ("JSONB", "bytea"): "convert_from({}, 'UTF8')::jsonb",
}
_DROP_EXPRESSION = 130000  # the first version with that


def _columns_problem(table: Table) -> Problem | None:
    """Return what is wrong with columns that Plano names: the first fault, with what ends it in each of them."""
    missing = [column for column in _TYPES if column not in table.columns]
    if missing:
        added = (f"ADD COLUMN {column} {_spelled(_TYPES[column][0])}{_DEFAULTS[column]}" for column in missing)
        message = f"`{NAME}` has no column {_listed(missing)}"
        return _problem("column-missing", message, table.fix(f"ALTER TABLE {table.name} {', '.join(added)};"))
    generated = [column for column in _TYPES if table.columns[column]["generated"]]
    if generated:
        message = f"{_listed(generated)} of `{NAME}` is a generated column, and Plano writes to it"
        fix = table.fix(" ".join(_plain(table, column) for column in generated), "make it a plain column")
        return _problem("column-generated", message, fix)
    wrong = [column for column, types in _TYPES.items() if table.columns[column]["type"] not in types]
    if not wrong:
        return None
    changed = ", ".join(change for column in wrong for change in _converted(table, column))
    found, needed = table.columns[wrong[0]]["type"], _spelled(_TYPES[wrong[0]][0])
    more = f", and the type of {_listed(wrong[1:])} is wrong too" if wrong[1:] else ""
    message = f"`{NAME}.{wrong[0]}` is {_spelled(found)}; Plano's driver needs {needed}{more}"
    return _problem("column-wrong-type", message, table.fix(f"ALTER TABLE {table.name} {changed};") + table.instead())


def _converted(table: Table, column: str) -> list[str]:
    """Return the parts of ALTER TABLE that give a column the type that Plano needs; its default has another."""
    wanted, found = _spelled(_TYPES[column][0]), table.columns[column]
    how = _CONVERTED.get((wanted, found["type"]), f"{{}}::{wanted}").format(column)
    plain = found["has_default"] and not found.get("identity")
    drop = [f"ALTER COLUMN {column} DROP DEFAULT"] if plain else []
    return [*drop, f"ALTER COLUMN {column} TYPE {wanted} USING {how}"]


def _plain(table: Table, column: str) -> str:
    """Return the SQL that has a generated column's values in a plain one."""
    if table.columns[column].get("stored") and table.version >= _DROP_EXPRESSION:
        return f"ALTER TABLE {table.name} ALTER COLUMN {column} DROP EXPRESSION;"
    wanted, kept = _spelled(_TYPES[column][0]), f"{column}_generated"
    how = _CONVERTED.get((wanted, table.columns[column]["type"]), f"{{}}::{wanted}").format(kept)
    return (
        f"ALTER TABLE {table.name} RENAME COLUMN {column} TO {kept}; "
        f"ALTER TABLE {table.name} ADD COLUMN {column} {wanted}{_DEFAULTS[column]}; "
        f"UPDATE {table.name} SET {column} = {how};"
    )


def _extra_problem(table: Table) -> Problem | None:
    extra = {
        column: found
        for column, found in table.columns.items()
        if column not in _TYPES and found["not_null"] and not found["has_default"]
    }
    if not extra:
        return None
    keys = sorted({found["key"] for found in extra.values() if found.get("key")})
    parts = [f"DROP CONSTRAINT {sql.identifier(key)}" for key in keys]
    parts += [f"ALTER COLUMN {sql.identifier(column)} DROP NOT NULL" for column in extra]
    message = f"{_listed(extra)} of `{NAME}` is NOT NULL without a default, and Plano does not fill it"
    return _problem("column-extra", message, table.fix(f"ALTER TABLE {table.name} {', '.join(parts)};"))


def _key_problem(table: Table) -> Problem | None:
    if table.facts["unique_response_id"]:
        return None
    message = f"`{NAME}.response_id` has no primary key or unique index, so ON CONFLICT (response_id) fails"
    # There may be another primary key, and, as nothing kept them out, rows without an id and several with one.
    twice = "b.response_id = a.response_id AND b.ctid > a.ctid"
    index = _undeferred(table) + (
        f"UPDATE {table.name} a SET response_id = a.response_id || a.ctid FROM {table.name} b WHERE {twice}; "
        f"CREATE UNIQUE INDEX ON {table.name} (response_id);"
    )
    return _problem("key-missing", message, table.fix(index, f"`ALTER TABLE {NAME} ADD PRIMARY KEY (response_id);`"))


def _undeferred(table: Table) -> str:
    """Return the SQL that drops the keys which ON CONFLICT refuses, "" where there are none."""
    names = [sql.identifier(name) for name in table.facts.get("deferrable") or []]
    return f"ALTER TABLE {table.name} {', '.join(f'DROP CONSTRAINT {name}' for name in names)}; " if names else ""


def _privilege_problem(table: Table) -> Problem | None:
    missing = [one for one in NEEDED_PRIVILEGES if one not in (table.facts["privileges"] or [])]
    if not missing:
        return None
    message = f"{sql.identifier(table.user)} may not {', '.join(missing)} on `{NAME}`"
    return _problem("privilege-missing", message, table.grant())


def _granting(table: str, user: str, privileges: Sequence[str]) -> str:
    return f"GRANT {', '.join(privileges)} ON {table} TO {user};"


def mending_store(facts: dict[str, Any], error: str, hand: ByHand) -> Fix | None:
    """Return what ends the refusal of Plano's statements by the project's own table, None where that has no part in it.

    Args:
        facts: the object of `FACTS`, of a table that `judge` finds nothing wrong with.
        error: the server's words, "" where it refused nothing, and the row was not there.
        hand: how SQL is run there by a person.

    """
    table = Table(facts, hand)
    constraints = table.facts.get("constraints") or []
    guilty = next((name for name in constraints if f'constraint "{name}"' in error), None)
    alter = f"ALTER TABLE {table.name}"
    if "deferrable" in error and (dropped := _undeferred(table)):
        return table.fix(dropped.strip()) + " drops what ON CONFLICT refuses"
    if guilty:
        return table.fix(f"{alter} DROP CONSTRAINT {sql.identifier(guilty)};") + " drops what refuses it"
    if table.facts.get("row_security") and (not error or "row-level security" in error):
        return table.fix(f"{alter} DISABLE ROW LEVEL SECURITY;") + " lets Plano have its rows"
    if table.facts.get("triggers"):
        return table.fix(f"{alter} DISABLE TRIGGER USER;") + " stops the table's triggers, one of which may refuse it"
    return None


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)


def _spelled(typname: str) -> str:
    return {"int8": "BIGINT", "int4": "INTEGER", "timestamptz": "TIMESTAMPTZ"}.get(typname, typname.upper())
