"""Wait until a real login succeeds, and update the database to match `.env` where it does not."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.background import NotDone, within
from planodev.deadline import GRACE
from planodev.engines import PortTaken, hint
from planodev.postgres import admin, limits, locked_catalogue, proof, state_table
from planodev.postgres.admin import AdminFailed
from planodev.postgres.connection import INSIDE_PORT, LOOPBACK, is_published
from planodev.problems import Command, CredentialsRefused, Fix, NotReady, Shell
from planodev.project import defaults
from planodev.result import Outcome
from planodev.steps import not_in_time
from planodev.steps.match_env import follow
from planodev.steps.server import prepare, proof_beside_plano
from planodev.visible import visible

if TYPE_CHECKING:
    from planodev.database import Database
    from planodev.engines import Container
    from planodev.look import Seen
    from planodev.problems import Problem

_AT = r'listening on IPv[46] address "([^"]+)", port (\d+)'
# What stands in postgresql.auto.conf counts before postgresql.conf.
_EVERYWHERE = f"-p {{}} -c 'ALTER SYSTEM SET port = {INSIDE_PORT}' -c \"ALTER SYSTEM SET listen_addresses = '*'\""
_LOGGED = 1.0  # seconds for a server to log that it starts, after which the log is no more that of an earlier start
POLL, LOOK = 0.025, 0.25  # seconds between two logins, and between two looks at the server
LOG_LINES = 12
ATTEMPTS_LINES = 40  # of the log: enough for two failed starts
# While a server starts it refuses, or its port forwarder closes the connection; nothing else changes by waiting.
_WAIT = ("connection-refused", "not-ready", "not-postgres", "unreachable", "too-many-connections")
FOLLOWS = (
    "password-refused",
    "database-missing",
    "login-privilege-missing",
    "connect-privilege-missing",
    "connection-limit",
)


def log_in(database: Database) -> Database:
    """Wait for a login with what `.env` says, through the published port.

    Raises:
        CredentialsRefused: the server refuses, and cannot be made to follow `.env`.
        NotReady: the server stops, or accepts no login within `--timeout`.

    """
    seen, followed, locked = database.seen, False, None
    seen.progress.begin("Logging in")
    began, next_look = time.monotonic(), 0.0
    deadline, sure = began + seen.deadline.left(seen.settings.timeout.value), began + _LOGGED
    while True:
        problem = attempt(database)
        if problem is None:
            break
        if problem.code in FOLLOWS and not followed:
            _refuse_half_made(database)
            follow(database, problem)
            followed = True
            continue
        if problem.code not in _WAIT:
            fix = or_another_image(database, proof.BY_HAND.get(problem.code, proof.BY_HAND["login-failed"]))
            raise CredentialsRefused(problem.code, f"no login as {seen.user}", why=problem.why, fix=fix)
        locked = locked_catalogue.explained(problem, seen, database.server) or locked
        now = time.monotonic()
        if now > deadline or seen.deadline.left() <= GRACE:
            raise _late(database, problem, locked)
        if now >= next_look:
            if database.found_running:
                database = _start_again(database)
            _refuse_stopped(database.seen, database.server, marked=database.marked)
            if now > sure:
                _refuse_elsewhere(database)
            next_look = now + LOOK
        time.sleep(POLL)
    _refuse_half_made(database)
    prepared = database.prepared or prepare(database)
    prepared.go()
    seen.progress.done(Outcome("updated" if followed else "succeeded", f"login as {seen.user}"))
    return replace(database, prepared=prepared)


def attempt(database: Database) -> Problem | None:
    """Return why there is no login, None where there is one.

    Beside a server on another machine the whole proof is run, since only a container there reaches it.
    """
    import psycopg

    if not database.seen.engine.info.local:
        return _from_beside(database)
    connection, seconds = database.connection(host=LOOPBACK), database.seen.deadline.share(limits.LOGIN)
    try:
        within(seconds, lambda: proof.login(connection, seconds).close())
    except NotDone:
        return proof.judge(proof.Evidence(None, stored=False, error=limits.silent(seconds)), connection, ours=True)
    except psycopg.Error as error:
        problem = proof.judge(proof.refusal(error), connection, ours=True)
        if problem and problem.code == "connection-refused" and database.seen.mode == "docker":
            from planodev.engines.docker import unreachable

            return _from_beside(database) if unreachable.is_around(database.seen.engine) else problem
        return problem
    return None


def _from_beside(database: Database) -> Problem | None:
    """Return the same for a login from the probe container, for an engine whose ports are on another machine."""
    evidence = proof_beside_plano(database)
    return None if evidence.facts else proof.judge(evidence, database.connection(), ours=True)


# Logged by the entrypoint of docker-library/postgres, and of images made from it, at the end of a first start, and at
# the beginning of every other one.
_MADE, _MADE_BEFORE = "PostgreSQL init process complete", "Skipping initialization"
_TABLE = f"SELECT EXISTS (SELECT FROM pg_class WHERE relname = '{state_table.NAME}');"
_FIRST_LINES = 5000  # of a log: the scripts of an image may log a lot


def _refuse_half_made(database: Database) -> None:
    """Refuse data whose first start was interrupted: a second start skips the rest of it, and looks fine.

    Raises:
        NotReady: the image's own scripts may have come to no end.

    """
    seen, engine, server = database.seen, database.seen.engine, database.server
    if database.marked:
        return
    state = engine.state(server.id)
    if database.prepared and not (state and state.restarts):
        return  # its very first start
    log = engine.logs(server.id, _FIRST_LINES).text
    if _MADE in log or _MADE_BEFORE not in log:
        return
    with suppress(AdminFailed):  # planodev creates it last, after a complete first start
        if admin.run_as_superuser(engine, server, _TABLE, superuser=seen.superuser, database=seen.database) == "t":
            return
    before = log.partition(_MADE_BEFORE)[0].strip()
    again = Fix(Command("logs"), " shows how far it came; ", Command("down", "--delete-data"), ", then ", Command("up"))
    raise NotReady(
        "init-failed",
        "the first start of Postgres did not finish, so its data may be incomplete",
        why=end_of(before) or "it was interrupted while the image's own scripts ran",
        fix=or_another_image(database, again),
    )


def wait_inside(seen: Seen) -> None:
    """Wait until a server that is just starting answers on its local connection.

    Raises:
        NotReady: it stops.
        AdminFailed: it gives no answer before the deadline.

    """
    server = seen.server
    while True:
        try:
            admin.run_as_superuser(seen.engine, server, "SELECT 1;", superuser=seen.superuser, database="postgres")
        except AdminFailed:
            _refuse_stopped(seen, server, marked=True)
            if seen.deadline.left() <= GRACE:
                raise
        else:
            return
        time.sleep(LOOK)


def _start_again(database: Database) -> Database:
    """Start a server, once, that has stopped since it was looked at: a killed planodev may have asked for that."""
    engine, server = database.seen.engine, database.server
    state = engine.state(server.id)
    if state is None or state.status != "exited":
        return database
    database.seen.progress.note(f"the {engine.wording.server} has stopped in the meantime; starting it again")
    with suppress(PortTaken):  # it stays stopped, which the next look reports
        engine.start(server)
    return replace(database, found_running=False)


def _refuse_stopped(seen: Seen, server: Container, *, marked: bool) -> None:
    engine = seen.engine
    state = engine.state(server.id)
    if state is None or state.status in ("exited", "dead", "restarting"):
        now = state.status if state else "gone"
        log = engine.logs(server.id, ATTEMPTS_LINES).text.strip()
        raise NotReady(
            "server-stopped",
            f"Postgres does not stay up: the {engine.wording.server} `{server.name}` is {now}",
            why=end_of(log) or "it left no log",
            fix=_way_out(seen, server, log, marked=marked),
        )


def _refuse_elsewhere(database: Database) -> None:
    """Refuse a server that is ready, and listens where the engine publishes nothing: its own settings have it so.

    Raises:
        NotReady: nothing changes by waiting.

    """
    seen, server = database.seen, database.server
    # The scripts of an image have a server of their own, which listens where they like. It has ended once PostgreSQL is
    # the first program of the container, and what is in the log after that is of the server itself: so it is read last.
    if not seen.engine.traits.containers or seen.engine.programs(server)[:1] != ("postgres",):
        return
    where = listening_elsewhere(seen.engine.logs(server.id, ATTEMPTS_LINES).text)
    if not where:
        return
    listening = " and ".join(f"{f'[{address}]' if ':' in address else address}:{port}" for address, port in where)
    psql = hint(seen.engine.wording.psql, server, seen.superuser, "postgres").replace("{", "{{").replace("}", "}}")
    inside = Shell(f"{psql} {_EVERYWHERE}", where[0][1])
    again = (Command("down", "--keep-data"), " and ", Command("up"))
    reset = Fix(inside, ", then ", *again, f" make it listen on port {INSIDE_PORT}")
    # What was never ready is created again, and has nothing that was set in it.
    other = _another_image(seen, marked=database.marked)
    raise NotReady(
        "listens-elsewhere",
        f"Postgres listens on {listening} inside its container only, and cannot be reached from this machine",
        why=f"its settings `port` or `listen_addresses` say so; planodev publishes the container's port {INSIDE_PORT}",
        fix=Fix(other) if other else reset,
    )


def listening_elsewhere(log: str) -> list[tuple[str, str]]:
    """Return where a server that is ready listens, by its log, if no published port leads to any of these places.

    Each is an address and a port. There is none where the log does not say, or one of them can be reached. A server
    without any is one that the image starts for its own scripts alone.
    """
    log = log[max(0, log.rfind("starting PostgreSQL")) :]
    if "ready to accept connections" not in log or "is shut down" in log:
        return []
    where = re.findall(_AT, log)
    return [] if any(is_published(address, port) for address, port in where) else where


def or_another_image(database: Database, fix: Fix) -> Fix:
    """Return a fix that also names the usual image where another one may be what is wrong."""
    other = _another_image(database.seen, marked=database.marked)
    return fix + Fix("; or, if the image causes this, ", other) if other else fix


def _another_image(seen: Seen, *, marked: bool) -> Command | None:
    """Return the command that takes the usual image, None where that is used, or would not help.

    Data that is `marked` as ready has run with its own image, and may need what that brings. Other data is created
    again; where it has tables after all, and is of another major version, the next `up` refuses that by itself.
    """
    image = seen.settings.image.value
    if marked or image == defaults.IMAGE or not seen.engine.traits.containers:
        return None
    return Command("up", "--image", defaults.IMAGE)


def end_of(log: str) -> str:
    """Return the last lines of a log, and as many more as it takes to show what ended the server last.

    The engine may have begun another attempt since: then the last lines are those of a start that looks well.
    """
    lines = log.splitlines()
    fatal = [number for number, line in enumerate(lines) if re.search(r"\b(FATAL|PANIC):", line)]
    start = min([len(lines) - LOG_LINES, *(number - 2 for number in fatal[-1:])])
    return "\n".join(lines[max(0, start) :])


def _late(database: Database, problem: Problem, locked: Problem | None) -> NotReady:
    """Return the error for a server that lets nobody in; `locked` where a session is known that keeps it from that."""
    from planodev.engines.docker import unreachable

    seen = database.seen
    timeout, engine = seen.settings.timeout.value, seen.engine
    # A firewall may drop what a container sends to this machine, but not what the machine sends to itself.
    beside = seen.mode == "docker" and (not engine.info.local or unreachable.is_around(engine))
    explained = locked or (unreachable.explain(engine, problem, database.port) if beside else problem)
    fix = not_in_time.longer(timeout) or Fix(Command("logs"), " shows what it is doing")
    by_hand = proof.BY_HAND.get(problem.code)
    if by_hand:
        slow = ("; or, where it is only slow, ", *fix.parts) if problem.code == "unreachable" else ()
        fix = by_hand + Fix(*slow)
    instead = _instead(seen, database.server)
    other = _another_image(seen, marked=database.marked) if instead else None
    if other:
        fix = Fix(other, "; or, where it is only slow, ", *fix.parts)
    fix += locked_catalogue.to_look(engine, database.server) if problem.code == "unreachable" and not beside else Fix()
    if explained is not problem:
        problem, fix = explained, (explained.fix or "") + Fix("; or ", *fix.parts)
    log = engine.logs(database.server.id, LOG_LINES).text.strip()
    return NotReady(
        "not-ready-in-time",
        f"Postgres accepted no login within {timeout:g} seconds",
        why=f"{instead}{problem.why}; the end of its log:\n{log}",
        fix=fix,
    )


def _instead(seen: Seen, server: Container) -> str:
    """Return what runs in a server's container in the place of PostgreSQL, to begin a sentence with; "" for nothing."""
    programs = seen.engine.programs(server)
    if not programs or "postgres" in programs:
        return ""
    shown = ", ".join(f"`{visible(name)}`" for name in programs[:_PROGRAMS])
    return f"no PostgreSQL runs in the {seen.engine.wording.server} of the image `{server.image}`, only {shown}; "


