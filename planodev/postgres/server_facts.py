"""What the server says of itself, and whether Plano can use such a server."""

from __future__ import annotations

from typing import Any

from planodev.postgres import sql
from planodev.problems import Command, Fix, Problem
from planodev.project import env_keys

OLDEST = 120000  # as `server_version_num` has it
OLDEST_MAJOR = OLDEST // 10_000
_ENCODINGS = ("UTF8", "SQL_ASCII")  # which keep every text that the driver sends, which is UTF-8, as it is
# Of `CREATE DATABASE`: whatever the encoding and the locale of `template1` are. This locale goes with every encoding.
IN_UTF8 = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
RESET_READ_ONLY = "`BEGIN READ WRITE; ALTER ROLE … RESET default_transaction_read_only; COMMIT;`"

# Keys and values of `json_build_object`, in PostgreSQL 12 and later; `state_table.FACTS` asks for them.
FACTS = """\
'server_version', current_setting('server_version'),
  'server_version_num', current_setting('server_version_num')::int,
  'user', current_user,
  'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
  'database', current_database(),
  'encoding', current_setting('server_encoding'),
  'search_path', current_setting('search_path'),
  'read_only', current_setting('transaction_read_only')::bool,
  'sessions', (SELECT json_agg(s.client_port ORDER BY s.client_port) FROM pg_stat_activity s
    WHERE s.usename = current_user AND s.datname = current_database() AND s.client_port > 0
      AND s.application_name NOT LIKE 'planodev%'),
  'data_bytes', pg_database_size(current_database())"""


def judge(facts: dict[str, Any], *, ours: bool) -> Problem | None:
    """Decide from `FACTS` whether Plano can use the server; None when it can. Pure.

    Args:
        facts: the object of `state_table.FACTS`.
        ours: whether it is the project's own server, on which `up` creates databases.

    """
    if facts["server_version_num"] < OLDEST:
        message = f"the server runs PostgreSQL {facts['server_version']}; Plano needs {OLDEST_MAJOR} or newer"
        return Problem("server-too-old", message, "upgrade it", level="error")
    if facts["read_only"]:
        message = "the session is read-only: the server is a replica, or a setting of server, database or role says so"
        fix = f"use the primary, or reset the setting, as by {RESET_READ_ONLY}"
        return Problem("server-read-only", message, fix, level="error")
    if facts["encoding"] not in _ENCODINGS:
        return _encoding_problem(facts, ours=ours)
    return None


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
