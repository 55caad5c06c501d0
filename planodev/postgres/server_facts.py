"""What the server says of itself, and whether Plano can use such a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planodev.postgres import by_hand, sql
from planodev.problems import Command, Fix, Problem
from planodev.project import env_keys

if TYPE_CHECKING:
    from planodev.postgres.by_hand import ByHand

OLDEST = 120000  # as `server_version_num` has it
OLDEST_MAJOR = OLDEST // 10_000
_ENCODINGS = ("UTF8", "SQL_ASCII")  # which keep every text that the driver sends, which is UTF-8, as it is
# Of `CREATE DATABASE`: whatever the encoding and the locale of `template1` are. This locale goes with every encoding.
IN_UTF8 = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
READ_ONLY = "default_transaction_read_only"
# What a role can have for its own sessions, and what keeps Plano from its table.
ROLE_SETTINGS = (READ_ONLY, "search_path")
_SETTINGS = ", ".join(map("'{}'".format, ROLE_SETTINGS))

# Keys and values of `json_build_object`, in PostgreSQL 12 and later; `state_table.FACTS` asks for them.
FACTS = f"""\
'server_version', current_setting('server_version'),
  'server_version_num', current_setting('server_version_num')::int,
  'user', current_user,
  'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
  'database', current_database(),
  'encoding', current_setting('server_encoding'),
  'search_path', current_setting('search_path'),
  'read_only', current_setting('transaction_read_only')::bool,
  'read_only_by', CASE WHEN pg_is_in_recovery() THEN 'recovery' WHEN current_setting('transaction_read_only')::bool
    THEN (SELECT source FROM pg_settings WHERE name = '{READ_ONLY}') END,
  'role_settings', (SELECT json_agg(json_build_array(split_part(one, '=', 1), s.setdatabase <> 0))
    FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) one
    WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
      AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND split_part(one, '=', 1) IN ({_SETTINGS})),
  'owns_database', (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()),
  'sessions', (SELECT json_agg(s.client_port ORDER BY s.client_port) FROM pg_stat_activity s
    WHERE s.usename = current_user AND s.datname = current_database() AND s.client_port > 0
      AND s.application_name NOT LIKE 'planodev%'),
  'data_bytes', pg_database_size(current_database())"""


def judge(facts: dict[str, Any], *, ours: bool, hand: ByHand = by_hand.UNKNOWN) -> Problem | None:
    """Decide from `FACTS` whether Plano can use the server; None when it can. Pure.

    Args:
        facts: the object of `state_table.FACTS`.
        ours: whether it is the project's own server, on which `up` creates databases.
        hand: how SQL is run there by a person.

    """
    if facts["server_version_num"] < OLDEST:
        message = f"the server runs PostgreSQL {facts['server_version']}; Plano needs {OLDEST_MAJOR} or newer"
        return Problem("server-too-old", message, "upgrade it", level="error")
    if facts["read_only"]:
        return _read_only_problem(facts, hand, ours=ours)
    if facts["encoding"] not in _ENCODINGS:
        return _encoding_problem(facts, ours=ours)
    return None


# Who makes a session read-only, by `pg_settings.source`; whatever is not here is told by PostgreSQL's own word.
_SOURCES = {
    "database": "a setting of the database",
    "user": "a setting of the role",
    "database user": "a setting of the role in this database",
    "global": "a setting of all roles",
    "configuration file": "a file of the server's settings",
    "command line": "the server's command line",
}


def _read_only_problem(facts: dict[str, Any], hand: ByHand, *, ours: bool) -> Problem:
    by = facts.get("read_only_by") or ""
    who, fix = f"{_SOURCES.get(by, by) or 'a setting'} says so (`{READ_ONLY}`)", _writable(facts, hand, ours=ours)
    if by == "recovery":
        who = "the server is a replica"
        promote = hand.run("SELECT pg_promote();", may=bool(facts.get("superuser")))
        fix = promote + " makes it a server of its own" if ours else Fix("use the primary")
    elif by == "client":
        who = f"the `options` of the connection string say so (`{READ_ONLY}`)"
        fix = Fix(f"remove `{READ_ONLY}` from the connection string in Plano's configuration")
    return Problem("server-read-only", f"the session is read-only: {who}", fix, level="error")


def _writable(facts: dict[str, Any], hand: ByHand, *, ours: bool) -> Fix:
    """Return the fix for a setting that makes sessions read-only, whose own session is none."""
    statements = f"BEGIN READ WRITE; {by_hand.settled(facts, READ_ONLY, 'off')} COMMIT;"
    may = bool(facts.get("superuser") or facts.get("owns_database"))
    return hand.run(statements, may=may) if ours else Fix(f"as the database's owner: `{statements}`")


def beside(database: str) -> str:
    """Return the fix for a database of another server whose encoding cannot be changed: a new one, made by an owner."""
    made = f"CREATE DATABASE {sql.identifier(f'{database}_utf8')} {IN_UTF8};"
    return f"as an owner: `{made}`, then name that one in place of `{database}`"


def _encoding_problem(facts: dict[str, Any], *, ours: bool) -> Problem:
    name, encoding = facts["database"], facts["encoding"]
    message = f"the database `{name}` has the encoding {encoding}, which cannot store all Unicode text"
    another = f"write another {env_keys.DATABASE} into the project's `.env`, then "
    own = Fix(another, Command("up"), " creates that database in UTF8")
    return Problem("database-encoding", message, own if ours else beside(name), level="error")
