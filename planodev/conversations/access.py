"""Sessions with the database of a command, the project's own or that of an environment file, and its errors."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from planodev import address
from planodev.look import Context, files, look
from planodev.plano import config_file, storage
from planodev.postgres import limits, locked_catalogue, processes, proof, sql, state_table
from planodev.postgres.by_hand import ByHand
from planodev.problems import Command, CredentialsRefused, Fix, NotReady, PlanodevError, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from planodev.look import Files, Seen
    from planodev.postgres.connection import Connection

_LOCKED, _CANCELED, _DENIED = "55P03", "57014", "42501"
# Classes of SQLSTATEs that the table's facts may explain: data that a type does not accept, and names, types or rights
# that are missing.
_OF_THE_TABLE = ("22", "42")


@dataclass(frozen=True)
class Place:
    """A database to log in to.

    Args:
        connections: to try in this order.
        file: that names the server.
        context: the run.
        ours: whether it is the project's own database, which planodev runs.
        read: the project's files; None where the option `env_file` names another.

    """

    connections: tuple[Connection, ...]
    file: Path
    context: Context
    ours: bool
    read: Files | None = field(default=None, repr=False)

    def look(self) -> Seen:
        """Return what the engine of the project has, by the files as they were read; raises as `planodev.look.look`."""
        return look(replace(self.context, options={}), read=self.read)


def place(context: Context) -> Place:
    """Return where the option `env_file`, else the project's `.env`, else its configuration says that the table is.

    Raises:
        BadInput: a file cannot be read.
        VerificationFailed: it does not say all that is needed.

    """
    if context.options.get("env_file"):
        return _hosted(context)
    read = files(context)
    found = address.find(read.env, read.credentials, read.config, context.environment)
    return Place((found.connection,), found.file, context, found.ours, read)


def _hosted(context: Context) -> Place:
    from planodev.production import env_file

    here = context.project.path
    path = here / context.options["env_file"]
    config = config_file.load(config_file.find(here, context.sources.settings.config.value))
    target = env_file.read(path, config, context.progress, keys=False)
    first = storage.connection_to(target)
    own = path == context.project.env_path
    connections = tuple(first._replace(host=host, port=port, own=own) for host, port in target.hosts)
    return Place(connections, path, context, ours=False)


@contextmanager
def session(at: Place, *, writes: bool = False) -> Iterator[Any]:
    """Log in, and open a transaction that is bounded in time, and read-only unless it `writes`.

    Yields:
        A `psycopg.Connection[tuple[Any, ...]]`.

    Raises:
        PlanodevError: there is no login, or a statement failed; with what that means.

    """
    import psycopg

    opened = log_in(at)
    if at.ours:
        opened.stopped = lambda: _stopped(at)
    try:
        # For each transaction, not for the session: a pooler passes its connection on, perhaps to Plano.
        opened.read_only = not writes
        limits.bound(opened)
        yield opened
    except psycopg.Error as error:
        explain(error, opened, at)
    finally:
        with suppress(psycopg.Error):
            opened.close()


def log_in(at: Place) -> Any:  # noqa: ANN401
    """Return a session over the first connection that works.

    Raises:
        PlanodevError: there is none; for the last of the ways.

    """
    import psycopg

    if at.ours:
        _refuse_other_server(at)
    for connection in at.connections[:-1]:
        with suppress(psycopg.Error):
            return proof.login(connection, limits.LOGIN)
    try:
        return proof.login(at.connections[-1], limits.LOGIN)
    except psycopg.Error as error:
        _refuse(at, at.connections[-1], proof.refusal(error))


def _refuse(at: Place, connection: Connection, seen: proof.Evidence) -> NoReturn:
    from planodev.production import server_faults

    problem = proof.judge(seen, connection, ours=at.ours)
    assert problem  # noqa: S101  without facts there is a problem
    if not at.ours:
        raise server_faults.error(problem, connection, at.file)
    from planodev.engines.docker import unreachable

    found = at.look()
    try:
        have = found.observed.container
        locked = locked_catalogue.explained(problem, found, have) if have else None
        problem = locked or unreachable.from_around(problem, found.engine)
    finally:
        found.engine.close()
    raise server_faults.kind_of(problem.code).of(problem)


def _refuse_other_server(at: Place) -> None:
    """Check that the project's own server listens at its port, before the password is sent there.

    Raises:
        NotReady: it does not.

    """
    found = at.look()
    try:
        if problem := found.not_listening:
            raise NotReady.of(problem)
    finally:
        found.engine.close()


def _stopped(at: Place) -> frozenset[int] | None:
    """Return the server's processes that are stopped; None where that cannot be seen."""
    try:
        found = at.look()
    except PlanodevError:
        return None
    try:
        return processes.stopped(found)
    finally:
        found.engine.close()


