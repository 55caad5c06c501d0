"""Wait until a real login succeeds, and make the database follow `.env` where it does not."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from planodev.background import begin
from planodev.engines import AdminFailed
from planodev.engines.terms import fill
from planodev.postgres import proof, state_table
from planodev.postgres.connection import LOOPBACK
from planodev.problems import CredentialsRefused, NotReady
from planodev.result import Outcome
from planodev.steps.follow import follow, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from planodev.postgres.connection import Connection
    from planodev.postgres.proof import Evidence
    from planodev.problems import Problem
    from planodev.work import Work

POLL = 0.025  # seconds
PROOF_TIMEOUT = 10.0  # seconds to connect
LOG_LINES = 12
# A server that is coming up refuses, or its port forwarder closes; anything else will not change by waiting.
_WAIT = ("connection-refused", "not-ready", "not-postgres", "unreachable", "too-many-connections")
_FOLLOW = ("password-refused", "database-missing", "login-privilege-missing", "connect-privilege-missing")


class LogIn:
    """Ready is a login with what `.env` says, through the published port."""

    title = "Logging in"

    def run(self, work: Work) -> Outcome:
        subject = f"login as {work.user}"
        if work.dry_run:
            return self._dry(work, subject)
        if work.proved:
            return Outcome("unchanged", subject)
        deadline = time.monotonic() + work.settings.timeout.value
        followed = False
        while True:
            verdict = self._try(work)
            if verdict is None:
                work.ahead = work.ahead or Ahead(work)
                work.ahead.go()
                return Outcome("updated" if followed else "succeeded", subject)
            if verdict.code in _FOLLOW and not followed:
                follow(work, verdict)
                followed = True
                continue
            if verdict.code not in _WAIT:
                fix = f"`{fill(work.engine.terms.log, work.have())}` shows the server's view"
                raise CredentialsRefused(verdict.code, verdict.message, why=verdict.why, fix=fix)
            if time.monotonic() > deadline:
                raise self._late(work, verdict)
            self._look_at_container(work)
            time.sleep(POLL)

    def _dry(self, work: Work, subject: str) -> Outcome:
        """Log in where that can be done now: it changes nothing, and shows what would have to follow `.env`."""
        have = work.observed.container
        if have is None or have.state != "running" or have.port != work.port:
            return Outcome("would be tried", subject)
        work.container, work.volume = have, work.observed.volume
        verdict = self._try(work)
        if verdict and verdict.code in _FOLLOW:
            with suppress(AdminFailed):  # what `up` then says with its way out
                say(work, verdict)
                return Outcome("would be updated", subject)
        return Outcome("would be tried" if verdict else "unchanged", subject)

    def _try(self, work: Work) -> Problem | None:
        """Return None for a login; nothing else is asked here."""
        import psycopg

        if not work.engine.info.local:
            # Its ports are on another machine; the witness is the only one beside it.
            evidence = beside_plano(work)
            return None if evidence.facts else proof.judge(evidence, work.connection())
        way = work.connection(host=LOOPBACK)
        try:
            proof.login(way, 5).close()
        except psycopg.Error as error:
            return proof.judge(proof.refusal(error), way)
        return None

    def _look_at_container(self, work: Work) -> None:
        now = time.monotonic()
        if now < getattr(self, "_next_look", 0.0):
            return
        self._next_look = now + 0.25
        state = work.engine.state(work.have())
        if state in ("exited", "dead", "restarting"):
            log = work.engine.log(work.have(), LOG_LINES).strip()
            raise NotReady(
                "server-stopped",
                f"Postgres does not stay up: the {work.engine.terms.server} `{work.have().name}` is {state}",
                why=log or "it left no log",
                fix=_way_out(work, log),
            )

    def _late(self, work: Work, verdict: Problem) -> NotReady:
        log = work.engine.log(work.have(), LOG_LINES).strip()
        return NotReady(
            "not-ready-in-time",
            f"Postgres accepted no login within {work.settings.timeout.value:g} seconds",
            why=f"{verdict.why}; the end of its log:\n{log}",
            fix=f"`planodev up --timeout {work.settings.timeout.value * 2:g}`",
        )


class MakeTable:
    """Create Plano's table where there is none; judge one that exists, and never alter it."""

    title = "Making the state table"

    def run(self, work: Work) -> Outcome:
        if work.dry_run:
            return Outcome("would be made if missing", state_table.NAME)
        if work.proved:
            return Outcome("unchanged", state_table.NAME)
        try:
            before = (work.ahead and work.ahead.made()) or make(work)
        except AdminFailed as error:
            raise CredentialsRefused(
                "table-not-made",
                f"{work.user} could not make the table `{state_table.NAME}`",
                why=str(error),
                fix=f"`{fill(work.engine.terms.log, work.have())}` shows the server's view",
            ) from error
        return Outcome("unchanged" if before.splitlines()[:1] == ["t"] else "created", state_table.NAME)


