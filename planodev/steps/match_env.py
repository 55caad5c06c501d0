"""Update the database to match `.env`: its role, its password, its database. Nothing is dropped, no row is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.engines import hint
from planodev.postgres import admin, queries, scram, server_facts, state_table
from planodev.postgres.admin import QUIET, AdminFailed
from planodev.postgres.sql import identifier, literal
from planodev.problems import Command, CredentialsRefused, Fix
from planodev.project import env_keys

if TYPE_CHECKING:
    from planodev.database import Database
    from planodev.engines import Container
    from planodev.look import Seen
    from planodev.problems import Problem


_EXPIRED = "rolvaliduntil < now()"  # of a row of pg_roles: its password is valid no more


def follow(database: Database, problem: Problem) -> None:
    """Update the role, its password and the database to match `.env`, each with a line that says what differed.

    Args:
        database: a running server.
        problem: why the login failed.

    Raises:
        CredentialsRefused: the server's own socket refuses too.

    """
    seen = database.seen
    role, name, password = identifier(seen.user), identifier(seen.database), literal(scram.verifier(database.password))
    make_role = f"SELECT {literal(f'CREATE ROLE {role}')} WHERE to_regrole({literal(role)}) IS NULL \\gexec\n"
    grants = f"""\
GRANT CONNECT ON DATABASE {name} TO {role};
SELECT {literal(f"GRANT USAGE, CREATE ON SCHEMA public TO {role}")} WHERE to_regnamespace('public') IS NOT NULL \\gexec
SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON %s TO %I', c.oid::regclass, {literal(seen.user)})
FROM pg_class c WHERE c.relname = '{state_table.NAME}' AND c.relkind IN ('r', 'p')
AND c.relnamespace::regnamespace::text !~ '^pg_' \\gexec
"""
    try:
        for note in differences(seen, database.server, problem):
            seen.progress.note(note)
        # The login comes last: where this is killed before, the next `up` sees that it fails, and repairs the rest.
        alter = f"ALTER ROLE {role} LOGIN PASSWORD {password};\n"
        if problem.code == "password-refused":
            endless = literal(f"ALTER ROLE {role} VALID UNTIL 'infinity'")
            alter += f"SELECT {endless} FROM pg_roles WHERE rolname = {literal(seen.user)} AND {_EXPIRED} \\gexec\n"
        if problem.code == "connection-limit":
            alter += f"ALTER ROLE {role} CONNECTION LIMIT -1;\nALTER DATABASE {name} CONNECTION LIMIT -1;\n"
        _admin(seen, database.server, f"{QUIET}{make_role}{make_database(seen.database, seen.user)}")
        _admin(seen, database.server, QUIET + grants + alter, seen.database)
    except AdminFailed as error:
        raise CredentialsRefused(
            "cannot-follow",
            f"cannot update the database to match `{seen.env.path.name}`",
            why=str(error).replace(database.password or "\0", "***"),
            fix=way_in(seen, database.server, str(error)),
        ) from error


def make_database(name: str, owner: str) -> str:
    """Return the SQL that makes a database where it is missing, whatever its name and the server's encoding are."""
    make = f"CREATE DATABASE {identifier(name)} OWNER {identifier(owner)}"
    usual = "SELECT FROM pg_database WHERE datname = 'template1' AND pg_encoding_to_char(encoding) = 'UTF8'"
    missing = f"NOT EXISTS (SELECT FROM pg_database WHERE datname = {literal(name)})"
    other = literal(f" {server_facts.IN_UTF8}")
    text = f"{literal(make)} || CASE WHEN EXISTS ({usual}) THEN '' ELSE {other} END"
    return f"SELECT {text} WHERE {missing} \\gexec\n"


def way_in(seen: Seen, server: Container, error: str) -> Fix:
    """Return the fix for a server whose superuser could not do what `up` asks of it."""
    wording = seen.engine.wording
    if "not permitted to log in" not in error:
        return Fix(Command("logs"), " has the server's own words")
    # No role is left that may log in; single-user mode needs no login.
    alone = f"`{hint(wording.single_user, server, seen.superuser)}`"
    return Fix(Command("down", "--keep-data"), ", then ", alone, ", then ", Command("up"))


def differences(seen: Seen, server: Container, problem: Problem) -> list[str]:
    """Return the differences between `.env` and the server, with both values; of a password only that it differs.

    Raises:
        AdminFailed: the server can't be asked.

    """
    state = f"CASE WHEN rolcanlogin AND {_EXPIRED} THEN 'expired' ELSE rolcanlogin::text END"
    can = f"SELECT coalesce((SELECT {state} FROM pg_roles WHERE rolname = {literal(seen.user)}), 'none');"
    may_log_in = _admin(seen, server, can)
    databases = queries.contents(seen.engine, server, seen.superuser)
    volume, notes, file = seen.observed.volume, [], seen.env.path.name
    first_user, first_database = (volume.user or volume.superuser, volume.database) if volume else ("", "")
    if may_log_in == "none":
        was = f" (the database was created for `{first_user}`)" if first_user not in ("", seen.user) else ""
        notes.append(
            f"{env_keys.USER} in `{file}`: creating role `{seen.user}` with access to the stored conversations{was}"
        )
    elif may_log_in == "false":
        notes.append(f"allowing the role `{seen.user}` to log in again")
    elif problem.code == "password-refused" and may_log_in == "expired":
        notes.append(f"the password of role `{seen.user}` has expired, by its VALID UNTIL; it is valid from now on")
    elif problem.code == "password-refused":
        notes.append(f"updating the password of role `{seen.user}` to match {env_keys.PASSWORD} in `{file}`")
    elif problem.code == "connection-limit":
        notes.append(f"lifting the CONNECTION LIMIT of the role `{seen.user}` and the database `{seen.database}`")
    if seen.database not in databases:
        was = f" (the first one was `{first_database}`)" if first_database not in ("", seen.database) else ""
        notes.append(f"{env_keys.DATABASE} in `{file}`: creating an empty database `{seen.database}`{was}")
        notes += [
            f"the database `{name}` keeps {found.turns}; {env_keys.DATABASE}={name} brings them back"
            for name, found in databases.items()
            if found.turns.rows
        ]
    return notes


def _admin(seen: Seen, server: Container, sql: str, database: str = "postgres") -> str:
    return admin.run_as_superuser(seen.engine, server, sql, superuser=seen.superuser, database=database)
