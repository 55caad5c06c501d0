"""The proof that Plano can store: Plano's own statements, run as Plano will run them, and rolled back.

It has two drivers, because it must run where Plano runs: a script for `psql`, for a container placed beside
Plano's, and psycopg, for this machine. Both report the same `Evidence`, and `judge` says what is wrong.

Source of the statements: Plano 0.4.36, `crates/brightstaff/src/state/postgresql.rs:39-160`.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from planodev import trace
from planodev.background import NotDone, within
from planodev.engines import Container, Engine, Probe
from planodev.postgres import by_hand, limits, locks, scram, state_table
from planodev.postgres.connection import DOCKER_HOST_NAME
from planodev.problems import Command, Fix, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from planodev.postgres.by_hand import ByHand
    from planodev.postgres.connection import Connection
    from planodev.problems import Level

_PUT = f"""\
INSERT INTO {state_table.NAME} (response_id, input_items, created_at, model, provider, updated_at)
VALUES ($1, $2, $3, $4, $5, NOW())
ON CONFLICT (response_id) DO UPDATE SET input_items = EXCLUDED.input_items, model = EXCLUDED.model,
provider = EXCLUDED.provider, updated_at = NOW()"""
_GET = f"SELECT response_id, input_items, created_at, model, provider FROM {state_table.NAME} WHERE response_id = $1"
_DELETE = f"DELETE FROM {state_table.NAME} WHERE response_id = $1"
STATEMENTS = (_PUT, _GET, _DELETE)
_ITEMS = '[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "planodev"}]}]'
# The items of the one row, a turn, in this order: Plano's statement first inserts it, then updates it by ON CONFLICT.
_WRITES = ("[]", _ITEMS)
_CREATED_AT = 1234567890
PATIENCE = 10.0  # seconds to connect


class Evidence(NamedTuple):
    """What one run of the proof saw.

    Args:
        facts: the object of `state_table.FACTS`, None when no query succeeded.
        conversations: the number of rows, None where they could not be counted.
        estimated: whether that is PostgreSQL's own estimate of a large number.
        stored: whether a row was written, changed, read back and deleted.
        error: the server's or the client library's message, None when there was none.
        sqlstate: the five characters of the server's error, if it came to that.
        address: what the host name resolved to, where that is known.
        engine_silent: whether the engine, which was to ask the server, did not answer itself.
        holder: who has locked the server's catalogue, None where nobody has, or that is not known.

    """

    facts: dict[str, Any] | None
    stored: bool
    error: str | None = None
    sqlstate: str | None = None
    address: str | None = None
    conversations: int | None = None
    estimated: bool = False
    engine_silent: bool = False
    holder: locks.Holder | None = None


def psql_environment(connection: Connection, timeout: float) -> dict[str, str]:
    """Return the variables that make `psql` enter as Plano will: without TLS, with this user and password."""
    return {
        "PGHOST": connection.host,
        "PGPORT": str(connection.port),
        "PGUSER": connection.user,
        "PGPASSWORD": connection.password,
        "PGDATABASE": connection.database,
        "PGSSLMODE": "disable",
        "PGGSSENCMODE": "disable",
        "PGCONNECT_TIMEOUT": limits.connect(timeout),
        "PGAPPNAME": "planodev",
        "PGOPTIONS": connection.options,
        "PGCLIENTENCODING": "UTF8",
        "LC_ALL": "C",
        **scram.variables(connection.host, own=connection.own),
    }


def psql_script(timeout: float) -> str:
    """Return the script for `psql -XAtq`: it prints the facts, the row that was read back, and `stored`.

    It is one transaction, whose statements take `timeout` seconds at most.
    """
    key = _key()
    writes = "\n".join(
        f"EXECUTE planodev_put ('{key}', '{items}', {_CREATED_AT}, 'model', 'provider');" for items in _WRITES
    )
    return f"""\