# What PostgreSQL says of data that it will never start over, and no second try mends.
_DAMAGED = re.compile(
    r"could not locate a valid checkpoint|invalid (?:primary )?checkpoint|incorrect checksum in control file"
    r"|control file .* invalid|could not open file \"(?:global|pg_)|not a valid data directory|PANIC:"
)
_OTHER_MAJOR = re.compile(r"initialized by PostgreSQL version (\d+)")


def _way_out(work: Work, log: str) -> str:
    """Return what mends a server that does not stay up, by what its log says."""
    terms = work.engine.terms
    other = _OTHER_MAJOR.search(log)
    if other:
        return terms.other_major.format(major=other[1])
    if _DAMAGED.search(log) and work.volume:
        kept = fill(terms.damaged, work.have())
        return f"the data is damaged: `{kept}` keeps it for a repair; then `planodev down --delete-data` begins anew"
    return f"`{fill(terms.log, work.have())}` has the whole log; then `planodev up`"


def make(work: Work, go: Callable[[], bool] | None = None) -> str:
    """Make the table where it is missing; returns `t` as the first line where it was there already.

    The role itself makes it, so it owns it; over the server's socket, which works for remote engines too.
    """
    sql = f"{state_table.IS_THERE};\n{GUARDED}"
    return work.engine.make_ready(work.have(), sql, user=work.user, database=work.database, go=go)


class Ahead:
    """Table and proof, put in place while the server starts, so that each goes off the moment it can.

    Starting a command in a container takes the engine longer than the command itself; this way it does so
    while there is nothing else to do.
    """

    def __init__(self, work: Work) -> None:
        self._logged_in = threading.Event()
        # Longer than `LogIn` waits: without a login nothing here may ever begin.
        self._limit = 2 * work.settings.timeout.value
        self._made = begin(lambda: make(work, self._until_logged_in))
        self._proof = begin(lambda: beside_plano(work, go=self._until_made)) if work.mode == "docker" else None

    def _until_logged_in(self) -> bool:
        return self._logged_in.wait(self._limit)

    def _until_made(self) -> bool:
        return self._made() is not None

    def go(self) -> None:
        """Say that somebody has logged in."""
        self._logged_in.set()

    def made(self) -> str | None:
        """Wait for the table; None where it could not be made."""
        return self._made()

    def proof(self) -> Evidence | None:
        """Wait for the proof; None where it could not be run, or has to run elsewhere."""
        return self._proof() if self._proof else None


# Only where it is missing: IF NOT EXISTS would still try the indexes, on a table that may be another's.
GUARDED = f"""\
SELECT to_regclass('{state_table.NAME}') IS NULL AS missing \\gset
\\if :missing
SET client_min_messages = warning;
{state_table.CREATE}
\\endif
"""


def evidence_of(work: Work) -> Evidence:
    """Run the whole proof from where Plano will run, or wait for the one that is on its way."""
    if work.mode == "native" and work.engine.info.local:
        return proof.run_here(work.connection(), PROOF_TIMEOUT)
    return (work.ahead and work.ahead.proof()) or beside_plano(work)


def beside_plano(work: Work, way: Connection | None = None, go: Callable[[], bool] | None = None) -> Evidence:
    """Run the proof from a container beside Plano's, for this project's database or another way."""
    return work.engine.prove_beside_plano(way or work.connection(), work.settings.image.value, PROOF_TIMEOUT, go)
