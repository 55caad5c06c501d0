"""Processes of planodev's own servers that are stopped, as by SIGSTOP: they are at work, as PostgreSQL sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planodev.postgres import admin
from planodev.problems import NoEngine

if TYPE_CHECKING:
    from planodev.engines import Container, Engine
    from planodev.look import Seen
    from planodev.postgres.proof import Evidence

_SECONDS = 2.5  # the answer comes at once, or is not needed any more
# The state of a process stands behind its name, in brackets: proc_pid_stat(5). Other systems have no such file, so the
# number of no process is added where it can be read.
_READABLE = 0
_STOPPED = f"""\
SELECT {_READABLE} WHERE pg_read_file('/proc/self/stat', 0, 1, true) IS NOT NULL
UNION ALL SELECT pid FROM pg_stat_activity
WHERE substring(pg_read_file('/proc/' || pid || '/stat', 0, 400, true) from '.*[)] (.)') IN ('T', 't');
"""


def stopped(seen: Seen) -> frozenset[int] | None:
    """Return the numbers of the server's processes that are stopped; None where that cannot be seen."""
    server = seen.observed.container
    return of(seen.engine, server, seen.superuser) if server else None


def of(engine: Engine, server: Container, superuser: str, database: str = "postgres") -> frozenset[int] | None:
    """Return the same for a running server, asked in one of its databases."""
    try:
        said = admin.run_as_superuser(engine, server, _STOPPED, superuser=superuser, database=database, most=_SECONDS)
    except (admin.AdminFailed, NoEngine):
        return None
    numbers = frozenset(int(word) for word in said.split() if word.isdecimal())
    return numbers - {_READABLE} if _READABLE in numbers else None


def with_stopped(lock: dict[str, Any], stopped: frozenset[int] | None) -> dict[str, Any]:
    """Return who holds a lock, as a row of `locks` tells it, with whether its process is stopped, if that is known."""
    return lock if stopped is None else {**lock, "stopped": lock["pid"] in stopped}


def with_holder(evidence: Evidence, seen: Seen) -> Evidence:
    """Return the evidence of the project's own server with the same, where another session locks the table."""
    facts = evidence.facts
    if not facts or not facts.get("lock"):
        return evidence
    return evidence._replace(facts={**facts, "lock": with_stopped(facts["lock"], stopped(seen))})