\\set ON_ERROR_STOP 1
\\set VERBOSITY verbose
BEGIN;
{limits.statements(timeout)}{state_table.LOOK}
PREPARE planodev_put (text, jsonb, bigint, text, text) AS {_PUT};
PREPARE planodev_get (text) AS {_GET};
{writes}
EXECUTE planodev_get ('{key}');
\\echo stored
{_DELETE.replace("$1", f"'{key}'")};
ROLLBACK;
"""


def read_psql(stdout: str, stderr: str) -> Evidence:
    """Turn what `psql` printed into evidence."""
    lines = stdout.splitlines()
    facts = None
    with suppress(ValueError):  # where something else is called `psql`
        facts = _facts(json.loads(lines[0])) if lines and lines[0].startswith("{") else None
    count = state_table.read_count(lines[1]) if facts and len(lines) > 1 else None
    stored = any(f"|{_CREATED_AT}|model|provider" in line for line in lines) and "stored" in lines
    found = re.search(r"(?:ERROR|FATAL|PANIC): +(?:([0-9A-Z]{5}): )?(.*)", stderr)
    error, sqlstate = (found[2].strip(), found[1]) if found else (stderr.strip() or None, None)
    address = re.search(r'connection to server at "[^"]*" \(([^)]+)\)', stderr)
    rows = count.rows if count else None
    estimated = bool(count and count.estimated)
    return Evidence(facts, stored, error, sqlstate, address[1] if address else None, rows, estimated)


def _facts(found: dict[str, Any]) -> dict[str, Any] | None:
    """Return the object that was printed where it is that of `state_table.FACTS`, None for another program's."""
    return found if {"server_version_num", "table"} <= found.keys() else None


def run_by_psql(
    engine: Engine,
    where: Container | Probe,
    connection: Connection,
    timeout: float,
    go: Callable[[], bool] | None = None,
) -> Evidence:
    """Run the proof in a container of the engine, with the address, the user and the password that Plano uses.

    Args:
        engine: the open engine.
        where: see `Engine.psql`, as is `go`.
        connection: where and as whom.
        timeout: seconds for all of it, where the engine may be waited for as long.
        go: says when to begin.

    """
    seconds = limits.within(engine.limit, timeout)
    script, variables = psql_script(seconds), psql_environment(connection, seconds)
    done = engine.psql(where, script, variables, seconds=seconds, go=go)
    return read_psql(done.out, done.err)


def beside_plano(image: str, timeout: float) -> Probe:
    """Return the probe container in Plano's network, for proofs of `timeout` seconds each."""
    return Probe(image, 2 * timeout + 60)


def inside(engine: Engine, server: Container, timeout: float) -> Container | Probe:
    """Return the server's own container, for a proof without a probe, if it reaches the port as Plano does."""
    return server if engine.traits.hairpin else beside_plano(server.image, timeout)


def run_here(connection: Connection, timeout: float) -> Evidence:
    """Run the proof from this machine, with named prepared statements on one connection, as Plano does.

    Args:
        connection: where and as whom.
        timeout: seconds for all of it.

    """
    found = [Evidence(None, stored=False)]
    try:
        within(timeout, lambda: _statements(connection, timeout, found))
    except NotDone:
        return found[0]._replace(error=limits.silent(timeout))
    return found[0]


def _statements(connection: Connection, timeout: float, found: list[Evidence]) -> None:
    """Run the statements; `found` has at each moment what was seen until then."""
    import psycopg

    try:
        with login(connection, timeout) as session:
            session.execute(limits.statements(timeout))
            facts = read_facts(session)
            found[0] = Evidence(facts, stored=False)
            if facts["table"] and facts["table"]["kind"] in state_table.TABLES and not facts["lock"]:
                rows, estimated = state_table.read_count(_one(session.execute(state_table.COUNT)))
                found[0] = Evidence(facts, stored=False, conversations=rows, estimated=estimated)
            try:
                key = _key()
                found[0] = found[0]._replace(stored=_store(session, key))
                session.execute(_DELETE.replace("$1", "%s"), (key,), prepare=True)  # Plano itself needs no DELETE
            finally:
                session.rollback()
    except psycopg.Error as error:
        refused = refusal(error)
        found[0] = found[0]._replace(error=refused.error, sqlstate=refused.sqlstate, address=refused.address)


