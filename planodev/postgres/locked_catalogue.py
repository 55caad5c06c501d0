"""Who keeps every login to a database waiting: a session that has locked a table of the server's own catalogue."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from planodev.engines import hint
from planodev.postgres import admin, locks, processes, proof, sql
from planodev.problems import Fix, NoEngine

if TYPE_CHECKING:
    from planodev.engines import Container, Engine
    from planodev.look import Seen
    from planodev.problems import Level, Problem

_SECONDS = 2.5  # where the lock is on another table, or nothing is locked, the answer comes at once
# Databases that initdb makes, and in which nobody works: each has a catalogue of its own, but for a few tables that all
# share. Where one of those is locked, as `pg_authid`, no login passes anywhere, and nobody can be asked.
_OTHERS = ("postgres", "template1")


# The codes of a login to which nothing was answered, and of a session that waits for a lock before it has begun.
_LATE = ("unreachable", "login-failed")


def explained(problem: Problem, seen: Seen, server: Container) -> Problem | None:
    """Return the problem of a login to the project's own server with who keeps it waiting, None where nobody does."""
    if problem.code not in _LATE:
        return None
    found = holder(seen.engine, server, superuser=seen.superuser, database=seen.database)
    if not found:
        return None
    fix = proof.ending(found, proof.BY_HAND["unreachable"])
    return replace(problem, why=f"Postgres is running, but lets nobody in: {found.text}", fix=fix)


def silent(evidence: proof.Evidence, seen: Seen, server: Container, level: Level = "error") -> Problem:
    """Return the problem of the project's own server that runs and does not answer; see `proof.server_silent`."""
    problem = proof.server_silent(evidence, level)
    known = evidence.holder or evidence.engine_silent
    return problem if known else replace(problem, fix=(problem.fix or "") + to_look(seen.engine, server))


def to_look(engine: Engine, server: Container) -> Fix:
    """Return how to see who keeps every login waiting, where the server itself cannot be asked."""
    shows = f"`{hint(engine.wording.sessions, server)}` lists the sessions, and marks those that wait with `waiting`"
    return Fix(f"; a session may have locked what every login reads, and the server cannot be asked which: {shows}")


def holder(engine: Engine, server: Container, *, superuser: str, database: str) -> locks.Holder | None:
    """Return who has locked a table of a database's catalogue, as another database of the server says; None for nobody.

    Args:
        engine: the open engine.
        server: a running server.
        superuser: the server's own, who sees the statements of every role.
        database: where no login passes.

    """
    other = next(name for name in _OTHERS if name != database)
    question = locks.who_locks_the_catalogue(sql.literal(database))
    try:
        said = admin.run_as_superuser(engine, server, question, superuser=superuser, database=other, most=_SECONDS)
    except (admin.AdminFailed, NoEngine):
        return None
    if not said:
        return None
    found = json.loads(said)
    lock = processes.with_stopped(found["lock"], processes.of(engine, server, superuser, other))
    text = f"`{found['table']}` of the server's own catalogue is locked: {locks.holds(lock)}"
    return locks.Holder(text, stopped=lock.get("stopped", False))
