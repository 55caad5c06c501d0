"""What a server that planodev does not run can lack: the kind of failure, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planodev.problems import CredentialsRefused, NotReady, PlanodevError, VerificationFailed

if TYPE_CHECKING:
    from pathlib import Path

    from planodev.postgres.connection import Connection

# Source: postgres-protocol 0.6 of the driver refuses more, against servers that would keep it busy.
MOST_ITERATIONS = 100_000

_REFUSED = (
    "password-refused",
    "database-missing",
    "login-privilege-missing",
    "connect-privilege-missing",
    "pg-hba",
    "login-failed",
)
_NO_ANSWER = (
    "name-not-found",
    "connection-refused",
    "unreachable",
    "not-postgres",
    "not-ready",
    "too-many-connections",
    "pooler-without-server",
    "login-timed-out",
    "proof-timed-out",
)
_SQL = "`conversation_states.sql` as an owner; `planodev production PROVIDER` writes it"
_FIXES = {
    "name-not-found": "correct DB_HOST in `{file}`, or run this where Plano will run",
    "connection-refused": "correct DB_HOST and DB_PORT in `{file}`; where DB_HOST is PgBouncer, start it first",
    "unreachable": "let this machine through the server's firewall, or run this where Plano will run",
    "not-postgres": "correct DB_PORT in `{file}`",
    "not-ready": "run this again when the server is up",
    "too-many-connections": "raise the server's limit, or end connections that are not needed",
    "pooler-without-server": "its log says why, `docker compose -f compose.production.yaml logs pgbouncer`: the name in"
    " `pgbouncer.ini`, the authority in `server-ca.pem`, or a firewall",
    "login-timed-out": "give it longer with `--timeout`; before a pooler, look whether it reaches its server",
    "proof-timed-out": "look into `pg_locks`, or give it longer with `--timeout`",
    "password-refused": "set it again as an owner, `\\password {user}` in psql, and correct DB_PASS in `{file}`;"
    " a PgBouncer between is then started again",
    "database-missing": "correct DB_NAME in `{file}`, or as an owner: `CREATE DATABASE {database};`",
    "login-privilege-missing": "as an owner: `ALTER ROLE {user} LOGIN;`",
    "connect-privilege-missing": "as an owner: `GRANT CONNECT ON DATABASE {database} TO {user};`",
    "pg-hba": "let {user} in from this machine: `pg_hba.conf`, or the provider's list of networks",
    "login-failed": "correct `{file}`; the server's log says more",
    "tls-required": "put PgBouncer between: `planodev production PROVIDER` writes it, and PRODUCTION.md says how",
    "scram-iterations": "as an owner: `SET scram_iterations = 4096;`, then set the password of {user} again",
    "idle-session-timeout": "as an owner: `ALTER ROLE {user} IN DATABASE {database} SET idle_session_timeout = 0;`",
    "prepared-statements-lost": "take the session mode of the pooler, or the server itself",
    "row-level-security": f"run {_SQL}",
    "table-missing": f"run {_SQL}",
    "table-wrong-kind": f"rename it, then run {_SQL}",
    "store-failed": "the server's log says more",
}


def fault(code: str, why: str, way: Connection, file: Path, fix: str) -> PlanodevError:
    """Return the error of a code.

    Args:
        code: of `plano.proof`, `plano.state_table` or this module.
        why: the cause, without the password.
        way: what was tried.
        file: the environment file that it comes from.
        fix: what mends it, where this module knows nothing better.

    """
    kind: type[PlanodevError] = VerificationFailed
    if code in _REFUSED:
        kind = CredentialsRefused
    elif code in _NO_ANSWER:
        kind = NotReady
    words = {"file": file, "user": way.user, "database": way.database}
    mend = _FIXES[code].format(**words) if code in _FIXES else fix
    return kind(code, f"Plano could not store as {way.user} at {way.host}:{way.port}", why=why, fix=mend)
