"""Faults of a server that planodev does not run: their errors and fixes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.postgres import server_facts, sql, state_table
from planodev.postgres.connection import DOCKER_HOST_NAME
from planodev.problems import Command, CredentialsRefused, Fix, NotReady, PlanodevError, VerificationFailed
from planodev.production import COMPOSE, READY, is_for_kubernetes
from planodev.project.env_keys import DATABASE, HOST, PASSWORD, PORT

if TYPE_CHECKING:
    from pathlib import Path

    from planodev.postgres.connection import Connection
    from planodev.problems import Problem

# Whatever is not here is a `VerificationFailed`.
_KINDS: dict[str, type[PlanodevError]] = {
    **dict.fromkeys(
        (
            "password-refused",
            "not-scram",
            "database-missing",
            "login-privilege-missing",
            "connect-privilege-missing",
            "connection-limit",
            "pg-hba",
            "pooler-rejects",
            "login-failed",
        ),
        CredentialsRefused,
    ),
    **dict.fromkeys(
        (
            "name-not-found",
            "connection-refused",
            "unreachable",
            "not-postgres",
            "not-ready",
            "too-many-connections",
            "pooler-without-server",
            "login-timed-out",
            "proof-timed-out",
        ),
        NotReady,
    ),
}


def error(problem: Problem, connection: Connection, file: Path) -> PlanodevError:
    """Return the error that carries a problem, with the fix for a server that planodev does not run.

    Args:
        problem: of `postgres.proof` or `production.verify`.
        connection: what was tried.
        file: the environment file that it comes from.

    """
    fix = _fixes(connection, file).get(problem.code, problem.fix)
    return kind_of(problem.code).of(replace(problem, fix=fix))


def kind_of(code: str) -> type[PlanodevError]:
    """Return the class of error, and with it the exit code, of a problem with a login or a proof."""
    return _KINDS.get(code, VerificationFailed)


def _log_of_pgbouncer(file: Path) -> str:
    if is_for_kubernetes(file.parent):
        return "`kubectl logs deployment/plano -c pgbouncer` in its namespace"
    return f"`docker compose -f {COMPOSE} logs pgbouncer`"


def _fixes(connection: Connection, file: Path) -> dict[str, Fix | str]:
    user, database = sql.identifier(connection.user), sql.identifier(connection.database)
    skeletons = Command("production", "PROVIDER")
    to_resolve = f"correct {HOST} in `{file}`, or run this where Plano will run"
    if connection.host == DOCKER_HOST_NAME:
        to_resolve = "tell this machine the name that a container has for it, in `/etc/hosts`, as PRODUCTION.md says"
    run_sql = Fix("run `conversation_states.sql` as an owner; ", skeletons, " writes it")
    return {
        "name-not-found": to_resolve,
        "connection-refused": f"correct {HOST} and {PORT} in `{file}`; if {HOST} is PgBouncer, start it first",
        "unreachable": "let this machine through the server's firewall, or run this where Plano will run",
        "not-postgres": f"correct {PORT} in `{file}`",
        "not-ready": "retry when the server is up",
        "too-many-connections": "raise the server's limit, or end connections that are not needed",
        "pooler-without-server": f"read its log, {_log_of_pgbouncer(file)}: the host "
        "in `pgbouncer.ini`, the authority in `server-ca.pem`, or a firewall",
        "login-timed-out": "raise `--timeout`; if this is a pooler, check that it reaches its server",
        "proof-timed-out": "check `pg_locks`, or raise `--timeout`",
        "password-refused": f"set it again as an owner, `\\password {user}` in psql, and correct {PASSWORD} in "
        f"`{file}`; restart a PgBouncer in between",
        "not-scram": f"write `scram-sha-256` there, or as `auth_type` of PgBouncer; else correct {PORT} in `{file}`",
        "database-missing": f"correct {DATABASE} in `{file}`, or as an owner: "
        f"`CREATE DATABASE {database} {server_facts.IN_UTF8};`",
        "database-encoding": f"{server_facts.beside(connection.database)}, as {DATABASE} in `{file}`",
        "login-privilege-missing": f"as an owner: `ALTER ROLE {user} LOGIN;`",
        "connection-limit": f"as an owner: `ALTER ROLE {user} CONNECTION LIMIT -1; "
        f"ALTER DATABASE {database} CONNECTION LIMIT -1;`, or end connections that are not needed",
        "connect-privilege-missing": f"as an owner: `GRANT CONNECT ON DATABASE {database} TO {user};`",
        "pg-hba": f"allow {user} from this machine: in `pg_hba.conf`, or in the provider's list of networks",
        "pooler-rejects": f"set {DATABASE}={READY} in `{file}`: another name is Plano's alone, by `pgbouncer_hba.conf`",
        "login-failed": f"correct `{file}`; the server's log says more",
        "tls-required": Fix("run PgBouncer in between: ", skeletons, " writes it, and PRODUCTION.md says how"),
        "idle-session-timeout": f"as an owner: `ALTER ROLE {user} IN DATABASE {database} "
        "SET idle_session_timeout = 0;`",
        "prepared-statements-lost": "set `max_prepared_statements = 200` in PgBouncer 1.21 or newer, or do without it",
        "row-level-security": f"as the table's owner: `DROP POLICY IF EXISTS {user} ON {state_table.NAME}; "
        f"CREATE POLICY {user} ON {state_table.NAME} FOR ALL TO {user} USING (true) WITH CHECK (true);`",
        "table-missing": run_sql,
        "table-wrong-kind": Fix("rename it, then ", *run_sql.parts),
    }
