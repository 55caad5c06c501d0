"""Make the database follow `.env`: its role, its password, its database. Nothing is dropped, no row is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.checks.inside import stored
from planodev.engines import QUIET, AdminFailed
from planodev.engines.terms import fill
from planodev.postgres import sql, state_table
from planodev.problems import CredentialsRefused

if TYPE_CHECKING:
    from planodev.problems import Problem
    from planodev.work import Work


def follow(work: Work, verdict: Problem) -> None:
    """Make the role, its password and the database what `.env` says, each with a line that says what was otherwise.

    Args:
        work: the run.
        verdict: why the login failed.

    Raises:
        CredentialsRefused: the server's own socket refuses too.

    """
    role, name = sql.identifier(work.user), sql.identifier(work.database)
    password = sql.literal(work.password or "")
    make_role = f"SELECT {sql.literal('CREATE ROLE ' + role)} WHERE to_regrole({sql.literal(role)}) IS NULL \\gexec\n"
    grants = f"""\
GRANT CONNECT ON DATABASE {name} TO {role};
GRANT USAGE, CREATE ON SCHEMA public TO {role};
SELECT 'GRANT SELECT, INSERT, UPDATE, DELETE ON {state_table.NAME} TO {role}'
WHERE to_regclass('{state_table.NAME}') IS NOT NULL \\gexec
"""
    try:
        say(work, verdict)
        alter = f"ALTER ROLE {role} LOGIN PASSWORD {password};\n"
        _admin(work, f"{QUIET}{make_role}{alter}{make_database(work.database, work.user)}", "postgres")
        _admin(work, QUIET + grants, work.database)
    except AdminFailed as error:
        raise CredentialsRefused(
            "cannot-follow",
            "the database could not be made to follow `.env`",
            why=str(error).replace(work.password or "\0", "***"),
            fix=_way_in(work, str(error)),
        ) from error


def make_database(name: str, owner: str) -> str:
    """Return the SQL that makes a database where it is missing, whatever its name is."""
    make = f"CREATE DATABASE {sql.identifier(name)} OWNER {sql.identifier(owner)}"
    missing = f"NOT EXISTS (SELECT FROM pg_database WHERE datname = {sql.literal(name)})"
    return f"SELECT {sql.literal(make)} WHERE {missing} \\gexec\n"


def _way_in(work: Work, error: str) -> str:
    terms, superuser = work.engine.terms, _superuser(work)
    if "not permitted to log in" not in error:
        return f"`{fill(terms.console, work.have(), superuser)}` opens the server itself"
    # Nobody is left who may log in: PostgreSQL without its server needs no login.
    return f"`{fill(terms.alone, work.have(), superuser)}`, then `planodev up`"


def say(work: Work, verdict: Problem) -> None:
    """Say what differs, with both values; of a password only that it does."""
    can = f"SELECT coalesce((SELECT rolcanlogin::text FROM pg_roles WHERE rolname = {sql.literal(work.user)}), 'none');"
    may_log_in, databases = _admin(work, can, "postgres"), stored(work, work.have())
    dry, volume = work.dry_run, work.volume
    makes = "would be made" if dry else "is made"
    first_user, first_database = (volume.user or volume.superuser, volume.database) if volume else ("", "")
    if may_log_in == "none":
        was = f", the database was made for `{first_user}`" if first_user not in ("", work.user) else ""
        work.progress.note(f"DB_USER in `.env` is `{work.user}`{was}: this role {makes}, and sees what is stored")
    elif may_log_in == "false":
        work.progress.note(f"the role `{work.user}` was not allowed to log in: it {'would be' if dry else 'is'} again")
    elif verdict.code == "password-refused":
        follows = "would follow" if dry else "follows"
        other = f"the database has another password for `{work.user}` than DB_PASS"
        work.progress.note(f"{other}: `.env` leads, and it {follows}")
    if work.database not in databases:
        was = f", the first one was `{first_database}`" if first_database not in ("", work.database) else ""
        work.progress.note(f"DB_NAME in `.env` is `{work.database}`{was}: this database {makes}, and is empty")
        for name, count in databases.items():
            if count:
                turns = f"{count} stored turn{'' if count == 1 else 's'}"
                work.progress.note(f"the database `{name}` keeps {turns}; its name in DB_NAME brings them back")


def _admin(work: Work, sql: str, database: str) -> str:
    return work.engine.admin(work.have(), sql, user=_superuser(work), database=database)


def _superuser(work: Work) -> str:
    return (work.volume.superuser if work.volume else work.superuser) or work.user