def _store(session: Any, key: str) -> bool:  # noqa: ANN401
    """Write, change and read a conversation; returns whether it was read as it was written."""
    put, get = (statement.replace("$1", "%s", 1) for statement in (_PUT, _GET))
    for place in ("$2", "$3", "$4", "$5"):
        put = put.replace(place, "%s", 1)
    for items in _WRITES:
        session.execute(put, (key, items, _CREATED_AT, "model", "provider"), prepare=True)
    row = session.execute(get, (key,), prepare=True).fetchone()
    return row is not None and tuple(row[2:]) == (_CREATED_AT, "model", "provider")


def read_facts(session: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the object of `state_table.FACTS`, as a session's role sees the table."""
    facts: dict[str, Any] = json.loads(_one(session.execute(state_table.FACTS)))
    return facts


def refusal(error: psycopg.Error) -> Evidence:
    """Turn an error of psycopg into evidence; its text never holds the password, which libpq does not repeat."""
    message = " ".join(str(error).split())
    address = re.search(r'connection to server at "[^"]*" \(([^)]+)\)|connection to server at "([0-9.:a-f]+)"', message)
    return Evidence(
        None, stored=False, error=message, sqlstate=error.sqlstate, address=address and (address[1] or address[2])
    )


def said(error: Exception) -> str:
    """Return an error in the server's own words, without its context: the row that it stood at is a conversation."""
    message = getattr(getattr(error, "diag", None), "message_primary", None)
    return " ".join(str(message or error).split())


def login(connection: Connection, timeout: float, **others: str) -> Any:  # noqa: ANN401
    """Open a connection as Plano does: no TLS, no fallback to another password.

    Args:
        connection: where and as whom; without a password libpq ends where the server asks for one.
        timeout: seconds, at least 2.
        others: parameters of libpq that differ from Plano's, such as `sslmode`.

    Returns:
        A `psycopg.Connection[tuple[Any, ...]]`.

    Raises:
        psycopg.Error: no login within `timeout` seconds.

    """
    import psycopg

    from planodev.postgres.session import Session

    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]  # libpq would follow PGSERVICE or PGHOSTADDR elsewhere; Plano's driver knows none of them
    parameters: dict[str, Any] = {
        "host": connection.host,
        "port": connection.port,
        "user": connection.user,
        "password": connection.password,
        "dbname": connection.database,
        "options": connection.options,
        "sslmode": "disable",
        "gssencmode": "disable",
        "connect_timeout": max(2, round(timeout)),
        "application_name": "planodev",
        "client_encoding": "UTF8",  # as Plano's driver does, whatever the database's setting is
        "passfile": f"{os.devnull}/none",  # no such file, and libpq does not warn of that
    }
    parameters |= scram.parameters(connection.host, own=connection.own)
    parameters |= others
    try:
        session = Session.connect(**parameters)
    except UnicodeError:  # psycopg's, and its text has the password
        raise psycopg.OperationalError(_not_encodable(connection)) from None
    session.again = lambda: Session.connect(**{**parameters, "connect_timeout": 2})
    if trace.write:
        trace.note(f"logged in as {connection.user} at {connection.host}:{connection.port}")
        session.cursor_factory = trace.cursor()
    return session


def _not_encodable(connection: Connection) -> str:
    """Say which part of a connection is none that could be sent: bytes that are no text, or no name of a host."""
    for part, text in (("password", connection.password), ("host", connection.host)):
        if re.search(r"[\ud800-\udfff]", text):
            return f"the {part} is not UTF-8 once decoded"
    return f"failed to resolve host '{connection.host}'"


