"""Whether Plano could store on a server that planodev does not run: verified from this machine, in bounded time."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote

from planodev import background
from planodev.plano import config_file
from planodev.postgres import proof, session_faults
from planodev.postgres.connection import Connection, is_loopback
from planodev.problems import Command, CredentialsRefused, Fix, NotReady, PlanodevError, Problem
from planodev.production import READY, env_file, server_faults
from planodev.project import defaults, env_keys, settings
from planodev.result import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from planodev.plano.driver_url import Target
    from planodev.progress import Progress
    from planodev.project.identity import Project

T = TypeVar("T")
# Seconds after which a cloud's network forgets a silent connection: 350 at AWS, 240 at Azure.
_FORGOTTEN_AFTER = 240
_KEEPALIVE = 7200  # seconds, the default of Linux
# Seconds for a second session, which a pooler with one connection for each user never gives.
_SECOND_SESSION = 3.0
# Messages of PgBouncer 1.18 to 1.24 where it has no connection to its server.
_POOLER_ALONE = r"query_wait_timeout|server_login_retry|cannot connect to server|server DNS lookup failed"
_SHARED = "it is a pooler in transaction mode, whose sessions share connections, and Plano keeps prepared statements"
# libpq's message where the server asks for a password and there is none.
_ASKS_FOR_PASSWORD = "no password supplied"  # noqa: S105


@dataclass(frozen=True)
class Seen:
    """A proof that passed: what was used, and what was found."""

    project: Project
    env_path: Path
    config_path: Path
    settings: settings.Settings
    target: Target
    connection: Connection
    address: str
    evidence: proof.Evidence


def prove(here: Project, options: Mapping[str, Any], variables: Mapping[str, str], progress: Progress) -> Seen:
    """Prove that a Plano started with an environment file can store; nothing is changed.

    Args:
        here: the project; relative paths start there.
        options: `env_file`, `config`, `timeout`.
        variables: the process's environment; nothing but the settings is taken from it.
        progress: takes messages.

    Raises:
        BadInput: a file cannot be read.
        CredentialsRefused: the server refuses the role.
        NotReady: no PostgreSQL answered in time.
        VerificationFailed: Plano would not start, or could not store.

    """
    chosen = settings.Sources(options, variables, here.path).settings
    seconds = chosen.timeout.value if chosen.timeout.source != "default" else defaults.HOSTED_TIMEOUT
    env_path = here.path / options["env_file"]
    config = config_file.load(config_file.find(here.path, chosen.config.value))
    target = env_file.read(env_path, config, progress)
    progress.begin(f"Verifying that Plano can store at {target.hosts[0][0]}")
    attempt = _Attempt(target, seconds, env_path, progress, own=env_path == here.env_path)
    connection, address, evidence = attempt.anywhere()
    detail = f"wrote and read a test conversation at {connection.host} from this machine"
    progress.done(Outcome("verified", "storage", detail + attempt.let_in_by))
    return Seen(here, env_path, config.path, chosen, target, connection, address, evidence)


class _Attempt:
    """One run over the hosts of a connection string, in the driver's order, until one is good or the time is up."""

    def __init__(self, target: Target, seconds: float, env_path: Path, progress: Progress, *, own: bool) -> None:
        self.own = own  # whether it is the project's own server
        self.target = target
        self.seconds = seconds
        self.env_path = env_path
        self.progress = progress
        self._end = time.monotonic() + seconds
        self._asked = True  # whether the server asks for a password
        self.let_in_by = ""  # how, in words, if not by a password

    def anywhere(self) -> tuple[Connection, str, proof.Evidence]:
        """Return the connection that is good, its address, and what was seen there; raise the last place's error."""
        last: PlanodevError | None = None
        to = self.target
        options = to.parameters.get("options", "")
        for host, port in to.hosts:
            connection = Connection(
                to.user or "", to.password or "", host, port, to.database or "", options, own=self.own
            )
            try:
                for address in self._addresses(connection):
                    found = self._try(connection, address)
                    if isinstance(found, proof.Evidence):
                        return connection, address, found
                    last = found
            except NotReady as error:  # the name was not resolved
                last = error
        assert last is not None  # noqa: S101  there is at least one host
        raise last

    def _addresses(self, connection: Connection) -> list[str]:
        if connection.host.startswith("/"):
            return [connection.host]
        try:
            found = self._within(lambda: socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM))
        except TimeoutError:
            self._fail(
                "name-not-found", f"the name `{connection.host}` was not resolved within {self.seconds:g} s", connection
            )
        except (OSError, UnicodeError):
            self._fail("name-not-found", f"the name `{connection.host}` does not resolve on this machine", connection)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def _try(self, connection: Connection, address: str) -> proof.Evidence | PlanodevError:
        """Return what was seen, or the error after which the driver would go on to the next place."""
        other = self.target.parameters.get("target_session_attrs") == "read-write"
        try:
            return self._at(connection, address)
        except PlanodevError as error:
            goes_on = isinstance(error, (NotReady, CredentialsRefused)) or (error.code == "server-read-only" and other)
            if not goes_on:
                raise
            return error

    def _at(self, connection: Connection, address: str) -> proof.Evidence:
        """Look at one address step by step, so that each way to fail has its own error."""
        import psycopg

        numeric = connection._replace(host=address)
        if not address.startswith("/"):
            self._reach(connection, address)
        self._greet(connection, numeric)
        session = self._log_in(connection, numeric)
        try:
            self._look_at_silence(connection, numeric, session)
            self._look_at_statements(connection, numeric, session)
        except psycopg.Error as error:
            self._judge(proof.refusal(error)._replace(address=address), connection)
        try:
            evidence = self._within(lambda: proof.run_here(numeric, self._left))
        except TimeoutError:
            why = f"the statements did not end within {self.seconds:g} s: another session locks the table"
            self._fail("proof-timed-out", why, connection)
        self._judge(evidence._replace(address=address), connection)
        return evidence

    def _reach(self, connection: Connection, address: str) -> None:
        """See that something listens there: libpq's time-out does not tell a silent server from lost packets."""
        at = _place(connection, address)
        try:
            socket.create_connection((address, connection.port), self._left).close()
        except TimeoutError:
            self._fail("unreachable", f"{at} did not answer within {self.seconds:g} s: packets are dropped", connection)
        except ConnectionRefusedError as error:
            self._judge(proof.Evidence(None, stored=False, error=error.strerror, address=address), connection)
        except OSError as error:
            family = "no IPv6 route, and it has no other address: " if ":" in address else ""
            self._fail("unreachable", f"{at}: {family}{error.strerror or error}", connection)

    def _greet(self, connection: Connection, numeric: Connection) -> None:
        """Begin a login without a password: it goes to no server that is not PostgreSQL, or that wants TLS first."""
        import psycopg

        unarmed, self._asked = numeric._replace(password=""), True
        try:
            self._begin(unarmed)
            self._asked = numeric.host.startswith("/")  # over a socket `peer` may be enough
        except TimeoutError:
            why = f"what listens at {_place(connection, numeric.host)} sent nothing within {self.seconds:g} s"
            self._fail("not-postgres", why, connection)
        except psycopg.Error as error:
            seen = proof.refusal(error)._replace(address=numeric.host)
            if _ASKS_FOR_PASSWORD in (seen.error or ""):
                return
            if seen.sqlstate or "FATAL" in (seen.error or ""):
                self._refuse_plaintext(connection, unarmed, seen)
            self._judge(seen, connection)

    def _begin(self, unarmed: Connection, **others: str) -> None:
        # The line ends make a server of another protocol, such as HTTP, answer; for PostgreSQL they are part of a name.
        name = "planodev\r\n\r\n"
        self._within(lambda: proof.login(unarmed, self._left, application_name=name, **others).close())

    def _refuse_plaintext(self, connection: Connection, unarmed: Connection, seen: proof.Evidence) -> None:
        """Tell a server that wants TLS from one that refuses everyone: begin the same login once more, encrypted."""
        import psycopg

        try:
            self._begin(unarmed, sslmode="require")
        except TimeoutError:
            return
        except psycopg.Error as error:
            if _ASKS_FOR_PASSWORD not in str(error):
                return
        said = (seen.error or "").partition("FATAL: ")[2].strip() or seen.error
        at = _place(connection, unarmed.host)
        self._fail(
            "tls-required", f"{at} refuses logins without TLS ({said}), and Plano's driver has no TLS", connection
        )

    def _log_in(self, connection: Connection, numeric: Connection) -> Any:  # noqa: ANN401  psycopg is loaded late
        import psycopg

        at = f"{connection.host}:{connection.port}"
        try:
            session = self._within(lambda: proof.login(numeric, self._left))
        except psycopg.Error as error:
            seen = proof.refusal(error)
            if re.search(_POOLER_ALONE, seen.error or ""):
                why = f"the pooler at {at} accepts the password, but does not reach the server behind it"
                self._fail("pooler-without-server", why, connection)
            if not proof.is_late(seen):
                self._judge(seen._replace(address=numeric.host), connection)
            self._late(connection, numeric)
        except TimeoutError:
            self._late(connection, numeric)
        session.autocommit = True
        return session

    def _late(self, connection: Connection, numeric: Connection) -> NoReturn:
        """Raise the error for a server that asked for a password and then did not complete the login."""
        said = f"{connection.host}:{connection.port} asked for a password, then sent nothing within {self.seconds:g} s"
        if not is_loopback(numeric.host):
            self._fail("login-timed-out", said, connection)
        # PgBouncer accepts the password, and lets its client wait for a connection to the server.
        self._fail("pooler-without-server", f"{said}: its server does not let it in, or is away", connection)

    def _look_at_silence(self, connection: Connection, numeric: Connection, session: Any) -> None:  # noqa: ANN401
        """Check that no time-out ends Plano's only connection while it is idle."""
        idle, keepalive = self._within(lambda: session.execute(session_faults.SILENCE).fetchone())
        if idle not in (None, "0"):
            why = f"the server ends a session of `{connection.user}` that is silent for {idle}"
            self._fail("idle-session-timeout", why, connection)
        mine = self.target.parameters.get("keepalives_idle", "")
        spoken = 0 < int(keepalive or 0) <= _FORGOTTEN_AFTER or (mine.isdigit() and int(mine) <= _FORGOTTEN_AFTER)
        if is_loopback(numeric.host) or spoken:
            return
        silent = int(keepalive or 0) or _KEEPALIVE
        text = f"an idle connection sends nothing for {silent} s, and many firewalls forget it earlier"
        fix = "add `?keepalives_idle=60` to the connection string in Plano's configuration"
        self.progress.notice(Problem("silence-may-cut", text, fix))

    def _look_at_statements(self, connection: Connection, numeric: Connection, session: Any) -> None:  # noqa: ANN401
        """See whether a second session disturbs the prepared statements of the first, and what a pooler is good for."""
        import psycopg

        pooled = self._within(lambda: session_faults.through_pooler(session))

        def alongside() -> tuple[bool, bool]:
            with proof.login(numeric, self._left) as second:
                second.autocommit = True
                return session_faults.share_a_backend(session, second), session_faults.keeps_statements(session, second)

        shared, kept = False, True  # a pooler without a connection for a second session is in session mode
        with suppress(TimeoutError, psycopg.OperationalError):
            shared, kept = self._within(alongside, _SECOND_SESSION)
        others = pooled and self._within(lambda: session_faults.others(session, proof.STATEMENTS))
        session.close()
        if not self._asked:
            self._tell_open_door(connection, pooled=pooled)
        if not kept:
            why = f"sessions at {connection.host}:{connection.port} share a connection to the server"
            self._fail("prepared-statements-lost", why, connection)
        if pooled:
            self._judge_pooler(connection, shared=shared, others=others)

    def _tell_open_door(self, connection: Connection, *, pooled: bool) -> None:
        """Warn of a server that asks for no password; not of a PgBouncer that only this machine reaches."""
        at = f"{connection.host}:{connection.port}"
        if pooled and is_loopback(connection.host):
            self.let_in_by = f", through the PgBouncer at {at}, which asks for no password"
            return
        text = f"{at} lets `{connection.user}` in without a password, as it lets everybody who reaches it"
        self.progress.notice(Problem("no-password-asked", text, "write `scram-sha-256` in its pg_hba.conf"))

    def _judge_pooler(self, connection: Connection, *, shared: bool, others: bool) -> None:
        """Warn of what a pooler that works now does when its server restarts."""
        at = f"the pooler at {connection.host}:{connection.port}"
        if not shared:
            message = f"{at} is in session mode: a restart of its server cuts off Plano's only connection for good"
            fix = Fix("set `pool_mode = transaction`; ", Command("production", "PROVIDER"), " writes all that it needs")
            self.progress.notice(Problem("pooler-session-mode", message, fix))
        elif others:
            message = f"other clients use the same connections of {at}: where the login of one fails, all are cut off"
            own = f"give each Plano its own PgBouncer, and set {env_keys.DATABASE}={READY} here, as PRODUCTION.md says"
            self.progress.notice(Problem("pooler-shared", message, own))

    def _judge(self, evidence: proof.Evidence, connection: Connection) -> None:
        """Raise what a proof or a login failed with; the server's words lose the password, should they repeat it."""
        if evidence.error and connection.password:
            said = evidence.error.replace(connection.password, "***").replace(
                quote(connection.password, safe="", errors="surrogateescape"), "***"
            )
            evidence = evidence._replace(error=said)
        problem = proof.judge(evidence, connection, ours=False)
        if problem is None:
            return
        if evidence.sqlstate in session_faults.LOST:
            self._fail("prepared-statements-lost", _SHARED, connection)
        if problem.code in ("table-locked", "statement-timed-out"):
            self._fail("proof-timed-out", problem.why or problem.message, connection)
        if "row-level security" in (evidence.error or ""):
            problem = replace(problem, code="row-level-security")
        raise server_faults.error(problem, connection, self.env_path)

    def _fail(self, code: str, why: str, connection: Connection) -> NoReturn:
        problem = Problem(code, proof.cannot_store(connection), why=why, level="error")
        raise server_faults.error(problem, connection, self.env_path)

    @property
    def _left(self) -> float:
        return max(0.01, self._end - time.monotonic())

    def _within(self, job: Callable[[], T], seconds: float | None = None) -> T:
        """Run a call without a time limit of its own in a thread; one that is late is abandoned."""
        return background.within(min(self._left, seconds or self._left), job)


def _place(connection: Connection, address: str) -> str:
    return f"{connection.host}:{connection.port}" + (f" ({address})" if address != connection.host else "")
