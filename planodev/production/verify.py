"""Whether a Plano could store on a server that planodev does not run: proved from this machine, in bounded time."""

from __future__ import annotations

import errno
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote

from planodev.plano import config_file, wire
from planodev.postgres import proof, sessions
from planodev.postgres.connection import Connection, is_loopback
from planodev.problems import CredentialsRefused, NotReady, PlanodevError, Problem
from planodev.production import server_faults
from planodev.production import target as target_file
from planodev.project import settings
from planodev.result import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from planodev.plano.driver_url import Target
    from planodev.progress import Progress
    from planodev.project.identity import Project

T = TypeVar("T")
DEFAULT_TIMEOUT = 10.0
# Seconds of silence that the network of a cloud provider is known to bear; 350 at AWS, 240 at Azure.
_FORGOTTEN_AFTER = 240
# Seconds for a second session: behind a pooler with a single place for each user it is never given.
_SECOND_SESSION = 3.0
# What PgBouncer says where it has no connection to give, 1.18 to 1.24.
_POOLER_ALONE = r"query_wait_timeout|server_login_retry|cannot connect to server|server DNS lookup failed"
_SHARED = "it is a pooler by transaction, whose sessions share connections, and Plano keeps prepared statements"


@dataclass(frozen=True)
class Seen:
    """A proof that passed: what was used, and what was found."""

    project: Project
    env_path: Path
    config_path: Path
    settings: settings.Settings
    target: Target
    way: Connection
    address: str
    evidence: proof.Evidence


def prove(here: Project, options: Mapping[str, Any], variables: Mapping[str, str], progress: Progress) -> Seen:
    """Prove that a Plano that is started with an environment file can store; nothing is changed.

    Args:
        here: the project; relative paths start there.
        options: `env_file`, `config`, `timeout`.
        variables: the process's environment; nothing but the settings is taken from it.
        progress: who is told.

    Raises:
        BadInput: a file cannot be read.
        CredentialsRefused: the server does not let the role in.
        NotReady: no PostgreSQL answered in time.
        VerificationFailed: Plano would not start, or could not store.

    """
    chosen = settings.resolve(options, variables, here.path, {})
    seconds = chosen.timeout.value if chosen.timeout.source != "default" else DEFAULT_TIMEOUT
    env_path = here.path / options["env_file"]
    config = config_file.load(config_file.find(here.path, chosen.config.value))
    target = target_file.read(env_path, config, progress)
    progress.begin(f"Proving that Plano can store at {target.hosts[0][0]}")
    way, address, evidence = _Attempt(target, seconds, env_path, progress).anywhere()
    detail = f"a conversation was stored at {way.host}, read back and rolled back from this machine"
    progress.done(Outcome("proved", "storing", detail))
    return Seen(here, env_path, config.path, chosen, target, way, address, evidence)