def judge(
    evidence: Evidence, connection: Connection, up: Fix | None = None, *, ours: bool, hand: ByHand = by_hand.UNKNOWN
) -> Problem | None:
    """Decide from the evidence whether Plano can store; None when it can. Pure.

    Args:
        evidence: from either driver.
        connection: what was tried, for the words.
        up: what sets right a login, or creates the table, on a server that planodev does not run, in place of a general
            word.
        ours: whether it is the project's own server, which `planodev up` mends, or `BY_HAND` where that would end in
            the same.
        hand: how SQL is run there by a person.

    """
    facts = evidence.facts
    if facts is None:
        return _no_login(evidence, connection, None if ours else up or _ITS_LOG)
    table = state_table.judge(facts, up, ours=ours, hand=hand)
    if table is None and evidence.stored:
        return None
    message = cannot_store(connection)
    if table:
        return replace(table, message=message, why=table.message)
    if evidence.sqlstate == LOCK_NOT_AVAILABLE or (facts.get("lock") and is_late(evidence)):
        return replace(locked(facts, hand if ours else None), message=message)
    if is_late(evidence):
        why = "the server did not answer a statement in time: it is overloaded, or frozen"
        fix = BY_HAND["unreachable"] if ours else Fix("try again once that server has less to do, or restart it")
        return Problem("statement-timed-out", message, fix, why, level="error")
    why = evidence.error or "the row that was written could not be read back"
    fix = _storing(facts, evidence.error or "", hand) if ours else _ITS_LOG
    return Problem("store-failed", message, fix, why, level="error")


def locked(facts: dict[str, Any], hand: ByHand | None, level: Level = "error") -> Problem:
    """Return the problem of a table that somebody else has locked.

    Args:
        facts: the object of `state_table.FACTS`.
        hand: how SQL is run by a person on the project's own server, None where planodev does not run it.
        level: of the problem.

    """
    lock, superuser = facts.get("lock"), bool(facts.get("superuser"))
    end = state_table.ending(lock, hand, facts["user"], superuser=superuser) if hand is not None else None
    return state_table.locked(lock, level, end)


def _storing(facts: dict[str, Any], error: str, hand: ByHand) -> Fix:
    log = Fix(Command("logs"), " has the server's own words")
    mend = state_table.mending_store(facts, error, hand)
    return mend + "; " + log if mend else log


_ITS_LOG = Fix("the server's log says more")  # of a server that planodev does not run


def cannot_store(connection: Connection) -> str:
    """Return the sentence for a login that succeeded, and a proof that did not."""
    return f"Plano cannot store conversations as `{connection.user}` at {connection.host}:{connection.port}"


# SQLSTATEs: a lock was not granted in time; a statement was cancelled, since it took too long.
LOCK_NOT_AVAILABLE, QUERY_CANCELED = "55P03", "57014"
# How an error begins without its five characters: of libpq, of the server in a login or where `psql` prints it.
_LATE = r"timeout expired|canceling statement due to (?:lock|statement) timeout"


def is_late(evidence: Evidence) -> bool:
    """Say whether a login, a statement or the engine between took too long."""
    known = evidence.engine_silent or evidence.sqlstate == QUERY_CANCELED
    return known or re.search(_LATE, evidence.error or "") is not None


def silence(evidence: Evidence) -> str:
    """Return the sentence for a server that runs, and from which nothing came in time."""
    why = evidence.holder.text if evidence.holder else " ".join((evidence.error or "").split())
    return f"Postgres is running, but does not answer: {why}"


def server_silent(evidence: Evidence, level: Level = "error") -> Problem:
    """Return the problem of such a server; its message has the cause, as a warning is shown without its `why`."""
    restart = Fix(Command("down", "--keep-data"), " and ", Command("up"), " restart it, and the data is kept; ")
    fix = restart + Fix(Command("logs"), " has its log")
    fix = ending(evidence.holder, fix) if evidence.holder else fix
    return Problem("server-silent", silence(evidence), fix, evidence.error, level=level)


def ending(holder: locks.Holder, restart: Fix) -> Fix:
    """Return the fix for a lock on the catalogue; a holder whose process is stopped ends by a restart alone."""
    return restart if holder.stopped else Fix("end that transaction; or ") + restart