def explain(error: Any, opened: Any, at: Place) -> NoReturn:  # noqa: ANN401  psycopg is loaded late
    """Raise what an error of the server means for this table.

    Args:
        error: a `psycopg.Error`.
        opened: the session that it was raised in.
        at: where that is.

    Raises:
        PlanodevError: always.

    """
    import psycopg

    with suppress(psycopg.Error):
        opened.rollback()
        opened.read_only = False  # else the facts report a read-only server
    state = error.sqlstate or ""
    if opened.closed or opened.broken or state.startswith(("57P", "08")):
        fix = Fix(Command("status"), " says whether it runs; then run this again") if at.ours else "run this again"
        raise NotReady(
            "connection-lost", "the connection to the database was lost", why=proof.said(error), fix=fix
        ) from error
    if state in (_LOCKED, _CANCELED):
        raise _waited(opened, at) from error
    problem = None
    if state.startswith(_OF_THE_TABLE):
        with suppress(psycopg.Error):
            problem = state_table.judge(proof.read_facts(opened), ours=at.ours, hand=_by_hand(at)[0])
    if problem:
        from planodev.production import server_faults

        raise (
            VerificationFailed.of(problem) if at.ours else server_faults.error(problem, at.connections[0], at.file)
        ) from error
    if state == _DENIED:
        user = at.connections[0].user
        raise CredentialsRefused(
            "privilege-refused",
            f"`{user}` may not do this to `{state_table.NAME}`",
            why=proof.said(error),
            fix=granting(opened, at),
        ) from error
    fix = Fix(Command("logs"), " has the server's log") if at.ours else "the server's log says more"
    raise PlanodevError("query-failed", "the database refused a statement", why=proof.said(error), fix=fix) from error


def _by_hand(at: Place) -> tuple[ByHand, bool]:
    """Return how a person runs SQL on the project's own server, and whether Plano's role is its superuser."""
    if not at.ours:
        return ByHand(), False
    try:
        found = at.look()
    except PlanodevError:
        return ByHand(), False
    try:
        return found.by_hand, found.user == found.superuser
    finally:
        found.engine.close()


def granting(opened: Any, at: Place) -> Fix:  # noqa: ANN401
    """Return what gives the role of a session all that a command needs of the table."""
    import psycopg

    if at.ours:
        with suppress(psycopg.Error):
            facts = proof.read_facts(opened)
            if facts["table"]:
                return state_table.Table(facts, _by_hand(at)[0]).grant()
    needed = "SELECT, INSERT, UPDATE, DELETE" + (", TRUNCATE" if at.ours else "")  # for `reset`
    user = sql.identifier(at.connections[0].user)
    return Fix(f"as the table's owner: `GRANT {needed} ON {state_table.NAME} TO {user};`")


def _waited(opened: Any, at: Place) -> NotReady:  # noqa: ANN401
    import psycopg

    found = None
    with suppress(psycopg.Error):
        found = opened.execute(state_table.HOLDER).fetchone()
    if found is None:
        why = f"a statement took more than {limits.READING:g} seconds"
        return NotReady("query-timed-out", "the database did not answer in time", why=why, fix="run this again")
    lock, end = found[0], None
    if at.ours:
        hand, superuser = _by_hand(at)
        lock = processes.with_stopped(lock, _stopped(at))
        end = state_table.ending(lock, hand, at.connections[0].user, superuser=superuser)
    problem = state_table.locked(lock, end=end)
    return NotReady(problem.code, problem.message, why=problem.why, fix=problem.fix)