class _Attempt:
    """One run over the hosts of a connection string, in the driver's order, until one is good or the time is up."""

    def __init__(self, target: Target, seconds: float, env_path: Path, progress: Progress) -> None:
        self.target = target
        self.seconds = seconds
        self.env_path = env_path
        self.progress = progress
        self._end = time.monotonic() + seconds

    def anywhere(self) -> tuple[Connection, str, proof.Evidence]:
        last: PlanodevError | None = None
        to = self.target
        options = to.parameters.get("options", "")
        whole = Connection(to.user or "", to.password or "", "", 0, to.database or "", options=options)
        for host, port in self.target.hosts:
            way = replace(whole, host=host, port=port)
            try:
                for address in self._addresses(way):
                    found = self._try(way, address)
                    if isinstance(found, proof.Evidence):
                        return way, address, found
                    last = found
            except NotReady as error:  # the name
                last = error
        assert last is not None  # noqa: S101  there is at least one host
        raise last

    def _try(self, way: Connection, address: str) -> proof.Evidence | PlanodevError:
        """Return what was seen, or the error after which the driver would go on to the next place."""
        try:
            return self._at(way, address)
        except PlanodevError as error:
            if not self._driver_goes_on(error):
                raise
            return error

    def _driver_goes_on(self, error: PlanodevError) -> bool:
        other = self.target.parameters.get("target_session_attrs") == "read-write"
        return isinstance(error, (NotReady, CredentialsRefused)) or (error.code == "server-read-only" and other)

    @property
    def _left(self) -> float:
        return max(0.01, self._end - time.monotonic())

    def _within(self, job: Callable[[], T], seconds: float | None = None) -> T:
        """Run what no library lets us bound; a thread that is late is left behind and ends with the process."""
        found: list[T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                found.append(job())
            except BaseException as error:  # noqa: BLE001  raised again where it is waited for
                failed.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(min(self._left, seconds or self._left))
        if failed:
            raise failed[0]
        if not found:
            raise TimeoutError
        return found[0]

    def _addresses(self, way: Connection) -> list[str]:
        if way.host.startswith("/"):
            return [way.host]
        try:
            found = self._within(lambda: socket.getaddrinfo(way.host, way.port, type=socket.SOCK_STREAM))
        except TimeoutError:
            self._fail("name-not-found", f"no answer about the name `{way.host}` came within {self.seconds:g} s", way)
        except (OSError, UnicodeError):
            self._fail("name-not-found", f"the name `{way.host}` does not resolve on this machine", way)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def _at(self, way: Connection, address: str) -> proof.Evidence:
        if not address.startswith("/"):
            self._look(way, address)
        numeric = replace(way, host=address)
        try:
            self._sessions(way, numeric)
            evidence = self._within(lambda: proof.run_here(numeric, self._left))
        except TimeoutError:
            why = f"the statements did not end within {self.seconds:g} s: something holds a lock on the table"
            self._fail("proof-timed-out", why, way)
        self._judge(replace(evidence, address=address), way)
        return evidence

    def _look(self, way: Connection, address: str) -> None:
        """See what listens there, before a password goes anywhere."""
        at = f"{way.host}:{way.port}" + (f" ({address})" if address != way.host else "")
        place = (address, way.port)
        try:
            seen = wire.greet(place, way.user, way.database, self._left, options=way.options)
        except ConnectionRefusedError:
            self._fail("connection-refused", f"nothing listens at {at}", way)
        except TimeoutError:
            self._fail(
                "unreachable", f"{at} did not answer within {self.seconds:g} s: packets are dropped on the way", way
            )
        except OSError as error:
            way_there = (
                "no way there over IPv6, and it has no other" if ":" in address else error.strerror or str(error)
            )
            no_route = error.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL)
            self._fail("unreachable", f"{at}: {way_there if no_route else error.strerror or error}", way)
        if seen.silent:
            self._fail("not-postgres", f"what listens at {at} said nothing within {self.seconds:g} s", way)
        if not seen.postgres:
            self._fail("not-postgres", f"what listens at {at} does not speak PostgreSQL's protocol", way)
        if seen.error is not None:
            self._refuse_plaintext(way, place, at, seen)
            self._judge(
                proof.Evidence(None, stored=False, error=seen.error, sqlstate=seen.sqlstate, address=address), way
            )
        if seen.iterations and seen.iterations > server_faults.MOST_ITERATIONS:
            most = server_faults.MOST_ITERATIONS
            why = f"{at} asks for {seen.iterations} SCRAM iterations, and Plano's driver takes {most} at most"
            self._fail("scram-iterations", why, way)

    def _refuse_plaintext(self, way: Connection, place: tuple[str, int], at: str, seen: wire.Greeting) -> None:
        """Tell a server that wants TLS from one that wants nobody: the same login is begun once more, encrypted."""
        with suppress(OSError):
            encrypted = wire.greet(place, way.user, way.database, self._left, options=way.options, tls=True)
            if encrypted.asks is not None:
                self._fail(
                    "tls-required", f"{at} takes encrypted logins only ({seen.error}); Plano's driver has no TLS", way
                )

    def _sessions(self, way: Connection, numeric: Connection) -> None:
        """Look at what a session is given, and whether a second one would disturb its prepared statements."""
        import psycopg

        try:
            first = self._within(lambda: proof.login(numeric, self._left))
        except psycopg.Error as error:
            seen = proof.refusal(error)
            if re.search(_POOLER_ALONE, seen.error or ""):
                why = f"the pooler at {way.host}:{way.port} takes the password, and does not reach the server behind it"
                self._fail("pooler-without-server", why, way)
            self._judge(replace(seen, address=numeric.host), way)
        except TimeoutError:
            why = f"{way.host}:{way.port} asked for a password and then said nothing within {self.seconds:g} s"
            self._fail("login-timed-out", why, way)
        first.autocommit = True
        idle, keepalive = self._within(lambda: first.execute(sessions.SILENCE).fetchone())
        if idle not in (None, "0"):
            self._fail(
                "idle-session-timeout", f"the server ends a session of {way.user} that is silent for {idle}", way
            )
        self._look_at_silence(numeric, int(keepalive or 0))

        def beside() -> bool:
            with proof.login(numeric, self._left) as second:
                second.autocommit = True
                return sessions.keeps_statements(first, second)

        kept = True
        with suppress(TimeoutError, psycopg.OperationalError):
            kept = self._within(beside, _SECOND_SESSION)
        first.close()
        if not kept:
            self._fail(
                "prepared-statements-lost", f"sessions at {way.host}:{way.port} share a connection to the server", way
            )

    def _look_at_silence(self, numeric: Connection, keepalive: int) -> None:
        mine = self.target.parameters.get("keepalives_idle", "")
        if (
            is_loopback(numeric.host)
            or 0 < keepalive <= _FORGOTTEN_AFTER
            or (mine.isdigit() and int(mine) <= _FORGOTTEN_AFTER)
        ):
            return
        self.progress.notice(
            Problem(
                "silence-may-cut",
                f"a silent connection sends nothing for {keepalive or 7200} s, and many firewalls forget it earlier",
                "add `?keepalives_idle=60` to the connection string in Plano's configuration",
            )
        )

    def _judge(self, evidence: proof.Evidence, way: Connection) -> None:
        """Raise what a proof or a login failed with; the server's words lose the password, should they repeat it."""
        if evidence.error and way.password:
            said = evidence.error.replace(way.password, "***").replace(quote(way.password, safe=""), "***")
            evidence = replace(evidence, error=said)
        verdict = proof.verdict(evidence, way)
        if verdict.proved:
            return
        code = verdict.code
        if evidence.sqlstate in sessions.LOST:
            self._fail("prepared-statements-lost", _SHARED, way)
        if "row-level security" in (evidence.error or ""):
            code = "row-level-security"
        self._fail(code, verdict.why, way, verdict.fix)

    def _fail(self, code: str, why: str, way: Connection, fix: str = "") -> NoReturn:
        raise server_faults.fault(code, why, way, self.env_path, fix)