# Messages of libpq 12 to 17, and FATAL messages of servers. The first that matches wins.
_LOGIN_FAILURES = (
    (
        r"could not translate host name|failed to resolve host|Name or service not known|nodename nor servname",
        "name-not-found",
    ),
    (r"starting up|shutting down|in recovery mode|not yet accepting", "not-ready"),
    (r"requirement .* failed: server (?:did not complete authentication|requested a cleartext)", "not-scram"),
    (
        r"(?:password|SASL) authentication failed|SCRAM|no password supplied|authentication method .* failed",
        "password-refused",
    ),
    (r"role \".*\" does not exist", "password-refused"),
    (r"no pg_hba.conf entry|pg_hba.conf rejects connection", "pg-hba"),
    (r"FATAL: +login rejected", "pooler-rejects"),  # PgBouncer 1.24 and later
    (r"database \".*\" does not exist", "database-missing"),
    (r"permission denied for database|does not have CONNECT", "connect-privilege-missing"),
    (r"not permitted to log in", "login-privilege-missing"),
    (r"too many connections for (?:database|role)", "connection-limit"),
    (r"too many (clients|connections)|remaining connection slots", "too-many-connections"),
    (r"Connection refused", "connection-refused"),
    (r"timeout expired|timed out|No route to host|unreachable", "unreachable"),
    (
        r"closed the connection unexpectedly|(?:invalid|unexpected) response|expected authentication|Connection reset",
        "not-postgres",
    ),
)


# libpq's message where the server has the password's MD5 hash instead of a verifier; `up` sets a verifier.
_HASHED = "server requested a hashed password"


_AGAIN = (Command("down", "--keep-data"), " and ", Command("up"))
# Fixes for the project's own server where `up` alone would fail with the same error.
BY_HAND = {
    "not-scram": Fix(
        "write `scram-sha-256` there, in the data that ", Command("status"), " names; then ", *_AGAIN, " restart it"
    ),
    "pg-hba": Fix(
        "add a `host` line with `scram-sha-256` to the pg_hba.conf in the data that ",
        *(Command("status"), " names; then ", *_AGAIN, " restart it"),
    ),
    "too-many-connections": Fix("end the programs that keep them; or ", *_AGAIN, " end them all; the data is kept"),
    "unreachable": Fix(*_AGAIN, " restart it; the data is kept"),
    "login-failed": Fix(Command("logs"), " shows the server's view"),
}


def _no_login(evidence: Evidence, connection: Connection, elsewhere: Fix | None) -> Problem:
    text = evidence.error or "no answer"
    code = next((code for pattern, code in _LOGIN_FAILURES if re.search(pattern, text)), "login-failed")
    at = f"{connection.host}:{connection.port}" + (f" ({evidence.address})" if evidence.address else "")
    where = " where Plano runs" if connection.host == DOCKER_HOST_NAME else ""
    user, database = connection.user, connection.database
    why = {
        "name-not-found": f"the name `{connection.host}` does not resolve{where}",
        "not-ready": f"the server at {at} is starting up or shutting down",
        "not-scram": f"the server at {at} does not ask by SCRAM, so the password was not sent: a `host` line of its "
        "pg_hba.conf has another method, such as `trust` or `password`",
        "password-refused": f"the server at {at} has an MD5 hash of the password of `{user}`, which was not sent: that "
        "can be looked up, and planodev logs in by SCRAM alone"
        if _HASHED in text
        else f"the server at {at} refuses the password of `{user}`",
        "pg-hba": f"the server at {at} has no pg_hba.conf entry for `{user}` without TLS",
        "pooler-rejects": f"the PgBouncer at {at} rejects logins from here to the database name `{database}`",
        "database-missing": f"the server at {at} has no database `{database}`",
        "connect-privilege-missing": f"`{user}` may not CONNECT to database `{database}`",
        "login-privilege-missing": f"`{user}` may not log in",
        "connection-limit": f"the CONNECTION LIMIT of `{user}` or of the database `{database}` is reached",
        "too-many-connections": f"the server at {at} has no connection left",
        "connection-refused": f"nothing listens at {at}",
        "unreachable": f"{at} does not answer",
        "not-postgres": f"what listens at {at} does not speak PostgreSQL's protocol, or closes at once",
    }.get(code, text)
    fix = elsewhere or BY_HAND.get(code) or Fix(Command("up"))
    return Problem(code, f"login failed for `{user}` on database `{database}`", fix, why, level="error")


def _one(cursor: Any) -> Any:  # noqa: ANN401
    row = cursor.fetchone()
    return row[0]


def _key() -> str:
    return f"planodev_proof_{os.urandom(8).hex()}"