_PROGRAMS = 3  # that are named at most
# What PostgreSQL logs of data with which it will never start.
_DAMAGED = (
    r"could not locate a valid checkpoint|invalid (?:primary )?checkpoint|incorrect checksum in control file"
    r"|control file .* invalid|could not open file \"(?:global|pg_)|not a valid data directory|PANIC:"
)
# What it, or its image, logs where no database was created.
_NOT_MADE = (
    r"\"root\" execution of the PostgreSQL server is not permitted|does not know where to find the server config"
    r"|could not access the server configuration file|could not access directory|initdb: error: "
)
_OTHER_PROCESSOR = r"[Ee]xec format error"  # of the system, for a program that was compiled for another one
_OTHER_MAJOR = r"initialized by PostgreSQL version (\d+)"


def _way_out(seen: Seen, server: Container, log: str, *, marked: bool) -> Fix | str:
    """Return the fix for a server that does not stay up, by its log."""
    wording = seen.engine.wording
    other_major = re.search(_OTHER_MAJOR, log)
    if other_major:
        return Fix.template(wording.other_major.format(major=other_major[1]))
    other = _another_image(seen, marked=marked)
    if re.search(_OTHER_PROCESSOR, log) and seen.engine.traits.containers:
        pulled = Fix("the image is for another processor; ", Command("up", "--pull", "always"), " pulls this engine's")
        return pulled + Fix("; or ", other, " takes another image") if other else pulled
    if re.search(_NOT_MADE, log) and other:
        return Fix("the image does not make a database; ", other, " takes one that does")
    if re.search(_DAMAGED, log) and seen.observed.volume:
        kept = f"the data is damaged: `{hint(wording.damaged, server)}` keeps it for a repair; then "
        return Fix(kept, Command("down", "--delete-data"), " starts over")
    log_first = Fix(Command("logs"), " has the whole log; then ", Command("up"))
    return log_first + Fix("; or, if the image causes this, ", other) if other else log_first
